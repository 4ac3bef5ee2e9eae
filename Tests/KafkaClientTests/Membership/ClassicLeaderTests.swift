// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct ClassicLeaderTests {
    /// Joins as the leader of itself and one other.
    private static func lead(_ member: ClassicMember, others: [JoinGroupResponse.JoinGroupResponseMember] = []) throws
        -> ClassicLeadership
    {
        let request = try #require(member.dueJoin)
        var own = JoinGroupResponse.JoinGroupResponseMember()
        own.memberID = "me"
        own.metadata = try #require(request.protocols.first).metadata
        _ = member.answerJoin(leader: "me", members: [own] + others)
        return try #require(member.dueLead)
    }

    @Test("the leader looks up what all are subscribed to, and shares it out")
    func leader() throws {
        let member = ClassicMember([RangeAssignor()])
        let leadership = try Self.lead(member, others: [try ClassicMember.other("zz", ["orders", "bills"])])
        #expect(leadership.topics == ["orders", "bills"])
        #expect(member.answer(.lead(leadership.shareOut(["orders": 3]))).isNothing)
        let sync = try #require(member.dueSync)
        let shares = try sync.assignments.map {
            ($0.memberID, try ConsumerProtocol.partitions($0.assignment).map(\.partition).sorted())
        }
        #expect(shares.map(\.0) == ["me", "zz"])
        #expect(shares.map(\.1) == [[0, 1], [2]])
    }

    @Test("a member whose subscription cannot be read gets nothing, and the others are served")
    func unreadable() throws {
        let member = ClassicMember([RoundRobinAssignor()])
        var broken = JoinGroupResponse.JoinGroupResponseMember()
        broken.memberID = "broken"
        broken.metadata = ByteBuffer(bytes: [0, 1, 255])
        let leadership = try Self.lead(member, others: [broken])
        #expect(member.answer(.lead(leadership.shareOut(["orders": 2]))).isNothing)
        #expect(member.membership.unreadableMembers == ["broken"])
        #expect(try #require(member.dueSync).assignments.map(\.memberID) == ["me"])
    }

    @Test("a leader that cannot look up topics tries again, and does not join again for that")
    func leaderRetries() throws {
        let member = ClassicMember()
        _ = try Self.lead(member)
        #expect(member.fail(.timedOut).retried != nil)
        member.nowMs += 50
        #expect(member.dueLead != nil)
    }

    private struct Broken: ClassicAssignor {
        struct Failure: Error {}
        var name: String { "broken" }
        func assign(_ problem: ClassicAssignmentProblem) throws -> [String: [TopicPartition]] { throw Failure() }
    }

    @Test("an assignor that throws ends the leader's membership")
    func brokenAssignor() throws {
        let member = ClassicMember([Broken()])
        let leadership = try Self.lead(member)
        let error = try #require(member.answer(.lead(leadership.shareOut(["orders": 1]))).ending)
        #expect(error.message.contains("broken"))
    }

    @Test("the leader joins again when topics of the group grow or appear, and only then")
    func leaderWatches() throws {
        let member = ClassicMember { $0.topicsInterval = .seconds(2) }
        let leadership = try Self.lead(member, others: [try ClassicMember.other("zz", ["bills"])])
        _ = member.answer(.lead(leadership.shareOut(["orders": 2])))
        _ = try #require(member.dueSync)
        _ = member.membership.released(
            try #require(try member.answerSync(.none, [0, 1]).asksFor).number, nowMs: member.nowMs)
        #expect(member.wait == 2000)
        member.nowMs += 2000
        #expect(member.dueTopics == .names(["orders", "bills"]))
        #expect(member.answer(.topics(["orders": 2])).isNothing)
        #expect(member.wait == 1000)
        member.nowMs += 2000
        _ = member.dueHeartbeat
        _ = member.answerHeartbeat()
        #expect(member.dueTopics != nil)
        #expect(member.answer(.topics(["orders": 2, "bills": 1])).isNothing)
        #expect(member.dueJoin?.reason == "the number of partitions has changed")
    }

    @Test("a follower does not ask for topics")
    func followerDoesNotWatch() throws {
        let member = ClassicMember { $0.topicsInterval = .seconds(2) }
        try member.join([0])
        #expect(member.wait == 3000)
    }

    @Test("a leader that comes back to unchanged assignments shares nothing out, and watches the topics (KIP-814)")
    func skippedAssignment() throws {
        let member = ClassicMember { $0.instanceID = "i1" }
        _ = try #require(member.dueJoin)
        var response = JoinGroupResponse()
        response.memberID = "me"
        response.leader = "me"
        response.generationID = 1
        response.protocolName = "cooperative-sticky"
        response.skipAssignment = true
        response.members = [try ClassicMember.other("me", ["orders"])]
        #expect(member.answer(.join(response)).isNothing)
        let leadership = try #require(member.dueLead)
        #expect(member.answer(.lead(leadership.shareOut(["orders": 2]))).isNothing)
        #expect(try #require(member.dueSync).assignments.isEmpty)
        #expect(member.membership.sharedOut?.counts == ["orders": 2])
    }

    @Test("a pattern is looked up before joining, and again and again after")
    func pattern() throws {
        let member = ClassicMember {
            $0.topics = .matching { $0.hasPrefix("or") }
            $0.topicsInterval = .seconds(2)
        }
        #expect(member.dueTopics == .all(internal: []))
        #expect(member.answer(.topics(["orders": 1, "bills": 1])).isNothing)
        #expect(member.membership.topics == ["orders"])
        try member.join([0])
        member.nowMs += 2000
        #expect(member.dueTopics != nil)
        #expect(member.answer(.topics(["orders": 5, "bills": 1])).isNothing)
        #expect(member.wait == 1000)
        member.nowMs += 2000
        _ = member.dueHeartbeat
        _ = member.answerHeartbeat()
        _ = try #require(member.dueTopics)
        #expect(member.answer(.topics(["orders": 1, "oranges": 1])).isNothing)
        #expect(member.dueJoin?.reason == "the subscribed topics have changed")
        #expect(member.membership.topics == ["orders", "oranges"])
    }

    // MARK: Leaving

    @Test("a member leaves by its id, whatever was on its way")
    func leave() throws {
        let member = ClassicMember()
        try member.join([0])
        _ = try member.beat(.rebalanceInProgress)
        _ = try #require(member.dueJoin)
        member.membership.leave()
        #expect(member.dueLeave?.memberID == "me")
        #expect(member.answer(.left).isNothing)
        #expect(member.hasEnded)
    }

    @Test("an answer that still comes names the member that is to leave")
    func leaveWhileJoining() throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        member.membership.leave()
        #expect(member.answerJoin(.memberIDRequired, memberID: "given").isNothing)
        #expect(member.dueLeave?.memberID == "given")
        #expect(member.fail(.timedOut).isNothing)
        #expect(member.hasEnded)
    }

    @Test("who never joined has nothing to leave, and a static member may come back")
    func leaveNothing() throws {
        let stranger = ClassicMember()
        stranger.membership.leave()
        #expect(stranger.hasEnded)
        let member = ClassicMember { $0.instanceID = "i1" }
        try member.join([0])
        member.membership.leave()
        #expect(member.hasEnded)
    }

    // MARK: Configuration

    @Test("a configuration that cannot work is refused")
    func configuration() {
        let changes: [(inout ClassicMembership.Configuration) -> Void] = [
            { $0.groupID = "" }, { $0.topics = .names([]) }, { $0.topics = .names([""]) }, { $0.assignors = [] },
            { $0.assignors = [RangeAssignor(), RangeAssignor()] }, { $0.instanceID = "" },
            { $0.heartbeatInterval = .seconds(16) }, { $0.heartbeatInterval = .zero },
            { $0.rebalanceTimeout = .zero }, { $0.topics = .names([String(repeating: "x", count: 40_000)]) },
        ]
        for (number, change) in changes.enumerated() {
            var configuration = ClassicMembership.Configuration(
                groupID: "g", topics: .names(["t"]), assignors: [RangeAssignor()])
            #expect(throws: Never.self) { try configuration.validate() }
            change(&configuration)
            #expect(throws: KafkaClientError.self, "\(number)") { try configuration.validate() }
        }
    }
}
