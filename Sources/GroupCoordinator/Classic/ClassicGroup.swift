// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// A group of the classic protocol: members join, one of them makes the assignment, everybody syncs.
///
///     Empty ──join──► PreparingRebalance ──all joined, or time is up──► CompletingRebalance ──leader syncs──► Stable
///       ▲                  │   ▲                                             │                                  │
///       └──nobody is left──┘   └──────────── somebody joins, leaves or falls silent ────────────────────────────┘
///
/// A generation begins with the end of PreparingRebalance. Who is in the group and what the leader made of it is in the
/// record that is written when the leader syncs, and in the one that is written when nobody is left. Everything else,
/// above all a rebalance under way, is only here: after a change of coordinator the group is as it last was Stable or
/// Empty, and members that have moved on join again. Eager and cooperative clients look alike to the coordinator: the
/// difference is in what they send each other through it.
///
/// Invariants:
/// - `joins` and `syncs` name only members; joins are parked in PreparingRebalance alone, syncs in CompletingRebalance.
/// - `leader` is a member, except in PreparingRebalance, where it may have left, and in Empty, where there is none.
/// - `supporters[name]` is the number of members that speak `name`, `staticIDs` the members with an instance id.
struct ClassicGroup: Sendable {
    let id: String
    /// When `expire` wants to be called, at the latest; `.max` for never. May be too early, never too late.
    var wakeAt: Int64 = .max

    var state = State.empty
    /// Milliseconds since 1970; nil if a record does not say.
    var stateSinceMs: Int64?
    /// Grows with every rebalance; 0 before the first.
    var generation: Int32 = 0
    /// `consumer`, `connect`, …; nil for a group that only keeps offsets.
    var protocolType: String?
    /// What the members of this generation speak; nil in an empty group.
    var protocolName: String?
    var leader: String?
    var members: [String: ClassicMember] = [:]

    // Not in records:
    /// Member ids by instance id.
    var staticIDs: [String: String] = [:]
    /// How many members speak a protocol, by its name.
    var supporters: [String: Int] = [:]
    /// Ids that were given to clients that have not come back with them yet, and when those are given up.
    var pending: [String: Int64] = [:]
    /// JoinGroup requests that wait for the end of the rebalance, by member id.
    var joins: [String: ParkedJoin] = [:]
    /// SyncGroup requests that wait for the leader's, by member id.
    var syncs: [String: RequestToken] = [:]
    /// When PreparingRebalance ends without those who have not joined.
    var joinEndsAt: Int64 = .max
    /// In the first rebalance of an empty group: how it waits for more members.
    var initialDelay: InitialDelay?
    /// When members that have not synced are removed.
    var syncEndsAt: Int64 = .max
    /// The topics of all members; nil if they cannot be known.
    var subscribedTopics: Set<String>?
    /// Why the last rebalance began, for people.
    var rebalanceReason = ""
    /// There is a record of it.
    var isWritten = false
    /// A JoinGroup made it: if nothing comes of that, there is no reason to keep it.
    var isByJoin = false

    init(id: String) { self.id = id }

    /// The state, under Kafka's name.
    enum State: String, Sendable, CaseIterable {
        case empty = "Empty"
        case preparingRebalance = "PreparingRebalance"
        case completingRebalance = "CompletingRebalance"
        case stable = "Stable"
        /// Never a group that is kept: what is answered of one that is not there.
        case dead = "Dead"
    }

    struct ParkedJoin: Sendable {
        let token: RequestToken
        let version: Int16
        /// The client sent the id: if its request is lost, it can still come back as this member.
        let knowsItsID: Bool
    }

    /// `group.initial.rebalance.delay.ms` at work.
    struct InitialDelay: Sendable {
        /// Milliseconds that are being waited.
        var delayMs: Int64
        /// Milliseconds that may still be added.
        var leftMs: Int64
        /// Somebody has joined since the wait began.
        var grew = false
    }

    /// Ids that are given out and not yet used, per group: some megabytes. Kafka has no such limit, and whoever asks for
    /// ids without end can fill its memory.
    static let pendingMax = 10_000
    /// Bytes of a group's record: more cannot become one record batch, and the shard would stop on it.
    static let recordBytesMax = 16 * 1_024 * 1_024
    /// Scalars of the client id that begin a member id, so that the id fits a string of the protocol.
    static let memberIDPrefixMax = 255
    /// Scalars of a reason that are kept.
    static let reasonMax = 255
}

// MARK: What other parts ask

extension ClassicGroup {
    /// Nobody is in it: its offsets grow old, it may be deleted.
    var isEmpty: Bool { self.state == .empty }

