// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages

/// What a command wants done: records to append, all or none of them, and answers to give.
public struct GroupEffects: Sendable {
    /// Already replayed into the shard; they become durable together or the shard is loaded anew.
    public private(set) var records: [CoordinatorRecord] = []
    /// In the order in which they were decided.
    public private(set) var answers: [Answered] = []
    /// What an operator may want to read, in the order in which it happened.
    public private(set) var notes: [GroupNote] = []

    /// One answer.
    public struct Answered: Sendable {
        /// The request that it answers.
        public let token: RequestToken
        /// What it says.
        public let answer: GroupAnswer
        /// True: to be held back until every record that the shard has written so far is durable, for it tells of what
        /// is in them. False: it tells of nothing that a crash could take back.
        public let waitsForWrites: Bool
    }

    /// Nothing to be done.
    public init() {}

    /// The answer to a question that changed nothing, held back until what it tells is durable.
    public init(answering call: GroupCall, _ answer: GroupAnswer) {
        self.answer(call.token, answer)
    }

    /// Nothing is to be done.
    public var isEmpty: Bool { self.records.isEmpty && self.answers.isEmpty }

    /// Has something told in the log.
    ///
    /// - Parameter isRebalance: it tells of partitions being shared out anew.
    mutating func note(
        _ group: String, _ text: String, isRebalance: Bool = false, _ details: [String: String]
    ) {
        self.notes.append(
            GroupNote(
                group: group.withoutControls, text: text, isRebalance: isRebalance,
                details: details.mapValues(\.withoutControls)))
    }

    /// Has a record appended. Whoever calls this replays the record as well.
    mutating func append(_ record: CoordinatorRecord) { self.records.append(record) }

    /// Answers a request: once each.
    mutating func answer(_ token: RequestToken, _ answer: GroupAnswer, waitsForWrites: Bool = true) {
        self.answers.append(Answered(token: token, answer: answer, waitsForWrites: waitsForWrites))
    }
}

/// Something that happened in a group: a line for the log.
public struct GroupNote: Sendable {
    /// The group's name.
    public let group: String
    /// What happened, the same words each time.
    public let text: String
    /// Partitions are being shared out anew: a rebalance begins, or a new assignment was made.
    public let isRebalance: Bool
    /// The particulars by name. Texts of clients in them have no control characters.
    public let details: [String: String]
}

/// The answer to a request that a shard was given.
public enum GroupAnswer: Sendable {
    case join(JoinGroupResponse)
    case sync(SyncGroupResponse)
    case heartbeat(HeartbeatResponse)
    case leave(LeaveGroupResponse)
    case consumerHeartbeat(ConsumerGroupHeartbeatResponse)
    case commit(OffsetCommitResponse)
    case fetch(OffsetFetchResponse.OffsetFetchResponseGroup)
    case deleteOffsets(OffsetDeleteResponse)
    case deleteGroup(DeleteGroupsResponse.DeletableGroupResult)
}

/// One command under way: what it may know, and where its results go. Groups get it `inout`.
struct Step {
    let environment: GroupEnvironment
    var effects = GroupEffects()

    var now: GroupTime { self.environment.now }
    var settings: GroupSettings { self.environment.settings }
    var topics: any TopicsView { self.environment.topics }

    init(_ environment: GroupEnvironment) { self.environment = environment }
}

extension String {
    /// What clients send must not begin new lines in a log, nor talk to a terminal.
    fileprivate var withoutControls: String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) }
        if !self.unicodeScalars.contains(where: isControl) { return self }
        return String(String.UnicodeScalarView(self.unicodeScalars.map { isControl($0) ? "?" : $0 }))
    }
}
