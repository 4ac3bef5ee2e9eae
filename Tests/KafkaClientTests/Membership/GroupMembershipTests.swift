// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient

@Suite struct GroupMembershipTests {
    private typealias Partition = GroupMembership.Partition
    private typealias Request = ConsumerGroupHeartbeatRequest

    private static let orders = TopicID(high: 1, low: 1)

    private static func partitions(_ indexes: Int32...) -> Set<Partition> {
        Set(indexes.map { Partition(topicID: Self.orders, index: PartitionIndex($0)) })
    }

    /// A membership and the time; it takes a step only when told so.
    private final class Member {
        var membership: GroupMembership
        var nowMs: Int64 = 1000
        var generator = SystemRandomNumberGenerator()

        init(_ change: (inout GroupMembership.Configuration) -> Void = { _ in }) {
            var configuration = GroupMembership.Configuration(groupID: "g", topics: .names(["orders"]))
            change(&configuration)
            var retry = RetryPolicy()
            retry.jitter = 0
            self.membership = GroupMembership(configuration, memberID: "me", retry: retry)
        }

        /// The request that is due now; nil when none is.
        func due() -> Request? {
            if case .send(.consumerHeartbeat(let request), _) = self.membership.step(nowMs: self.nowMs) {
                request
            } else {
                nil
            }
        }

        /// When the next heartbeat is due, from now, in milliseconds; nil when one is due or none ever is.
        func wait() -> Int64? {
            if case .wait(let time) = self.membership.step(nowMs: self.nowMs) { time - self.nowMs } else { nil }
        }

        var hasEnded: Bool {
            if case .ended = self.membership.step(nowMs: self.nowMs) { true } else { false }
        }

        func answer(epoch: Int32, assigned: Set<Partition>? = nil) -> GroupMembership.Reaction {
            var response = ConsumerGroupHeartbeatResponse()
            response.memberID = "me"
            response.memberEpoch = epoch
            response.heartbeatIntervalMs = 3000
            if let assigned {
                var topic = ConsumerGroupHeartbeatResponse.TopicPartitions()
                topic.topicID = GroupMembershipTests.orders
                topic.partitions = assigned.map(\.index.rawValue)
                var assignment = ConsumerGroupHeartbeatResponse.Assignment()
                assignment.topicPartitions = [topic]
                response.assignment = assignment
            }
            return self.membership.answered(.consumerHeartbeat(response), nowMs: self.nowMs, using: &self.generator)
        }

        func refuse(_ errorCode: ErrorCode) -> GroupMembership.Reaction {
            var response = ConsumerGroupHeartbeatResponse()
            response.errorCode = errorCode.rawValue
            return self.membership.answered(.consumerHeartbeat(response), nowMs: self.nowMs, using: &self.generator)
        }

        func fail(_ code: KafkaClientError.Code) -> GroupMembership.Reaction {
            self.membership.failed(
                KafkaClientError(code, "failed"), nowMs: self.nowMs, using: &self.generator)
        }

        /// Joins and takes what it is given; the coordinator knows that.
        func join(_ assigned: Set<Partition>) throws {
            _ = try #require(self.due())
            guard !assigned.isEmpty else {
                _ = self.answer(epoch: 1)
                return
            }
            let reconciliation = try #require(self.answer(epoch: 1, assigned: assigned).reconciliation)
            _ = self.membership.released(reconciliation.number, nowMs: self.nowMs)
            _ = try #require(self.due())
            _ = self.answer(epoch: 1)
        }
    }

    // MARK: Joining

