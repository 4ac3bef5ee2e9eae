// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import GroupCoordinator

/// A shard with a log, two topics and a clock, and short ways to ask it for what these tests ask.
///
/// Whatever a command writes goes through bytes into `log`, and `restarted` is a shard made from those alone.
struct OffsetBench {
    var shard = GroupShard()
    var log: [CoordinatorRecord] = []
    var environment: GroupEnvironment
    private var token: UInt64 = 0

    static let ordersID = TopicID(high: 1, low: 1)
    static let paymentsID = TopicID(high: 1, low: 2)
    static let unknownID = TopicID(high: 9, low: 9)
    static let startMs: Int64 = 1_700_000_000_000
    static let day: Int64 = 86_400_000

    init() {
        let topics = BenchTopics(topics: [
            TopicFacts(id: Self.ordersID, name: "orders", partitionCount: 4),
            TopicFacts(id: Self.paymentsID, name: "payments", partitionCount: 2),
        ])
        self.environment = GroupEnvironment(
            now: GroupTime(monotonicMs: 0, wallMs: Self.startMs), topics: topics, settings: GroupSettings()
        )
    }

    var restarted: OffsetBench {
        var bench = self
        bench.shard = GroupShard()
        for record in self.log { bench.shard.replay(record) }
        _ = bench.take(bench.shard.finishLoading(self.environment))
        return bench
    }

    mutating func pass(_ ms: Int64) {
        self.environment.now.wallMs += ms
        self.environment.now.monotonicMs += ms
    }

    private mutating func call(_ version: Int16) -> GroupCall {
        self.token += 1
        return GroupCall(
            token: RequestToken(self.token),
            apiVersion: version,
            clientID: "test",
            clientHost: "/127.0.0.1",
            freshID: UUID128(high: 0, low: self.token)
        )
    }

    /// Keeps the records as a log would.
    @discardableResult
    mutating func take(_ effects: GroupEffects) -> GroupEffects {
        for record in effects.records {
            do {
                let bytes = try record.encoded()
                let read = try CoordinatorRecord(key: bytes.key, value: bytes.value)
                self.log.append(try #require(read))
            } catch {
                Issue.record("A record cannot be written and read again: \(error)")
            }
        }
        return effects
    }

    /// A record that somebody else wrote.
    mutating func replay(_ record: CoordinatorRecord) {
        self.log.append(record)
        self.shard.replay(record)
    }
}

// MARK: Commands

extension OffsetBench {
    /// The errors, by `topic-partition`.
    @discardableResult
    mutating func commit(_ request: OffsetCommitRequest, version: Int16 = 9) throws -> [String: ErrorCode] {
        let call = self.call(version)
        let effects = self.take(self.shard.commitOffsets(request, call, self.environment))
        let answered = try #require(effects.answers.first)
        #expect(effects.answers.count == 1 && answered.token == call.token && answered.waitsForWrites)
        guard case .commit(let response) = answered.answer else { throw WrongAnswer() }
        _ = try response.bytes(version: version)
        var errors: [String: ErrorCode] = [:]
        for topic in response.topics {
            for partition in topic.partitions {
                errors["\(topic.name)-\(partition.partitionIndex)"] = ErrorCode(rawValue: partition.errorCode)
            }
        }
        return errors
    }

    /// As clients do that assign their partitions themselves: no member, no generation.
    @discardableResult
    mutating func commit(_ group: String, _ topic: String, _ partition: Int32, _ offset: Int64) throws -> ErrorCode {
        let errors = try self.commit(.of(group, [.of(topic, [.of(partition, offset)])]))
        return try #require(errors["\(topic)-\(partition)"])
    }

    /// What a fetch of these partitions finds, as text.
    mutating func fetch(_ group: String, _ topic: String, _ partitions: [Int32]) throws -> [String] {
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = group
        var wanted = OffsetFetchRequest.OffsetFetchRequestTopics()
        wanted.name = topic
        wanted.partitionIndexes = partitions
        request.topics = [wanted]
        return try self.fetch(request, version: 9)
    }

