// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
import Synchronization

/// A topic to be made.
public struct NewTopic: Sendable, Hashable {
    /// Its name, not yet checked.
    public var name: String
    /// Its partitions and their brokers.
    public var placement: ReplicaPlacement
    /// Its configs, checked by the caller.
    public var configs: [String: String]

    /// A topic to be made; the controller checks name and placement.
    public init(name: String, placement: ReplicaPlacement, configs: [String: String] = [:]) {
        self.name = name
        self.placement = placement
        self.configs = configs
    }
}

/// Changes the cluster's metadata: checks a change, has the store keep it, and only then shows it.
///
/// Owned by the broker; may be called from any thread. Reading ``image`` never waits for a disk. Everything that
/// changes something does, one change after the other, so it must not be called on an event loop.
///
/// Invariant: what ``image`` shows is in the store. When the store fails, the image stays as it was; as the store may
/// have kept the change nevertheless, it is read again before the next one.
public final class MetadataController: Sendable {
    private let store: any MetadataStore
    /// Held while a change is made, the disk included.
    private let writer: Mutex<Writer>
    /// Held only to read or exchange the image.
    private let current: Mutex<ClusterImage>
    private let producerIDs = Mutex<ProducerIDBlock?>(nil)

    private struct Writer {
        var generator: any RandomNumberGenerator & Sendable
        var mustReload = false
    }

    /// Opens a store, and makes it this cluster's if it is new. Waits for the disk.
    ///
    /// `nodeID` is this broker's. `clusterID` is the one the operator asks for, nil for the one kept, or for a new
    /// one drawn at random. Ids are drawn from `generator`. Throws `identityMismatch` for a store of another node or
    /// cluster, and what the store throws.
    public init(
        store: any MetadataStore,
        nodeID: NodeID,
        clusterID: String? = nil,
        generator: any RandomNumberGenerator & Sendable
    ) throws(MetadataError) {
        var generator = generator
        var image = try store.load()
        if image == nil {
            let id = clusterID ?? Self.drawID(&generator).base64
            try store.commit([.initializeCluster(clusterID: id, nodeID: nodeID)])
            image = try store.load()
        }
        guard let image else {
            throw MetadataError(.storage, "The metadata store is empty after it was written to")
        }
        guard image.nodeID == nodeID else {
            throw MetadataError(
                .identityMismatch,
                """
                This data belongs to broker \(image.nodeID), but node.id is \(nodeID): set node.id=\(image.nodeID), \
                or use another data directory
                """)
        }
        if let clusterID, clusterID != image.clusterID {
            throw MetadataError(
                .identityMismatch,
                """
                This data belongs to cluster \(image.clusterID), but cluster.id is \(clusterID): leave cluster.id \
                unset, or use another data directory
                """)
        }
        self.store = store
        self.writer = Mutex(Writer(generator: generator))
        self.current = Mutex(image)
    }

    /// The metadata as it is now. Cheap: a lock held for a moment, and a few references.
    public var image: ClusterImage { self.current.withLock { $0 } }

    /// The brokers that partitions may be given to.
    private func brokers(_ image: ClusterImage) -> [NodeID] { [image.nodeID] }

    private static func drawID(_ generator: inout any RandomNumberGenerator & Sendable) -> UUID128 {
        // The second word of an id is never zero, so neither is the id.
        UUID128.random(using: &generator)
    }
}

extension MetadataController {
    /// Makes topics, all that can be made in one commit; one result for each, in their order.
    ///
    /// With `validateOnly` everything is checked and nothing is kept; the ids are then not those of any topic.
    /// Errors: `invalidTopicName`, `topicAlreadyExists`, those of ``ReplicaPlacement``, `limitReached`, `storage`.
    public func createTopics(
        _ topics: [NewTopic], validateOnly: Bool = false
    ) -> [Result<TopicImage, MetadataError>] {
        self.changeEach(topics, validateOnly: validateOnly) { (topic, image, generator) throws(MetadataError) in
            try TopicName.validate(topic.name)
            if image.topic(named: topic.name) != nil {
                throw MetadataError(.topicAlreadyExists, "Topic '\(topic.name)' already exists")
            }
            let partitions = try topic.placement.partitions(for: topic.name, brokers: self.brokers(image))
            let created = TopicImage(
                name: topic.name, id: Self.drawID(&generator), partitions: partitions, configs: topic.configs)
            return (.createTopic(created), created)
        }
    }

