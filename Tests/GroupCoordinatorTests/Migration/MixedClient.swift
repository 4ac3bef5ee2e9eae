// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// A consumer process as the simulation has it: what it believes, what it works on, what it asks for next.
///
/// It does as clients do: an eager one gives up everything before it joins, a cooperative one what it is told to, one of
/// the consumer protocol as well. Giving up takes it until its next turn.
struct MixedClient {
    enum Kind: CaseIterable { case eager, cooperative, consumer }

    enum Request {
        case join(JoinGroupRequest)
        case sync(SyncGroupRequest)
        case heartbeat(HeartbeatRequest)
        case consumerHeartbeat(ConsumerGroupHeartbeatRequest)
    }

    private enum Phase { case joining, syncing, member }

    static let topic = TopicFacts(id: UUID128(high: 7, low: 7), name: "t", partitionCount: 6)

    let name: String
    let kind: Kind
    /// The partitions that it works on.
    private(set) var owned: Set<Int32> = []
    /// The request that it waits for.
    var waitsFor: RequestToken?
    /// When it last did something.
    var actedAt: Int64 = 0

    private(set) var id = ""
    private(set) var generation: Int32 = -1
    private var phase = Phase.joining
    /// What it is to have, once it has given up the rest of `owned`.
    private var assigned: Set<Int32> = []
    private var isLeaderOf: [JoinGroupResponse.JoinGroupResponseMember] = []
    private var reportsOwned = false