    /// All that the group has committed, as text.
    mutating func fetchAll(_ group: String, version: Int16 = 9) throws -> [String] {
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = group
        request.topics = nil
        return try self.fetch(request, version: version)
    }

    mutating func fetch(_ request: OffsetFetchRequest.OffsetFetchRequestGroup, version: Int16) throws -> [String] {
        let group = self.shard.fetchOffsets(request, self.call(version), self.environment)
        var response = OffsetFetchResponse()
        response.groups = [group]
        _ = try response.bytes(version: version)
        #expect(group.groupID == request.groupID)
        if group.errorCode != 0 { return [ErrorCode(rawValue: group.errorCode).name] }
        return group.topics.flatMap { topic in
            topic.partitions.map { partition in
                var text = "\(topic.name)-\(partition.partitionIndex) @\(partition.committedOffset)"
                if partition.committedLeaderEpoch != -1 { text += " epoch \(partition.committedLeaderEpoch)" }
                if partition.metadata != "" { text += " '\(partition.metadata ?? "null")'" }
                if partition.errorCode != 0 { text += " \(ErrorCode(rawValue: partition.errorCode).name)" }
                return text
            }
        }
    }

    mutating func delete(_ group: String, _ topic: String, _ partitions: [Int32]) throws -> [ErrorCode] {
        var request = OffsetDeleteRequest()
        request.groupID = group
        var wanted = OffsetDeleteRequest.OffsetDeleteRequestTopic()
        wanted.name = topic
        wanted.partitions = partitions.map { index in
            var partition = OffsetDeleteRequest.OffsetDeleteRequestPartition()
            partition.partitionIndex = index
            return partition
        }
        request.topics = [wanted]
        let effects = self.take(self.shard.deleteOffsets(request, self.call(0), self.environment))
        guard case .deleteOffsets(let response) = effects.answers.first?.answer else { throw WrongAnswer() }
        if response.errorCode != 0 { return [ErrorCode(rawValue: response.errorCode)] }
        return response.topics.flatMap { $0.partitions.map { ErrorCode(rawValue: $0.errorCode) } }
    }

    mutating func deleteGroup(_ group: String) throws -> ErrorCode {
        let effects = self.take(self.shard.deleteGroup(group, self.call(2), self.environment))
        guard case .deleteGroup(let result) = effects.answers.first?.answer else { throw WrongAnswer() }
        #expect(result.groupID == group)
        return ErrorCode(rawValue: result.errorCode)
    }

    /// Joins or leaves a consumer group, or keeps a member in it; the member's epoch.
    @discardableResult
    mutating func heartbeat(_ group: String, _ member: String, epoch: Int32, reads topics: [String]) throws -> Int32 {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = group
        request.memberID = member
        request.memberEpoch = epoch
        request.rebalanceTimeoutMs = 60_000
        request.subscribedTopicNames = topics
        request.topicPartitions = []
        let effects = self.take(self.shard.consumerHeartbeat(request, self.call(1), self.environment))
        guard case .consumerHeartbeat(let response) = effects.answers.first?.answer else { throw WrongAnswer() }
        try #require(response.errorCode == 0, "\(response.errorMessage ?? "")")
        return response.memberEpoch
    }

    /// Asks a classic group for a member id.
    mutating func askForMemberID(_ group: String) throws {
        var request = JoinGroupRequest()
        request.groupID = group
        request.protocolType = "consumer"
        request.sessionTimeoutMs = 10_000
        request.rebalanceTimeoutMs = 60_000
        var range = JoinGroupRequest.JoinGroupRequestProtocol()
        range.name = "range"
        request.protocols = [range]
        let effects = self.take(self.shard.joinGroup(request, self.call(5), self.environment))
        guard case .join(let response) = effects.answers.first?.answer else { throw WrongAnswer() }
        try #require(ErrorCode(rawValue: response.errorCode) == .memberIDRequired)
    }