    @Test("a member joins with everything there is to say, and then says nothing twice")
    func join() throws {
        let member = Member {
            $0.assignor = "uniform"
            $0.rackID = "r1"
            $0.weight = 7
        }
        let first = try #require(member.due())
        #expect(first.memberEpoch == 0)
        #expect(first.memberID == "me")
        #expect(first.subscribedTopicNames == ["orders"])
        #expect(first.subscribedTopicRegex == nil)
        #expect(first.serverAssignor == "uniform")
        #expect(first.rackID == "r1")
        #expect(first.rebalanceTimeoutMs == 300_000)
        #expect(first.topicPartitions?.isEmpty == true)
        #expect(first.weight == 7)
        #expect(member.answer(epoch: 1).isNone)
        #expect(member.wait() == 3000)
        member.nowMs += 3000
        let second = try #require(member.due())
        #expect(second.memberEpoch == 1)
        #expect(second.subscribedTopicNames == nil)
        #expect(second.serverAssignor == nil)
        #expect(second.rackID == nil)
        #expect(second.rebalanceTimeoutMs == -1)
        #expect(second.topicPartitions == nil)
        #expect(second.weight == -1)
    }

    @Test("a regular expression goes without names")
    func regex() throws {
        let member = Member { $0.topics = .regex("or.*") }
        let request = try #require(member.due())
        #expect(request.subscribedTopicRegex == "or.*")
        #expect(request.subscribedTopicNames == [])
    }

    // MARK: Assignments

    @Test("what is given is acknowledged at once")
    func assigned() throws {
        let member = Member()
        _ = member.due()
        let reconciliation = try #require(member.answer(epoch: 1, assigned: Self.partitions(0, 1)).reconciliation)
        #expect(reconciliation.revoked.isEmpty)
        #expect(reconciliation.added == Self.partitions(0, 1))
        #expect(member.wait() == 3000)
        #expect(member.membership.released(reconciliation.number, nowMs: member.nowMs).isNone)
        let request = try #require(member.due())
        #expect(request.topicPartitions?.map(\.partitions) == [[0, 1]])
        #expect(request.topicPartitions?.map(\.topicID) == [Self.orders])
    }

    @Test("what is taken away is reported only when it was released; heartbeats go on meanwhile")
    func revoked() throws {
        let member = Member()
        try member.join(Self.partitions(0, 1))
        member.nowMs += 3000
        _ = member.due()
        let reconciliation = try #require(member.answer(epoch: 1, assigned: Self.partitions(0)).reconciliation)
        #expect(reconciliation.revoked == Self.partitions(1))
        #expect(reconciliation.added.isEmpty)
        for _ in 0..<3 {
            member.nowMs += 3000
            let heartbeat = try #require(member.due())
            #expect(heartbeat.topicPartitions == nil)
            #expect(member.answer(epoch: 1).isNone)
        }
        _ = member.membership.released(reconciliation.number, nowMs: member.nowMs)
        let request = try #require(member.due())
        #expect(request.topicPartitions?.map(\.partitions) == [[0]])
        #expect(member.answer(epoch: 2).isNone)
        #expect(member.membership.epoch == 2)
    }

    @Test("assignments that come during a reconciliation wait for its end, and only the last counts")
    func overtaken() throws {
        let member = Member()
        try member.join(Self.partitions(0, 1))
        member.nowMs += 3000
        _ = member.due()
        let first = try #require(member.answer(epoch: 1, assigned: Self.partitions(0)).reconciliation)
        for assigned in [Self.partitions(0, 5), Self.partitions(0, 2)] {
            member.nowMs += 3000
            _ = member.due()
            #expect(member.answer(epoch: 2, assigned: assigned).isNone)
        }
        let second = try #require(member.membership.released(first.number, nowMs: member.nowMs).reconciliation)
        #expect(second.added == Self.partitions(2))
        #expect(second.revoked.isEmpty)
    }

    @Test("what changes while a heartbeat is on its way is told right after it")
    func changedMeanwhile() throws {
        let member = Member()
        _ = member.due()
        let reconciliation = try #require(member.answer(epoch: 1, assigned: Self.partitions(0)).reconciliation)
        member.nowMs += 3000
        _ = try #require(member.due())
        _ = member.membership.released(reconciliation.number, nowMs: member.nowMs)
        member.membership.setWeight(0, nowMs: member.nowMs)
        #expect(member.answer(epoch: 1).isNone)
        let request = try #require(member.due())
        #expect(request.topicPartitions?.map(\.partitions) == [[0]])
        #expect(request.weight == 0)
    }

