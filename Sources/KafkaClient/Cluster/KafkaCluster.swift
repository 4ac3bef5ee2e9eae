// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Logging
public import NIOCore
public import NIOPosix

import KafkaMessages
import KafkaTypes
import KafkaWire
import Synchronization

/// A Kafka cluster: finds its brokers and the leaders of partitions, keeps one connection to each broker in use, and
/// repeats what fails for a reason that goes away.
///
/// It may be used from any number of tasks at once, starts none of its own, and holds its connections until
/// ``close()``; ``withCluster(_:eventLoopGroup:logger:_:)`` closes by itself. All methods throw `KafkaClientError`, or
/// `CancellationError`.
public final class KafkaCluster: Sendable {
    /// How the cluster is found and treated.
    public let configuration: KafkaClusterConfiguration

    private struct State {
        var metadata = MetadataCache()
        var coordinators = CoordinatorCache()
        /// Connections and attempts at them, which all who want one wait for.
        var connections: [BrokerAddress: EventLoopFuture<KafkaConnection>] = [:]
        var generator = SystemRandomNumberGenerator()
        var isClosed = false
        /// A broker was reached: from then on, brokers that are out of reach are expected to come back.
        var hasConnected = false
    }

    private let state = Mutex(State())
    private let eventLoopGroup: any EventLoopGroup
    let clock: any Clock<Duration>
    let logger: Logger

    /// Connects to nothing yet. The event loops must live longer than the cluster is used.
    public convenience init(
        _ configuration: KafkaClusterConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = .disabled
    ) {
        self.init(configuration, eventLoopGroup: eventLoopGroup, logger: logger, clock: ContinuousClock())
    }

    init(
        _ configuration: KafkaClusterConfiguration, eventLoopGroup: any EventLoopGroup, logger: Logger,
        clock: any Clock<Duration>
    ) {
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.clock = clock
    }

    /// Another one like this, with connections of its own: what waits there does not hold up what is asked here.
    func sibling() -> KafkaCluster {
        KafkaCluster(self.configuration, eventLoopGroup: self.eventLoopGroup, logger: self.logger, clock: self.clock)
    }