    /// `id type state protocol-type`, in order.
    var groups: [String] {
        self.shard.listGroups().map { "\($0.groupID) \($0.groupType) \($0.groupState) '\($0.protocolType)'" }
    }

    /// Runs retention until its round is over; the number of records of each call.
    @discardableResult
    mutating func expire() -> [Int] {
        var counts: [Int] = []
        repeat {
            counts.append(self.take(self.shard.expireOffsets(self.environment)).records.count)
        } while self.shard
            .isExpiringOffsets
        return counts
    }

    struct WrongAnswer: Error {}
}

// MARK: Requests and records

extension OffsetCommitRequest {
    static func of(
        _ group: String, _ topics: [OffsetCommitRequestTopic], member: String = "", generation: Int32 = -1
    ) -> OffsetCommitRequest {
        var request = OffsetCommitRequest()
        request.groupID = group
        request.memberID = member
        request.generationIDOrMemberEpoch = generation
        request.topics = topics
        return request
    }
}

extension OffsetCommitRequest.OffsetCommitRequestTopic {
    static func of(_ name: String, _ partitions: [OffsetCommitRequest.OffsetCommitRequestPartition]) -> Self {
        var topic = Self()
        topic.name = name
        topic.partitions = partitions
        return topic
    }

    static func of(_ id: TopicID, _ partitions: [OffsetCommitRequest.OffsetCommitRequestPartition]) -> Self {
        var topic = Self()
        topic.topicID = id
        topic.partitions = partitions
        return topic
    }
}

extension OffsetCommitRequest.OffsetCommitRequestPartition {
    static func of(_ index: Int32, _ offset: Int64, epoch: Int32 = -1, _ metadata: String? = nil) -> Self {
        var partition = Self()
        partition.partitionIndex = index
        partition.committedOffset = offset
        partition.committedLeaderEpoch = epoch
        partition.committedMetadata = metadata
        return partition
    }
}

extension CoordinatorRecord {
    /// A classic group as its record tells of it, without members, or with one that has no proper subscription.
    static func classic(
        _ id: String, _ protocolType: String = "consumer", sinceMs: Int64 = -1, members: [String] = [],
        reads topics: [String] = []
    ) -> CoordinatorRecord {
        var key = GroupMetadataKey()
        key.group = id
        var value = GroupMetadataValue()
        value.protocolType = protocolType
        value.generation = 1
        value.protocol = members.isEmpty ? nil : "range"
        value.leader = members.first
        value.currentStateTimestamp = sinceMs
        value.members = members.map { name in
            var member = GroupMetadataValue.MemberMetadata()
            member.memberID = name
            member.clientID = name
            member.clientHost = "/127.0.0.1"
            member.sessionTimeout = 10_000
            member.rebalanceTimeout = 60_000
            member.subscription = Self.subscription(to: topics)
            return member
        }
        return .classicGroup(key, value)
    }

    /// `ConsumerProtocolSubscription` version 0: the version, names, no user data.
    private static func subscription(to topics: [String]) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(Int16(0))
        bytes.writeInteger(Int32(topics.count))
        for topic in topics {
            bytes.writeInteger(Int16(topic.utf8.count))
            bytes.writeString(topic)
        }
        bytes.writeInteger(Int32(-1))
        return bytes
    }
}

extension KafkaMessage {
    /// As they go to the client.
    func bytes(version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        try self.encode(into: &writer, version: version)
        return writer.buffer
    }
}

/// Topics that there are for a test.
struct BenchTopics: TopicsView {
    var topics: [TopicFacts]
    var version: Int64 { Int64(self.topics.count) }

    func topic(named name: String) -> TopicFacts? { self.topics.first { $0.name == name } }
    func topic(id: TopicID) -> TopicFacts? { self.topics.first { $0.id == id } }
    func names(matching pattern: String) throws(TopicPatternError) -> [String] { [] }
}