    @Test("a new weight is told at once, and once")
    func weight() throws {
        let member = Member { $0.weight = 100 }
        try member.join([])
        #expect(member.wait() == 3000)
        member.membership.setWeight(0, nowMs: member.nowMs)
        #expect(try #require(member.due()).weight == 0)
        _ = member.answer(epoch: 1)
        member.nowMs += 3000
        #expect(try #require(member.due()).weight == -1)
    }

    // MARK: Trouble

    @Test(
        "a fenced member has lost everything and joins again at once",
        arguments: [
            ErrorCode.fencedMemberEpoch, .unknownMemberID,
        ])
    func fenced(errorCode: ErrorCode) throws {
        let member = Member()
        try member.join(Self.partitions(0))
        member.nowMs += 3000
        _ = member.due()
        guard case .lose = member.refuse(errorCode) else {
            Issue.record("it goes on")
            return
        }
        #expect(!member.membership.isMember)
        let request = try #require(member.due())
        #expect(request.memberEpoch == 0)
        #expect(request.topicPartitions?.isEmpty == true)
        #expect(request.subscribedTopicNames == ["orders"])
        #expect(
            try #require(member.answer(epoch: 5, assigned: Self.partitions(0)).reconciliation).added
                == Self.partitions(0))
    }

    @Test("who is turned away again and again does not hurry")
    func fencedAgain() throws {
        let member = Member()
        try member.join([])
        member.nowMs += 3000
        var waits: [Int64] = []
        for _ in 0..<4 {
            _ = try #require(member.due())
            _ = member.refuse(.unknownMemberID)
            let wait = member.wait() ?? 0
            waits.append(wait)
            member.nowMs += wait
        }
        #expect(waits == [0, 50, 100, 200])
    }

    @Test("what was under way when the member was fenced does not count any more")
    func releasedTooLate() throws {
        let member = Member()
        try member.join(Self.partitions(0, 1))
        member.nowMs += 3000
        _ = member.due()
        let old = try #require(member.answer(epoch: 1, assigned: Self.partitions(0)).reconciliation)
        member.nowMs += 3000
        _ = member.due()
        _ = member.refuse(.fencedMemberEpoch)
        #expect(!member.membership.isUnderWay(old.number))
        #expect(member.membership.released(old.number, nowMs: member.nowMs).isNone)
        #expect(member.membership.owned.isEmpty)
        // Nor does it when the member has got something else to do since.
        _ = try #require(member.due())
        let new = try #require(member.answer(epoch: 2, assigned: Self.partitions(2)).reconciliation)
        #expect(member.membership.released(old.number, nowMs: member.nowMs).isNone)
        #expect(member.membership.owned.isEmpty && member.membership.isUnderWay(new.number))
    }

    @Test("after a heartbeat that got lost the next one says everything, soon")
    func lostHeartbeat() throws {
        let member = Member()
        try member.join(Self.partitions(0))
        member.nowMs += 3000
        _ = member.due()
        guard case .retry = member.fail(.connectionClosed) else {
            Issue.record("it does not try again")
            return
        }
        #expect(member.wait() == 50)
        member.nowMs += 50
        let request = try #require(member.due())
        #expect(request.memberEpoch == 1)
        #expect(request.subscribedTopicNames == ["orders"])
        #expect(request.topicPartitions?.map(\.partitions) == [[0]])
    }

    @Test("a coordinator that is gone is tried again for ever, at most once a second")
    func patience() throws {
        let member = Member()
        try member.join([])
        member.nowMs += 3000
        for _ in 0..<100 {
            _ = try #require(member.due())
            guard case .retry = member.fail(.clusterUnreachable) else {
                Issue.record("it gives up")
                return
            }
            let wait = try #require(member.wait())
            #expect((50...1000).contains(wait))
            member.nowMs += wait
        }
    }

    @Test(
        "a coordinator that moves or loads is tried again",
        arguments: [
            ErrorCode.notCoordinator, .coordinatorLoadInProgress, .coordinatorNotAvailable,
        ])
    func coordinatorMoves(errorCode: ErrorCode) throws {
        let member = Member()
        _ = member.due()
        guard case .retry = member.refuse(errorCode) else {
            Issue.record("it does not try again")
            return
        }
        member.nowMs += 50
        #expect(try #require(member.due()).memberEpoch == 0)
    }

    @Test("a cluster that was never there is an error at once")
    func neverThere() {
        let member = Member()
        _ = member.due()
        #expect(member.fail(.clusterUnreachable).failure?.code == .clusterUnreachable)
        #expect(member.hasEnded)
    }

    @Test(
        "refusals that do not go away end the membership, and say what to do",
        arguments: [
            (ErrorCode.unsupportedVersion, "need Kafka 4.0 or newer"), (.unsupportedAssignor, "UNSUPPORTED_ASSIGNOR"),
            (.groupMaxSizeReached, "GROUP_MAX_SIZE_REACHED"), (.fencedInstanceID, "has taken the instance id i1"),
            (.invalidRegularExpression, "INVALID_REGULAR_EXPRESSION"),
        ])
    func refused(errorCode: ErrorCode, text: String) {
        let member = Member { $0.instanceID = "i1" }
        _ = member.due()
        let error = member.refuse(errorCode).failure
        #expect(error?.errorCode == errorCode)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        #expect(member.hasEnded)
    }

    // MARK: Static members and leaving

    @Test("an instance id that a killed predecessor has is waited for, not for ever")
    func instanceTaken() throws {
        let member = Member { $0.instanceID = "i1" }
        let start = member.nowMs
        while member.nowMs - start < GroupMembership.instanceWaitMaxMs {
            #expect(try #require(member.due()).instanceID == "i1")
            guard case .retry = member.refuse(.unreleasedInstanceID) else {
                Issue.record("it gives up after \(member.nowMs - start) ms")
                return
            }
            member.nowMs += try #require(member.wait())
        }
        _ = try #require(member.due())
        #expect(member.refuse(.unreleasedInstanceID).failure?.message.contains("is in use") == true)
    }

    @Test("a member leaves with epoch -1, a static one with -2", arguments: [(nil, Int32(-1)), ("i1", -2)])
    func leave(instanceID: String?, epoch: Int32) throws {
        let member = Member { $0.instanceID = instanceID }
        try member.join(Self.partitions(0))
        member.membership.leave()
        let request = try #require(member.due())
        #expect(request.memberEpoch == epoch)
        #expect(request.memberID == "me")
        #expect(request.instanceID == instanceID)
        #expect(request.topicPartitions == nil)
        #expect(member.answer(epoch: epoch).isNone)
        #expect(member.hasEnded)
    }

    @Test("whoever never joined has nothing to leave, and a lost answer to leaving is no reason to stay")
    func leaveWithoutAnswer() throws {
        let stranger = Member()
        stranger.membership.leave()
        #expect(stranger.hasEnded)
        let member = Member()
        try member.join([])
        member.membership.leave()
        _ = try #require(member.due())
        #expect(member.fail(.timedOut).isNone)
        #expect(member.hasEnded)
    }

    @Test("an assignment that comes while leaving is not taken")
    func assignedWhileLeaving() throws {
        let member = Member()
        try member.join([])
        member.nowMs += 3000
        _ = try #require(member.due())
        member.membership.leave()
        #expect(member.answer(epoch: 2, assigned: Self.partitions(0)).isNone)
        #expect(try #require(member.due()).memberEpoch == -1)
    }

    @Test("a member whose joining was not answered leaves all the same: the group may know it")
    func leaveBeforeAnswer() throws {
        let member = Member()
        _ = try #require(member.due())
        member.membership.leave()
        #expect(try #require(member.due()).memberEpoch == -1)
    }
}

extension GroupMembership.Reaction {
    fileprivate var isNone: Bool { if case .none = self { true } else { false } }

    fileprivate var reconciliation: GroupMembership.Reconciliation? {
        if case .reconcile(let reconciliation) = self { reconciliation } else { nil }
    }

    fileprivate var failure: KafkaClientError? { if case .fail(let error) = self { error } else { nil } }
}