    /// Deletes topics, all that exist in one commit; what each was is its result, in their order.
    ///
    /// Errors: `unknownTopicID`, `storage`.
    public func deleteTopics(_ ids: [TopicID]) -> [Result<TopicImage, MetadataError>] {
        self.changeEach(ids, validateOnly: false) { (id, image, _) throws(MetadataError) in
            guard let topic = image.topic(id: id) else {
                throw MetadataError(.unknownTopicID, "No topic has the id \(id)")
            }
            return (.deleteTopic(id), topic)
        }
    }

    /// Grows a topic to `count` partitions. `assignments`, if there are any, are the brokers of the new ones.
    ///
    /// Throws `unknownTopic`, `invalidPartitions`, `invalidReplicaAssignment`, `limitReached`, `storage`.
    /// Returns the topic as it is then, or would be (`validateOnly`).
    public func growTopic(
        _ name: String, to count: Int32, assignments: [[NodeID]]? = nil, validateOnly: Bool = false
    ) throws(MetadataError) -> TopicImage {
        let results = self.changeEach([name], validateOnly: validateOnly) {
            (name, image, _) throws(MetadataError) in
            let topic = try Self.require(name, in: image)
            let present = topic.partitions.count
            guard Int(count) > present else {
                throw MetadataError(
                    .invalidPartitions,
                    """
                    Topic '\(name)' has \(present) partitions, so \(count) would not be more: \
                    partitions can be added, never taken away
                    """)
            }
            let added = Int(count) - present
            if let assignments, assignments.count != added {
                throw MetadataError(
                    .invalidReplicaAssignment,
                    "Topic '\(name)': \(added) partitions are added, but \(assignments.count) are assigned")
            }
            let factor = Int16(clamping: topic.partitions[0].replicas.count)
            let placement: ReplicaPlacement =
                assignments.map { .manual($0) } ?? .spread(partitions: Int32(added), replicationFactor: factor)
            let partitions = try placement.partitions(
                for: name, brokers: self.brokers(image), firstIndex: present)
            var grown = topic
            grown.partitions += partitions
            return (.addPartitions(topic.id, partitions), grown)
        }
        return try results[0].get()
    }

    /// Replaces the configs set on a topic by what `change` makes of them; no other change comes in between.
    ///
    /// `change` must not call this controller. What it throws is thrown on; else `unknownTopic`, `limitReached`,
    /// `storage`. Returns the topic as it is then, or would be (`validateOnly`).
    public func alterTopicConfigs(
        _ name: String, validateOnly: Bool = false, _ change: (TopicImage) throws -> [String: String]
    ) throws -> TopicImage {
        try self.writer.withLock { writer in
            let image = try self.freshImage(&writer)
            var topic = try Self.require(name, in: image)
            topic.configs = try change(topic)
            try self.commit([.setTopicConfigs(topic.id, topic.configs)], to: image, validateOnly, &writer)
            return topic
        }
    }

    /// Replaces the configs set at run time for one broker, or for all (nil), by what `change` makes of them.
    ///
    /// `change` gets the image and must not call this controller. What it throws is thrown on; else `limitReached`,
    /// `storage`. Returns the image as it is then, or would be (`validateOnly`).
    @discardableResult
    public func alterBrokerConfigs(
        _ node: NodeID?, validateOnly: Bool = false, _ change: (ClusterImage) throws -> [String: String]
    ) throws -> ClusterImage {
        try self.writer.withLock { writer in
            let image = try self.freshImage(&writer)
            return try self.commit([.setBrokerConfigs(node, change(image))], to: image, validateOnly, &writer)
        }
    }

    /// Replaces the configs set on a group, which need not exist, by what `change` makes of them.
    ///
    /// `change` gets those set now and must not call this controller. What it throws is thrown on; else `limitReached`,
    /// `storage`. Returns the image as it is then, or would be (`validateOnly`).
    @discardableResult
    public func alterGroupConfigs(
        _ group: String, validateOnly: Bool = false, _ change: ([String: String]) throws -> [String: String]
    ) throws -> ClusterImage {
        try self.writer.withLock { writer in
            let image = try self.freshImage(&writer)
            let configs = try change(image.groupConfigs[group] ?? [:])
            return try self.commit([.setGroupConfigs(group, configs)], to: image, validateOnly, &writer)
        }
    }

