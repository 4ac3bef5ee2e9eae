// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct ClassicMembershipTests {
    // MARK: Joining

    @Test("a member joins twice, since the coordinator wants to see its id before it keeps a place for it")
    func memberIDRequired() throws {
        let member = ClassicMember()
        let first = try #require(member.dueJoin)
        #expect(first.memberID == "")
        #expect(first.protocolType == "consumer")
        #expect(first.sessionTimeoutMs == 45_000)
        #expect(first.rebalanceTimeoutMs == 300_000)
        #expect(member.answerJoin(.memberIDRequired, memberID: "given").isNothing)
        #expect(try #require(member.dueJoin).memberID == "given")
        // A coordinator that says so again is asked less and less often.
        #expect(member.answerJoin(.memberIDRequired, memberID: "given").retried != nil)
        #expect(member.wait == 50)
    }

    @Test("a join waits for the slowest member, and a heartbeat for nobody")
    func timeouts() throws {
        let member = ClassicMember()
        guard case .send(.join, let joinTimeout) = member.step else { throw KafkaClientError(.invalidRequest, "") }
        #expect(joinTimeout == .seconds(305))
        _ = member.answerJoin()
        guard case .send(.sync, let syncTimeout) = member.step else { throw KafkaClientError(.invalidRequest, "") }
        #expect(syncTimeout == .seconds(305))
        _ = try member.answerSync()
        member.nowMs += 3000
        guard case .send(.heartbeat, let timeout) = member.step else { throw KafkaClientError(.invalidRequest, "") }
        #expect(timeout == .seconds(10))
    }

    @Test("a follower sends nothing to share out and takes what it is given")
    func follower() throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        #expect(!member.membership.isMember)
        #expect(member.answerJoin(generation: 7).isNothing)
        let sync = try #require(member.dueSync)
        #expect(sync.generationID == 7)
        #expect(sync.memberID == "me")
        #expect(sync.protocolName == "cooperative-sticky")
        #expect(sync.assignments.isEmpty)
        let reconciliation = try #require(try member.answerSync(.none, [1, 2]).asksFor)
        #expect(reconciliation.has(revoked: [], added: [1, 2]))
        #expect(member.membership.isUnderWay(reconciliation.number))
        #expect(member.membership.released(reconciliation.number, nowMs: member.nowMs).isNothing)
        #expect(!member.membership.isUnderWay(reconciliation.number))
        #expect(member.membership.isMember)
        #expect(member.membership.epoch == 7)
        #expect(member.wait == 3000)
        #expect(try member.beat().isNothing)
        #expect(member.wait == 3000)
    }

    @Test("a member says which protocols it knows, with what each of them needs")
    func protocols() throws {
        let member = ClassicMember([CooperativeStickyAssignor(), StickyAssignor()]) {
            $0.rackID = "r1"
            $0.instanceID = "i1"
        }
        try member.join([3], generation: 4)
        _ = try #require(try member.beat(.rebalanceInProgress).asksFor).number
        _ = member.membership.released(2, nowMs: member.nowMs)
        let request = try #require(member.dueJoin)
        #expect(request.groupInstanceID == "i1")
        #expect(request.protocols.map(\.name) == ["cooperative-sticky", "sticky"])
        var entry = JoinGroupResponse.JoinGroupResponseMember()
        entry.metadata = try #require(request.protocols.last).metadata
        let understood = try ConsumerProtocol.member(entry).1
        #expect(understood.rackID == "r1")
        #expect(understood.owned.isEmpty)
        let data = try StickyUserData(try #require(understood.userData))
        #expect(data == StickyUserData(partitions: Array(ClassicMember.partitions([3])), generation: 4))
    }

    // MARK: Rebalances

    @Test("an eager member gives everything up before it joins, and heartbeats go on meanwhile")
    func eager() throws {
        let member = ClassicMember([RangeAssignor(), CooperativeStickyAssignor()])
        try member.join([0, 1])
        let giveUp = try #require(try member.beat(.rebalanceInProgress).asksFor)
        #expect(giveUp.has(revoked: [0, 1], added: []))
        #expect(member.wait == 3000)
        #expect(try member.beat(.rebalanceInProgress).isNothing)
        #expect(member.membership.released(giveUp.number, nowMs: member.nowMs).isNothing)
        #expect(member.membership.owned.isEmpty)
        #expect(member.dueJoin?.memberID == "me")
        _ = member.answerJoin(generation: 2)
        _ = try #require(member.dueSync)
        #expect(try #require(try member.answerSync(.none, [1]).asksFor).has(revoked: [], added: [1]))
    }

    @Test("a cooperative member joins with what it has, gives up what it lost, and joins once more")
    func cooperative() throws {
        let member = ClassicMember()
        try member.join([0, 1], generation: 3)
        #expect(try member.beat(.rebalanceInProgress).isNothing)
        let request = try #require(member.dueJoin)
        var entry = JoinGroupResponse.JoinGroupResponseMember()
        entry.metadata = try #require(request.protocols.first).metadata
        let claim = try ConsumerProtocol.member(entry).1
        #expect(Set(claim.owned) == ClassicMember.partitions([0, 1]))
        #expect(claim.generation == 3)
        #expect(member.membership.isMember)
        _ = member.answerJoin(generation: 4)
        _ = try #require(member.dueSync)
        let reconciliation = try #require(try member.answerSync(.none, [1, 2]).asksFor)
        #expect(reconciliation.has(revoked: [0], added: [2]))
        #expect(member.wait == 3000)
        #expect(member.membership.released(reconciliation.number, nowMs: member.nowMs).isNothing)
        #expect(try #require(member.dueJoin).reason == "partitions were given up")
    }

    @Test("what stays the same is no reconciliation")
    func unchanged() throws {
        let member = ClassicMember()
        try member.join([0, 1])
        _ = try member.beat(.rebalanceInProgress)
        _ = try #require(member.dueJoin)
        _ = member.answerJoin(generation: 2)
        _ = try #require(member.dueSync)
        #expect(try member.answerSync(.none, [1, 0]).isNothing)
        #expect(member.wait == 3000)
    }

    @Test("a rebalance that begins while partitions change hands waits for that")
    func rebalanceDuringReconciliation() throws {
        for assignor in [CooperativeStickyAssignor(), RangeAssignor()] as [any ClassicAssignor] {
            let member = ClassicMember([assignor])
            _ = try #require(member.dueJoin)
            _ = member.answerJoin()
            _ = try #require(member.dueSync)
            let reconciliation = try #require(try member.answerSync(.none, [0]).asksFor)
            #expect(try member.beat(.rebalanceInProgress).isNothing)
            #expect(member.wait == 3000)
            let next = member.membership.released(reconciliation.number, nowMs: member.nowMs)
            if assignor.isCooperative {
                #expect(next.isNothing)
                #expect(member.dueJoin != nil)
            } else {
                #expect(try #require(next.asksFor).has(revoked: [0], added: []))
            }
        }
    }

    @Test("a rebalance that begins before the assignment is known leaves a cooperative member what it has")
    func rebalanceDuringSync() throws {
        let member = ClassicMember()
        try member.join([0, 1], generation: 3)
        _ = try member.beat(.rebalanceInProgress)
        _ = try #require(member.dueJoin)
        _ = member.answerJoin(generation: 4)
        _ = try #require(member.dueSync)
        #expect(try member.answerSync(.rebalanceInProgress).isNothing)
        let request = try #require(member.dueJoin)
        var entry = JoinGroupResponse.JoinGroupResponseMember()
        entry.metadata = try #require(request.protocols.first).metadata
        let claim = try ConsumerProtocol.member(entry).1
        #expect(Set(claim.owned) == ClassicMember.partitions([0, 1]))
        #expect(claim.generation == 3)
    }

    @Test("an answer that says a rebalance is on makes a member that joins wait before it joins again")
    func rebalanceDuringJoin() throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        #expect(member.answerJoin(.rebalanceInProgress).retried != nil)
        #expect(member.wait == 50)
    }

    // MARK: Losses

    @Test(
        "a member of which the group knows nothing loses everything and joins again",
        arguments: [(ErrorCode.unknownMemberID, ""), (.illegalGeneration, "me")])
    func lost(errorCode: ErrorCode, id: String) throws {
        for assignor in [CooperativeStickyAssignor(), RangeAssignor()] as [any ClassicAssignor] {
            let member = ClassicMember([assignor])
            try member.join([0, 1])
            #expect(try member.beat(errorCode).lost?.errorCode == errorCode)
            #expect(!member.membership.isMember)
            #expect(member.membership.owned.isEmpty)
            let request = try #require(member.dueJoin)
            #expect(request.memberID == id)
            // Whoever is turned away again and again does not hurry.
            #expect(member.answerJoin(.unknownMemberID).lost != nil)
            #expect(try #require(member.wait) > 0)
        }
    }

    @Test("what is lost while it is being given up is not given up any more")
    func lostWhileGivingUp() throws {
        let member = ClassicMember([RangeAssignor()])
        try member.join([0, 1])
        let giveUp = try #require(try member.beat(.rebalanceInProgress).asksFor)
        #expect(try member.beat(.unknownMemberID).lost != nil)
        #expect(!member.membership.isUnderWay(giveUp.number))
        #expect(member.membership.released(giveUp.number, nowMs: member.nowMs).isNothing)
        #expect(member.dueJoin != nil)
        // Nor when the member has got something new since.
        _ = member.answerJoin(generation: 2)
        _ = try #require(member.dueSync)
        let new = try #require(try member.answerSync(.none, [3]).asksFor)
        #expect(member.membership.released(giveUp.number, nowMs: member.nowMs).isNothing)
        #expect(member.membership.owned.isEmpty && member.membership.isUnderWay(new.number))
    }

    @Test("an assignment that got lost is joined for anew, since nobody knows whether the leader's arrived")
    func lostSync() throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        _ = member.answerJoin()
        _ = try #require(member.dueSync)
        #expect(member.fail(.connectionClosed).retried != nil)
        member.nowMs += 1000
        #expect(member.dueJoin?.memberID == "me")
    }

    @Test("a coordinator that is silent for the session time-out has given the member up")
    func silence() throws {
        let member = ClassicMember()
        try member.join([0])
        _ = try member.beat()
        let start = member.nowMs
        member.nowMs += 3000
        _ = try #require(member.dueHeartbeat)
        #expect(member.fail(.timedOut).retried != nil)
        member.nowMs = start + 44_000
        guard case .send(.heartbeat, let timeout) = member.step else { throw KafkaClientError(.invalidRequest, "") }
        #expect(timeout == .seconds(1))
        #expect(member.fail(.connectionFailed).retried != nil)
        member.nowMs = start + 45_500
        _ = try #require(member.dueHeartbeat)
        #expect(try #require(member.fail(.connectionFailed).lost).code == .timedOut)
        #expect(member.dueJoin != nil)
    }

    @Test("the session does not run while the coordinator makes a join wait")
    func longJoin() throws {
        let member = ClassicMember()
        try member.join([0])
        _ = try member.beat(.rebalanceInProgress)
        _ = try #require(member.dueJoin)
        member.nowMs += 290_000
        #expect(member.fail(.connectionClosed).retried != nil)
        #expect(!member.membership.owned.isEmpty)
        member.nowMs += 46_000
        _ = try #require(member.dueJoin)
        #expect(member.fail(.connectionFailed).lost != nil)
    }

    // MARK: Errors

    @Test(
        "a coordinator that moves or is still loading is asked again",
        arguments: [ErrorCode.notCoordinator, .coordinatorLoadInProgress, .coordinatorNotAvailable])
    func coordinatorMoves(errorCode: ErrorCode) throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        #expect(member.answerJoin(errorCode, memberID: "").retried?.errorCode == errorCode)
        #expect(member.wait == 50)
        member.nowMs += 50
        try member.join([0])
        #expect(try member.beat(errorCode).retried?.errorCode == errorCode)
        #expect(member.wait == 50)
        member.nowMs += 50
        #expect(member.dueHeartbeat != nil)
        #expect(member.answerHeartbeat().isNothing)
        #expect(member.membership.owned == ClassicMember.partitions([0]))
    }

    @Test(
        "a refusal that does not go away ends the membership and says why",
        arguments: [
            (ErrorCode.fencedInstanceID, "has taken the instance id i1"),
            (.inconsistentGroupProtocol, "no assignor in common"), (.invalidSessionTimeout, "group.max.session"),
            (.groupAuthorizationFailed, "GROUP_AUTHORIZATION_FAILED"), (.groupMaxSizeReached, "GROUP_MAX_SIZE_REACHED"),
        ])
    func refused(errorCode: ErrorCode, text: String) throws {
        let member = ClassicMember { $0.instanceID = "i1" }
        _ = try #require(member.dueJoin)
        let error = try #require(member.answerJoin(errorCode).ending)
        #expect(error.message.contains(text))
        #expect(member.hasEnded)
    }

    @Test("a static member that another took the place of ends, and does not fight")
    func fenced() throws {
        let member = ClassicMember { $0.instanceID = "i1" }
        try member.join([0])
        #expect(try member.beat(.fencedInstanceID).ending?.errorCode == .fencedInstanceID)
        #expect(member.hasEnded)
    }

    @Test("a cluster that was never reached is an error, and one that was is expected back")
    func unreachable() throws {
        let stranger = ClassicMember()
        _ = try #require(stranger.dueJoin)
        #expect(stranger.fail(.clusterUnreachable).ending != nil)
        let member = ClassicMember()
        try member.join([0])
        member.nowMs += 3000
        _ = try #require(member.dueHeartbeat)
        #expect(member.fail(.clusterUnreachable).retried != nil)
    }

    @Test("an assignment that cannot be read, or a protocol that was not offered, is an error")
    func brokenAnswers() throws {
        let member = ClassicMember()
        _ = try #require(member.dueJoin)
        _ = member.answerJoin()
        _ = try #require(member.dueSync)
        var response = SyncGroupResponse()
        response.assignment = ByteBuffer(bytes: [0, 0, 1])
        #expect(member.answer(.sync(response)).ending?.code == .malformedResponse)
        let other = ClassicMember()
        _ = try #require(other.dueJoin)
        #expect(other.answerJoin(assignor: "range").ending?.code == .malformedResponse)
    }

    @Test("partitions of topics that were not subscribed to are refused, and the member joins again")
    func strayAssignment() throws {
        let member = ClassicMember { $0.topics = .names(["other"]) }
        _ = try #require(member.dueJoin)
        _ = member.answerJoin()
        _ = try #require(member.dueSync)
        #expect(try member.answerSync(.none, [0]).retried != nil)
        #expect(member.membership.owned.isEmpty)
        member.nowMs += 50
        #expect(member.dueJoin?.reason?.contains("orders-0") == true)
    }

    @Test("a refused commit is followed by a heartbeat, which tells the reason")
    func checkSoon() throws {
        let member = ClassicMember()
        try member.join([0])
        #expect(member.dueHeartbeat == nil)
        member.membership.checkSoon(nowMs: member.nowMs)
        #expect(member.dueHeartbeat != nil)
    }
}
