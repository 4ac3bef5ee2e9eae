// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// The place of a consumer in its group, beside what the membership knows: names of topics, and whether it is out of
/// the group because its receiver was too slow. Without IO.
struct GroupPlace: Sendable {
    let configuration: ConsumerGroupConfiguration
    let retry: RetryPolicy
    /// The same for the whole life of the consumer, as KIP-848 wants it. The classic protocol has its own.
    private let ownID: String
    var membership: any Membership
    /// Assigned, and not read yet, since the name of the topic is not known.
    private(set) var pending: Set<GroupPartition> = []
    /// When names are asked for again.
    private(set) var nextNamesMs: Int64 = 0
    /// Names are being asked for.
    private var isLearning = false
    /// Names of topics that were assigned. An id never gets another name.
    private var names: [TopicID: String] = [:]
    /// The member has left, since the receiver did not ask for anything.
    private(set) var isAway = false
    private var isAskedFor = false

    init(_ configuration: ConsumerGroupConfiguration, ownID: String, retry: RetryPolicy) {
        self.configuration = configuration
        self.retry = retry
        self.ownID = ownID
        self.membership = configuration.membership(ownID: ownID, retry: retry)
    }

    /// How long asking for names is put off when a broker does not know them yet.
    private static let namesDelayMs: Int64 = 200

    // MARK: Names

    /// The partition by name; nil while that is not known.
    func name(_ partition: GroupPartition) -> TopicPartition? {
        if let named = partition.named { return named }
        return partition.topicID.flatMap { self.names[$0] }
            .map { TopicPartition(topic: $0, partition: partition.index) }
    }

    mutating func add(_ partitions: Set<GroupPartition>, nowMs: Int64) {
        self.pending.formUnion(partitions)
        self.nextNamesMs = nowMs
    }

    mutating func drop(_ partitions: Set<GroupPartition>) { self.pending.subtract(partitions) }

    mutating func dropAll() { self.pending = [] }

    /// Takes out what was added and has a name.
    mutating func takeNamed() -> [TopicPartition] {
        let named = self.pending.filter { self.name($0) != nil }
        self.pending.subtract(named)
        return named.compactMap(self.name).sorted()
    }

    /// The topics whose names have to be asked for now, and when to come back if there are none. One question at a
    /// time: ``learn(_:nowMs:)`` ends it.
    mutating func takeUnnamed(nowMs: Int64) -> (ids: [TopicID], nextMs: Int64?) {
        guard !self.isLearning else { return ([], nil) }
        let ids = Set(self.pending.compactMap(\.topicID)).filter { self.names[$0] == nil }
        guard !ids.isEmpty else { return ([], nil) }
        guard nowMs >= self.nextNamesMs else { return ([], self.nextNamesMs) }
        self.isLearning = true
        return (ids.sorted(), nil)
    }

    mutating func learn(_ names: [TopicID: String], nowMs: Int64) {
        self.isLearning = false
        self.names.merge(names) { old, _ in old }
        self.nextNamesMs = nowMs + Self.namesDelayMs
    }

    // MARK: The receiver

    /// The receiver has taken too long: the member leaves.
    mutating func leaveForNow() {
        self.membership.leave()
        self.isAway = true
        self.isAskedFor = false
        self.dropAll()
    }

    /// The receiver asks. True when the member was out of the group and is to join again.
    mutating func ask() -> Bool {
        guard self.isAway, !self.isAskedFor else { return false }
        self.isAskedFor = true
        return true
    }

    /// The membership has ended. True when another one has begun.
    mutating func joinAgain() -> Bool {
        guard self.isAway, self.isAskedFor else { return false }
        self.isAway = false
        self.isAskedFor = false
        self.membership = self.configuration.membership(ownID: self.ownID, retry: self.retry)
        return true
    }

    /// In whose name offsets are committed; nil while the member has no place in the group.
    var identity: CommitIdentity? {
        guard !self.isAway, self.membership.isMember else { return nil }
        return CommitIdentity(
            memberID: self.membership.memberID, epoch: self.membership.epoch,
            instanceID: self.configuration.instanceID, offsetVersions: self.configuration.offsetVersions)
    }
}

extension ConsumerGroupConfiguration {
    fileprivate func membership(ownID: String, retry: RetryPolicy) -> any Membership {
        switch self.protocol {
        case .consumer:
            GroupMembership(self.ofConsumerProtocol, memberID: ownID, retry: retry)
        case .classic(let assignors):
            ClassicMembership(self.ofClassicProtocol(assignors), retry: retry)
        }
    }

    fileprivate var offsetVersions: ClosedRange<Int16> {
        switch self.protocol {
        // Member epochs came with version 9, and ids of topics with 10.
        case .consumer: 9...9
        case .classic where self.instanceID != nil: 7...9
        case .classic: KafkaCluster.namedTopicVersions
        }
    }

    private var ofConsumerProtocol: GroupMembership.Configuration {
        var configuration = GroupMembership.Configuration(groupID: self.groupID, topics: self.topics)
        configuration.instanceID = self.instanceID
        configuration.rackID = self.rackID
        configuration.rebalanceTimeout = self.rebalanceTimeout
        if case .consumer(let assignor, let weight) = self.protocol {
            configuration.assignor = assignor
            configuration.weight = weight
        }
        return configuration
    }

    func ofClassicProtocol(_ assignors: [any ClassicAssignor]) -> ClassicMembership.Configuration {
        let topics: ClassicMembership.Configuration.Topics =
            switch self.topics {
            case .names(let names): .names(Set(names))
            // It was found to be one when the configuration was validated; nothing matches otherwise.
            case .regex(let regex): .matching { name in (try? Regex(regex).wholeMatch(in: name)) != nil }
            }
        var configuration = ClassicMembership.Configuration(
            groupID: self.groupID, topics: topics, assignors: assignors)
        configuration.instanceID = self.instanceID
        configuration.rackID = self.rackID
        configuration.rebalanceTimeout = self.rebalanceTimeout
        configuration.sessionTimeout = self.sessionTimeout
        configuration.heartbeatInterval = self.heartbeatInterval
        configuration.topicsInterval = self.topicsInterval
        return configuration
    }
}