    init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
        if kind == .consumer { self.id = name }
    }

    private var protocolName: String { self.kind == .eager ? "range" : "cooperative-sticky" }

    /// Has what it wants and nothing to do.
    var isSettled: Bool { self.phase == .member && self.owned == self.assigned && !self.reportsOwned }

    /// It was told to give up partitions and has not done so.
    var isGivingUp: Bool { self.phase == .member && !self.owned.isSubset(of: self.assigned) }

    // MARK: What it asks for

    mutating func next() -> Request {
        if self.kind == .consumer { return .consumerHeartbeat(self.consumerHeartbeat()) }
        let surplus = self.owned.subtracting(self.assigned)
        if self.phase == .member, !surplus.isEmpty {
            self.owned.subtract(surplus)
            self.phase = .joining
        }
        switch self.phase {
        case .joining: return .join(self.join())
        case .syncing: return .sync(self.sync())
        case .member:
            var request = HeartbeatRequest()
            request.groupID = "g"
            request.memberID = self.id
            request.generationID = self.generation
            return .heartbeat(request)
        }
    }

    private mutating func join() -> JoinGroupRequest {
        if self.kind == .eager { self.owned = [] }
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = [Self.topic.name]
        if !self.owned.isEmpty {
            var partitions = ConsumerProtocolSubscription.TopicPartition()
            partitions.topic = Self.topic.name
            partitions.partitions = self.owned.sorted()
            subscription.ownedPartitions = [partitions]
        }
        var writer = WireWriter()
        writer.writeInt16(1)
        try? subscription.encode(into: &writer, version: 1)
        var spoken = JoinGroupRequest.JoinGroupRequestProtocol()
        spoken.name = self.protocolName
        spoken.metadata = writer.buffer
        var request = JoinGroupRequest()
        request.groupID = "g"
        request.memberID = self.id
        request.sessionTimeoutMs = 10_000
        request.rebalanceTimeoutMs = 30_000
        request.protocolType = "consumer"
        request.protocols = [spoken]
        return request
    }

    private func sync() -> SyncGroupRequest {
        var request = SyncGroupRequest()
        request.groupID = "g"
        request.memberID = self.id
        request.generationID = self.generation
        request.assignments = self.isLeaderOf.isEmpty ? [] : self.shareOut()
        return request
    }

    /// What a leader makes of the subscriptions: everybody keeps what it owns up to its fair part, and what is free goes
    /// to those who have least. A partition that another member owns is given to nobody this time.
    private func shareOut() -> [SyncGroupRequest.SyncGroupRequestAssignment] {
        let count = Int(Self.topic.partitionCount)
        var parts: [String: Set<Int32>] = [:]
        var claimed: Set<Int32> = []
        for member in self.isLeaderOf.sorted(by: { $0.memberID < $1.memberID }) {
            var reader = WireReader(member.metadata)
            _ = try? reader.readInt16()
            let subscription = try? ConsumerProtocolSubscription(from: &reader, version: 1)
            let claims = Set(subscription?.ownedPartitions.flatMap(\.partitions) ?? []).subtracting(claimed)
            claimed.formUnion(claims)
            parts[member.memberID] = Set(
                claims.sorted().prefix((count + self.isLeaderOf.count - 1) / self.isLeaderOf.count))
        }
        for partition in 0..<Int32(count) where !claimed.contains(partition) {
            guard let least = parts.min(by: { ($0.value.count, $0.key) < ($1.value.count, $1.key) }) else { break }
            parts[least.key]?.insert(partition)
        }
        return parts.map { id, partitions in
            var assignment = ConsumerProtocolAssignment()
            var entry = ConsumerProtocolAssignment.TopicPartition()
            entry.topic = Self.topic.name
            entry.partitions = partitions.sorted()
            assignment.assignedPartitions = [entry]
            var writer = WireWriter()
            writer.writeInt16(1)
            try? assignment.encode(into: &writer, version: 1)
            var share = SyncGroupRequest.SyncGroupRequestAssignment()
            share.memberID = id
            share.assignment = writer.buffer
            return share
        }
    }

    private mutating func consumerHeartbeat() -> ConsumerGroupHeartbeatRequest {
        self.owned.formIntersection(self.assigned)
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = "g"
        request.memberID = self.id
        request.memberEpoch = max(0, self.generation)
        if request.memberEpoch == 0 {
            request.rebalanceTimeoutMs = 30_000
            request.subscribedTopicNames = [Self.topic.name]
            self.owned = []
        }
        if request.memberEpoch == 0 || self.reportsOwned {
            var partitions = ConsumerGroupHeartbeatRequest.TopicPartitions()
            partitions.topicID = Self.topic.id
            partitions.partitions = self.owned.sorted()
            request.topicPartitions = self.owned.isEmpty ? [] : [partitions]
            self.reportsOwned = false
        }
        return request
    }

    // MARK: What it is told

    /// The connection is gone, or the coordinator: what was asked for last may or may not have happened.
    mutating func lostAnswer() {
        self.waitsFor = nil
        if self.kind == .consumer { self.reportsOwned = true } else if self.phase != .member { self.phase = .joining }
    }

    mutating func take(_ answer: GroupAnswer) {
        self.waitsFor = nil
        switch answer {
        case .join(let response): self.take(response)
        case .sync(let response): self.take(response)
        case .heartbeat(let response): self.takeError(ErrorCode(rawValue: response.errorCode))
        case .consumerHeartbeat(let response): self.take(response)
        default: break
        }
    }

    private mutating func take(_ response: JoinGroupResponse) {
        let error = ErrorCode(rawValue: response.errorCode)
        if error == .memberIDRequired { self.id = response.memberID }
        guard error == .none else { return self.takeError(error) }
        self.id = response.memberID
        self.generation = response.generationID
        self.isLeaderOf = response.leader == self.id ? response.members : []
        self.phase = .syncing
    }

    private mutating func take(_ response: SyncGroupResponse) {
        let error = ErrorCode(rawValue: response.errorCode)
        guard error == .none else { return self.takeError(error) }
        var reader = WireReader(response.assignment)
        _ = try? reader.readInt16()
        let assignment = try? ConsumerProtocolAssignment(from: &reader, version: 1)
        self.assigned = Set(assignment?.assignedPartitions.flatMap(\.partitions) ?? [])
        self.owned.formUnion(self.assigned)
        self.phase = .member
    }

    private mutating func takeError(_ error: ErrorCode) {
        switch error {
        case .none: return
        case .rebalanceInProgress, .memberIDRequired, .coordinatorNotAvailable: break
        case .illegalGeneration: self.owned = []
        default:
            self.owned = []
            self.id = ""
        }
        if error != .rebalanceInProgress { self.generation = -1 }
        self.phase = .joining
    }

    private mutating func take(_ response: ConsumerGroupHeartbeatResponse) {
        guard response.errorCode == 0 else {
            self.owned = []
            self.assigned = []
            self.generation = 0
            self.phase = .joining
            return
        }
        self.phase = .member
        self.generation = response.memberEpoch
        if let assignment = response.assignment {
            self.assigned = Set(assignment.topicPartitions.flatMap(\.partitions))
            // What it gives up it still works on until its next turn.
            self.owned.formUnion(self.assigned)
            self.reportsOwned = true
        }
    }
}