    /// The members are consumers: what they send each other can be read.
    var usesConsumerProtocol: Bool { self.protocolType == ConsumerProtocol.type }

    /// It was made by a JoinGroup of which nothing has come.
    var isUnused: Bool { self.isByJoin && !self.isWritten && self.isEmpty && self.pending.isEmpty }

    /// Milliseconds since 1970: since when nobody has been in it. Nil when somebody is, and for a group that only keeps
    /// offsets, where each grows old by itself.
    var emptySinceMs: Int64? { self.isEmpty && self.protocolType != nil ? self.stateSinceMs : nil }

    /// Whether a member reads that topic; true when it cannot be known.
    func subscribes(to topic: String) -> Bool {
        switch self.state {
        case .empty, .dead: false
        case .stable: self.subscribedTopics?.contains(topic) ?? true
        case .preparingRebalance, .completingRebalance: true
        }
    }

    /// Whether an offset commit is from a member of this generation; nil when it is. A commit without a generation is
    /// from somebody who assigns partitions to itself, or from an administrator: allowed while nobody is in the group.
    func refusalOfCommit(_ request: OffsetCommitRequest) -> ErrorCode? {
        let generation = request.generationIDOrMemberEpoch
        if generation < 0, self.isEmpty { return nil }
        guard generation >= 0 || !request.memberID.isEmpty || request.groupInstanceID != nil else {
            return .unknownMemberID
        }
        if let error = self.refusal(of: request.memberID, instanceID: request.groupInstanceID) { return error }
        if !self.isRight(generation, for: request.memberID) { return .illegalGeneration }
        return self.state == .completingRebalance ? .rebalanceInProgress : nil
    }

    /// Classic members are not fenced when they fetch offsets.
    func refusalOfFetch(memberID: String?, memberEpoch: Int32) -> ErrorCode? { nil }

    /// To be called when a commit was allowed: it counts as a heartbeat.
    mutating func noteCommit(from request: OffsetCommitRequest, now: GroupTime) {
        self.isByJoin = false
        if self.state == .stable || self.state == .preparingRebalance { self.renewSession(request.memberID, now) }
    }

    /// Why a request of that member cannot be served, whatever it wants; nil when it can.
    func refusal(of memberID: String, instanceID: String?) -> ErrorCode? {
        if let instanceID {
            guard let owner = self.staticIDs[instanceID] else { return .unknownMemberID }
            if owner != memberID { return .fencedInstanceID }
        }
        return self.members[memberID] == nil ? .unknownMemberID : nil
    }

    /// Whether a member may say that it is in that generation.
    func isRight(_ generation: Int32, for memberID: String) -> Bool {
        generation == self.generation || generation == self.members[memberID]?.epochBefore
    }

    /// The answer to DescribeGroups. Subscriptions are told of a Stable group only: before, they are not settled.
    func describe() -> DescribeGroupsResponse.DescribedGroup {
        var group = DescribeGroupsResponse.DescribedGroup()
        group.groupID = self.id
        group.groupState = self.state.rawValue
        group.protocolType = self.protocolType ?? ""
        let isStable = self.state == .stable
        if isStable { group.protocolData = self.protocolName ?? "" }
        group.members = self.members.values.sorted { $0.id < $1.id }.map { member in
            var described = DescribeGroupsResponse.DescribedGroupMember()
            described.memberID = member.id
            described.groupInstanceID = member.instanceID
            described.clientID = member.clientID
            described.clientHost = member.clientHost
            if isStable { described.memberMetadata = member.metadata(of: self.protocolName) }
            described.memberAssignment = member.assignment
            return described
        }
        return group
    }
}

// MARK: Time

extension ClassicGroup {
    /// `ms` from now. At least 1, whatever a client asked for: a deadline that is past when it is set would never let
    /// `expire` come to an end.
    static func deadline(_ now: GroupTime, _ ms: Int32) -> Int64 { now.monotonicMs + Int64(max(1, ms)) }

    /// The member has a whole session time-out from now.
    mutating func renewSession(_ id: String, _ now: GroupTime) {
        guard let timeoutMs = self.members[id]?.sessionTimeoutMs else { return }
        self.endSession(of: id, at: Self.deadline(now, timeoutMs))
    }

    mutating func endSession(of id: String, at time: Int64) {
        self.members[id]?.sessionEndsAt = time
        self.wakeAt = min(self.wakeAt, time)
    }

    mutating func transition(to state: State, _ now: GroupTime) {
        self.state = state
        self.stateSinceMs = now.wallMs
    }
}