    /// Makes changes that need no decision here, such as another leader, in one commit. Returns the new image.
    ///
    /// Throws as ``ClusterImage/applying(_:)`` does, or `storage`.
    @discardableResult
    public func apply(_ changes: [MetadataChange]) throws(MetadataError) -> ClusterImage {
        let result: Result<ClusterImage, MetadataError> = self.writer.withLock { writer in
            do throws(MetadataError) {
                let image = try self.freshImage(&writer)
                return .success(try self.commit(changes, to: image, false, &writer))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// A producer id that nobody has had. Waits for the disk once in a thousand calls.
    ///
    /// Throws `storage`, or `limitReached` after 2^63 ids.
    public func nextProducerID() throws(MetadataError) -> ProducerID {
        let result: Result<ProducerID, MetadataError> = self.producerIDs.withLock { block in
            if let id = block?.take() { return .success(id) }
            do throws(MetadataError) {
                block = try self.reserveProducerIDs()
            } catch {
                return .failure(error)
            }
            // A new block is not empty.
            return .success(block?.take() ?? .none)
        }
        return try result.get()
    }

    /// Reserves a block of producer ids for the caller. Waits for the disk. Throws as ``nextProducerID()`` does.
    public func reserveProducerIDs() throws(MetadataError) -> ProducerIDBlock {
        let result: Result<ProducerIDBlock, MetadataError> = self.writer.withLock { writer in
            do throws(MetadataError) {
                let image = try self.freshImage(&writer)
                guard let block = ProducerIDBlock(from: image.nextProducerID) else {
                    throw MetadataError(.limitReached, "All producer ids are used up")
                }
                try self.commit([.reserveProducerIDs(next: block.end)], to: image, false, &writer)
                return .success(block)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

extension MetadataController {
    private static func require(_ name: String, in image: ClusterImage) throws(MetadataError) -> TopicImage {
        guard let topic = image.topic(named: name) else {
            throw MetadataError(.unknownTopic, "There is no topic '\(name.prefix(TopicName.bytesMax))'")
        }
        return topic
    }

    /// What the next change builds on: the image shown, unless the store may have gone further.
    private func freshImage(_ writer: inout Writer) throws(MetadataError) -> ClusterImage {
        if writer.mustReload {
            guard let stored = try self.store.load() else {
                throw MetadataError(.storage, "The metadata store has become empty")
            }
            self.current.withLock { $0 = stored }
            writer.mustReload = false
        }
        return self.image
    }

    @discardableResult
    private func commit(
        _ changes: [MetadataChange], to image: ClusterImage, _ validateOnly: Bool, _ writer: inout Writer
    ) throws(MetadataError) -> ClusterImage {
        let next = try image.applying(changes)
        if !validateOnly { try self.keep(changes, leadingTo: next, &writer) }
        return next
    }

    private func keep(
        _ changes: [MetadataChange], leadingTo next: ClusterImage, _ writer: inout Writer
    ) throws(MetadataError) {
        guard !changes.isEmpty else { return }
        do throws(MetadataError) {
            try self.store.commit(changes)
        } catch {
            writer.mustReload = true
            throw error
        }
        self.current.withLock { $0 = next }
    }

    /// Makes one change for each item, each on top of those before it, and commits those that fit together.
    private func changeEach<Item>(
        _ items: [Item],
        validateOnly: Bool,
        _ decide: (Item, ClusterImage, inout any RandomNumberGenerator & Sendable) throws(MetadataError)
            -> (MetadataChange, TopicImage)
    ) -> [Result<TopicImage, MetadataError>] {
        self.writer.withLock { writer in
            var results: [Result<TopicImage, MetadataError>] = []
            do throws(MetadataError) {
                var next = try self.freshImage(&writer)
                var changes: [MetadataChange] = []
                for item in items {
                    do throws(MetadataError) {
                        let (change, topic) = try decide(item, next, &writer.generator)
                        try next.apply(change)
                        changes.append(change)
                        results.append(.success(topic))
                    } catch {
                        results.append(.failure(error))
                    }
                }
                if !validateOnly { try self.keep(changes, leadingTo: next, &writer) }
                return results
            } catch {
                // Nothing was kept: what would have succeeded failed with the store, the rest for its own reason.
                return items.indices.map { index in
                    if index < results.count, case .failure(let own) = results[index] { return .failure(own) }
                    return .failure(error)
                }
            }
        }
    }
}
