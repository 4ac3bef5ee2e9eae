// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Synchronization
import Testing

@testable import KafkaClient

/// What memberships ask for, on the wire.
@Suite struct CarryOutTests {
    private static let classic: [APIKey: ClosedRange<Int16>?] = [
        .joinGroup: 0...9, .syncGroup: 0...5, .heartbeat: 0...4, .leaveGroup: 0...5,
    ]

    @Test("a member leaves old and new coordinators in the form that they know", arguments: [Int16(2), 5])
    func leave(version: Int16) async throws {
        let asked = Mutex<LeaveGroupRequest?>(nil)
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0], versions: [.leaveGroup: 0...version],
            handler: { _, request in
                let leave = try LeaveGroupRequest.decode(request.body, version: request.version)
                asked.withLock { $0 = leave }
                return .answer(LeaveGroupResponse())
            }
        ) { _, client in
            let leave = ClassicLeave(groupID: "g", memberID: "me")
            guard case .left = try await client.carryOut(.leave(leave), of: "g", timeout: .seconds(9)) else {
                Issue.record("another answer")
                return
            }
            let sent = asked.withLock { $0 }
            let request = try #require(sent)
            #expect(request.groupID == "g")
            #expect(version >= 3 ? request.members.map(\.memberID) == ["me"] : request.memberID == "me")
        }
    }

    @Test("static members need a coordinator that knows of them")
    func staticMember() async throws {
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0], versions: [.joinGroup: 0...4],
            handler: { _, _ in .answer(JoinGroupResponse()) }
        ) { _, client in
            var request = JoinGroupRequest()
            _ = try await client.carryOut(.join(request), of: "g", timeout: .seconds(9))
            request.groupInstanceID = "i1"
            let isStatic = MembershipRequest.join(request)
            let error = await #expect(throws: KafkaClientError.self) {
                try await client.carryOut(isStatic, of: "g", timeout: .seconds(9))
            }
            #expect(error?.code == .unsupportedVersion)
        }
    }

    @Test("the leader counts the partitions of topics that exist, and shares them out")
    func lead() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0, 0, 0], "bills": [0]], coordinators: ["g": 0],
            handler: { _, _ in .close }
        ) { _, client in
            var response = JoinGroupResponse()
            response.members = [
                try ClassicMember.other("a", ["orders", "missing"]), try ClassicMember.other("b", ["orders"]),
            ]
            let leadership = ClassicLeadership(
                response, groupID: "g", assignor: RangeAssignor(), isCooperative: false)
            guard case .lead(let outcome) = try await client.carryOut(.lead(leadership), of: "g", timeout: .seconds(9))
            else {
                Issue.record("another answer")
                return
            }
            #expect(outcome.partitionCounts == ["orders": 3])
            #expect(try outcome.assignments.get().map(\.memberID) == ["a", "b"])
            let all = try await client.carryOut(.topics(.all(internal: [])), of: "g", timeout: .seconds(9))
            guard case .topics(["orders": 3, "bills": 1]) = all else {
                Issue.record("another answer: \(all)")
                return
            }
        }
    }

    /// A coordinator on a socket, and a driver that does as it is told.
    @Test("a member joins, takes over, heartbeats and leaves over the wire")
    func wholeLife() async throws {
        let group = Mutex(ClassicGroupSketch())
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0, 0]], coordinators: ["g": 0], versions: Self.classic,
            handler: { _, request in
                try group.withLock { try Self.reply(to: request, &$0) }
            }
        ) { fake, client in
            let configuration = ClassicMembership.Configuration(
                groupID: "g", topics: .names(["orders"]), assignors: [CooperativeStickyAssignor()])
            try configuration.validate()
            var membership: any Membership = ClassicMembership(configuration, retry: RetryPolicy())
            var generator = SystemRandomNumberGenerator()
            var nowMs: Int64 = 0
            var reading: Set<TopicPartition> = []
            var heartbeats = 0
            loop: for _ in 0..<100 {
                switch membership.step(nowMs: nowMs) {
                case .ended:
                    break loop
                case .wait(let untilMs):
                    nowMs = untilMs
                case .send(let request, let timeout):
                    if case .heartbeat = request { heartbeats += 1 }
                    let answer = try await client.carryOut(request, of: "g", timeout: timeout)
                    let reaction = membership.answered(answer, nowMs: nowMs, using: &generator)
                    if case .reconcile(let reconciliation) = reaction {
                        reading.formUnion(reconciliation.added.compactMap(\.named))
                        _ = membership.released(reconciliation.number, nowMs: nowMs)
                    }
                }
                if heartbeats == 3 { membership.leave() }
            }
            #expect(reading == ClassicMember.partitions([0, 1]))
            let members = group.withLock { $0.members }
            #expect(members.isEmpty)
            let calls = fake.log.map(\.api).filter { $0 != .findCoordinator }
            #expect(calls == [.joinGroup, .joinGroup, .syncGroup, .heartbeat, .heartbeat, .heartbeat, .leaveGroup])
        }
    }

    private static func reply(
        to request: ScriptedBroker.Request, _ group: inout ClassicGroupSketch
    ) throws -> FakeCluster.Reply {
        var answer: MembershipAnswer?
        switch request.api {
        case .joinGroup: answer = group.join(try JoinGroupRequest.decode(request.body, version: request.version))
        case .syncGroup: answer = group.sync(try SyncGroupRequest.decode(request.body, version: request.version))
        case .heartbeat:
            answer = group.heartbeat(try HeartbeatRequest.decode(request.body, version: request.version))
        default:
            let leave = try LeaveGroupRequest.decode(request.body, version: request.version)
            for member in leave.members { group.remove(member.memberID) }
            return .answer(LeaveGroupResponse())
        }
        // With one member nobody has to wait for another.
        defer { group.answers = [] }
        switch answer ?? group.answers.first?.1 {
        case .join(let response): return .answer(response)
        case .sync(let response): return .answer(response)
        case .heartbeat(let response): return .answer(response)
        default: return .close
        }
    }
}