    /// Gives `body` a cluster and closes its connections afterwards, however `body` ends.
    public static func withCluster<Result: Sendable>(
        _ configuration: KafkaClusterConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = .disabled,
        _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = KafkaCluster(configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        let result: Result
        do {
            result = try await body(cluster)
        } catch {
            await cluster.close()
            throw error
        }
        await cluster.close()
        return result
    }

    /// Closes all connections. Calls that wait for an answer fail with `connectionClosed`, later ones too.
    public func close() async {
        let connections = self.state.withLock { state in
            state.isClosed = true
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        for connection in connections {
            // A connection that was never made needs no closing.
            try? await connection.get().close()
        }
    }

    // MARK: Connections

    /// The connection to the broker at `address`, made if there is none.
    public func connection(to address: BrokerAddress) async throws -> KafkaConnection {
        // The first may have ended since it was made; a second one that ends at once is an error.
        for _ in 0..<2 {
            let future = try self.connecting(to: address)
            do {
                let connection = try await future.valueUnlessCancelled()
                if connection.isOpen {
                    self.connected(connection, future)
                    return connection
                }
            } catch let error where !(error is CancellationError) {
                self.forget(future)
                throw error
            }
            self.forget(future)
        }
        throw KafkaClientError(.connectionClosed, "\(address) closed the connection")
    }

    private func connecting(to address: BrokerAddress) throws(KafkaClientError) -> EventLoopFuture<KafkaConnection> {
        let future = self.state.withLock { state -> EventLoopFuture<KafkaConnection>? in
            guard !state.isClosed else { return nil }
            if let existing = state.connections[address] { return existing }
            let future = KafkaConnection.connecting(
                to: address, configuration: self.configuration.connection, eventLoop: self.eventLoopGroup.next(),
                logger: self.logger)
            state.connections[address] = future
            return future
        }
        guard let future else { throw KafkaClientError(.connectionClosed, "this KafkaCluster is closed") }
        return future
    }

    private func connected(_ connection: KafkaConnection, _ future: EventLoopFuture<KafkaConnection>) {
        self.state.withLock { state in
            state.hasConnected = true
            // A broker that was reached by name is often advertised by the IP address behind it: one connection is
            // enough.
            guard !state.isClosed, let remote = connection.remoteAddress, remote != connection.address,
                state.connections[remote] == nil
            else { return }
            state.connections[remote] = future
        }
    }

    private func forget(_ future: EventLoopFuture<KafkaConnection>) {
        self.state.withLock { state in
            // Another task may have put a new one there.
            state.connections = state.connections.filter { $0.value !== future }
        }
    }

    /// A connection to any broker: one that is open, otherwise the first that can be made.
    ///
    /// Throws `clusterUnreachable`, which names every address that was tried, or `notKafka` when that was the only one.
    public func anyConnection() async throws -> KafkaConnection {
        let (known, open) = self.state.withLock { state in
            (state.metadata.brokers.values.sorted { "\($0)" < "\($1)" }, Set(state.connections.keys))
        }
        var candidates: [BrokerAddress] = []
        for address in known.filter(open.contains) + self.configuration.bootstrap + known
        where !candidates.contains(address) {
            candidates.append(address)
        }
        var failures: [KafkaClientError] = []
        for address in candidates {
            do {
                return try await self.connection(to: address)
            } catch let error as KafkaClientError {
                failures.append(error)
            }
        }
        if failures.count == 1, let only = failures.first, only.code == .notKafka { throw only }
        throw KafkaClientError(
            .clusterUnreachable, failures.map(\.message).joined(separator: "; "), cause: failures.first)
    }

    // MARK: Metadata

    /// Asks the cluster about topics, all of them for nil, and remembers the answer. Those of `ids` are asked for by
    /// their identity (KIP-516).
    func refreshMetadata(
        topics names: [String]?, ids: [TopicID] = [], createsTopics: Bool = false
    ) async throws -> MetadataResponse {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = createsTopics
        if let names {
            request.topics = names.map { name in
                var topic = MetadataRequest.MetadataRequestTopic()
                topic.name = name
                return topic
            }
            request.topics? += ids.map { id in
                var topic = MetadataRequest.MetadataRequestTopic()
                topic.name = nil
                topic.topicID = id
                return topic
            }
        } else {
            request.topics = nil
        }
        // Before version 4 a question could create the topic; Kafka has served 4 since 0.11. Ids came with 12.
        let response = try await self.anyConnection().send(request, versions: (ids.isEmpty ? 4 : 12)...Int16.max)
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else { throw KafkaClientError(errorCode, subject: "Metadata") }
        self.state.withLock { $0.metadata.update(response) }
        return response
    }

    /// The cached description of a topic, fetched when there is none.
    ///
    /// Throws `brokerError`, for example with `unknownTopicOrPartition`, after the configured retries where the topic
    /// is about to exist.
    public func topic(_ name: String, createsTopic: Bool = false) async throws -> TopicDescription {
        if let known = self.state.withLock({ $0.metadata.topics[name] }) { return known }
        return try await self.retrying {
            let response = try await self.refreshMetadata(topics: [name], createsTopics: createsTopic)
            guard let topic = response.topics.map(TopicDescription.init).first(where: { $0.name == name }) else {
                throw KafkaClientError(.malformedResponse, "the answer to Metadata lacks the topic \(name)")
            }
            if topic.errorCode == .unknownTopicOrPartition, !createsTopic {
                // It will not come into being by waiting.
                var error = KafkaClientError(topic.errorCode, subject: name)
                error.message = "the topic \(name) does not exist"
                throw Final(error)
            }
            guard topic.errorCode == .none else { throw KafkaClientError(topic.errorCode, subject: name) }
            return topic
        }
    }

    /// The cached leader of a partition and where to reach it; nil when it has to be asked for.
    func cachedLeader(of partition: TopicPartition) -> (node: NodeID, address: BrokerAddress)? {
        self.state.withLock { $0.metadata.leader(of: partition) }
    }

    /// A broker said that it does not lead this topic: the next question goes to the cluster.
    func forget(topic: String) { self.state.withLock { $0.metadata.forget(topic: topic) } }

    /// A connection to the controller, or to any broker while it is not known: newer ones forward what is meant for it.
    func controllerConnection() async throws -> KafkaConnection {
        var address = self.state.withLock { state in
            state.metadata.controller.flatMap { state.metadata.brokers[$0] }
        }
        if address == nil {
            _ = try await self.refreshMetadata(topics: [])
            address = self.state.withLock { state in
                state.metadata.controller.flatMap { state.metadata.brokers[$0] }
            }
        }
        guard let address else { return try await self.anyConnection() }
        return try await self.advertisedConnection(to: address)
    }

    func forgetController() { self.state.withLock { $0.metadata.forgetController() } }

    /// The cached coordinator of a group; nil when it has to be asked for.
    func cachedCoordinator(of groupID: String) -> BrokerDescription? {
        self.state.withLock { $0.coordinators[groupID] }
    }

    func remember(_ coordinator: BrokerDescription, of groupID: String) {
        self.state.withLock { $0.coordinators.remember(coordinator, for: groupID) }
    }

    /// A broker said that it does not look after this group, or does not answer: the next question goes to the cluster.
    func forgetCoordinator(of groupID: String) { self.state.withLock { $0.coordinators.forget(groupID) } }

    /// A connection to an address that the cluster itself handed out. When that fails the reason is most often the
    /// cluster's configuration, so the error says where the address comes from.
    func advertisedConnection(to address: BrokerAddress) async throws -> KafkaConnection {
        do {
            return try await self.connection(to: address)
        } catch var error as KafkaClientError where error.code == .connectionFailed {
            let isBootstrap = self.configuration.bootstrap.contains(address)
            guard !isBootstrap else { throw error }
            error.message +=
                " (the cluster hands out this address: if it is wrong from here, set the broker's advertised.listeners)"
            throw error
        }
    }

    // MARK: Retries

    /// An error that would be retriable elsewhere and is not here.
    struct Final: Error {
        var error: KafkaClientError
        init(_ error: KafkaClientError) { self.error = error }
    }

    /// Runs `body` until it succeeds, fails with an error that will not go away, or the policy gives up; throws the
    /// last error then. A cluster that was never reached is not waited for.
    func retrying<Value>(_ body: () async throws -> Value) async throws -> Value {
        var attempt = 1
        while true {
            do {
                return try await body()
            } catch let final as Final {
                throw final.error
            } catch let error as KafkaClientError where self.mayGoAway(error) {
                try await self.backOff(attempt: attempt, after: error)
                attempt += 1
            }
        }
    }

    private func mayGoAway(_ error: KafkaClientError) -> Bool {
        guard error.code == .clusterUnreachable else { return error.isRetriable }
        return self.state.withLock(\.hasConnected)
    }

    /// A broker was reached once.
    var wasReached: Bool { self.state.withLock(\.hasConnected) }

    /// Waits before the next attempt; throws `error` when there should be none.
    func backOff(attempt: Int, after error: KafkaClientError) async throws {
        let delay = self.state.withLock { state in
            self.configuration.retry.delay(afterAttempt: attempt, using: &state.generator)
        }
        guard let delay else { throw error }
        self.logger.debug("will try again", metadata: ["reason": "\(error)", "attempt": "\(attempt)"])
        try await self.clock.sleep(for: delay)
    }
}
