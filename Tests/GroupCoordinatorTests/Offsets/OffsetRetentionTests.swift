// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import GroupCoordinator

@Suite struct OffsetRetentionTests {
    private let day = OffsetBench.day

    @Test func offsetsOfSimpleGroupsGoAWeekAfterTheirCommit() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        bench.pass(3 * self.day)
        try bench.commit("g", "orders", 1, 6)
        bench.pass(4 * self.day - 1)
        #expect(bench.expire() == [0])
        bench.pass(1)
        #expect(bench.expire() == [1])
        #expect(try bench.fetchAll("g") == ["orders-1 @6"])
        bench.pass(3 * self.day)
        bench.expire()
        for bench in [bench, bench.restarted] { #expect(bench.groups == []) }
    }

    @Test func offsetsOfAGroupWithMembersStayHoweverOldTheyAre() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        bench.replay(.classic("g", members: ["m"], reads: ["orders"]))
        bench.pass(1_000 * self.day)
        #expect(bench.expire() == [0])
        #expect(try bench.fetchAll("g") == ["orders-0 @5"])
    }

    @Test func offsetsOfTopicsThatNoMemberReadsGrowOld() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        try bench.commit("g", "payments", 0, 5)
        bench.replay(.classic("g", members: ["m"], reads: ["payments"]))
        bench.pass(7 * self.day)
        #expect(bench.expire() == [1])
        #expect(try bench.fetchAll("g") == ["payments-0 @5"])
    }

    @Test func offsetsOfMembersThatAreNoConsumersStay() throws {
        var bench = OffsetBench()
        try bench.commit("workers", "orders", 0, 5)
        bench.replay(.classic("workers", "connect", members: ["m"]))
        bench.pass(7 * self.day)
        #expect(bench.expire() == [0])
    }

    @Test func anEmptyGroupKeepsItsOffsetsForAWeekAndThenGoes() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        bench.pass(100 * self.day)
        bench.replay(.classic("g", sinceMs: bench.environment.now.wallMs))
        bench.pass(7 * self.day - 1)
        #expect(bench.expire() == [0])
        bench.pass(1)
        // The offset, and the group itself.
        #expect(bench.expire() == [2])
        for bench in [bench, bench.restarted] { #expect(bench.groups == []) }
    }

    @Test func anOffsetSetInAnEmptyGroupHasItsWholeTime() throws {
        var bench = OffsetBench()
        bench.replay(.classic("g", sinceMs: OffsetBench.startMs))
        try bench.commit("g", "orders", 0, 5)
        bench.pass(6 * self.day)
        try bench.commit("g", "orders", 1, 6)
        bench.pass(self.day)
        #expect(bench.expire() == [1])
        #expect(try bench.fetchAll("g") == ["orders-1 @6"])
        #expect(bench.groups == ["g classic Empty 'consumer'"])
    }

    @Test func anEmptyGroupWithoutOffsetsGoesAtOnce() throws {
        var bench = OffsetBench()
        bench.replay(.classic("g", sinceMs: OffsetBench.startMs))
        #expect(bench.expire() == [1])
        #expect(bench.groups == [])
    }

    @Test func someoneWhoWasGivenAMemberIDIsWaitedFor() throws {
        var bench = OffsetBench()
        try bench.askForMemberID("g")
        #expect(bench.expire() == [0])
        #expect(bench.groups == ["g classic Empty ''"])
    }

    @Test func aConsumerGroupKeepsWhatItReadsAndGoesAWeekAfterItsLastMember() throws {
        var bench = OffsetBench()
        let epoch = try bench.heartbeat("g", "m", epoch: 0, reads: ["orders"])
        for topic in ["orders", "payments"] {
            let errors = try bench.commit(.of("g", [.of(topic, [.of(0, 5)])], member: "m", generation: epoch))
            try #require(errors == ["\(topic)-0": .none])
        }
        bench.environment.now.wallMs += 7 * self.day
        #expect(bench.expire() == [1])
        #expect(try bench.fetchAll("g") == ["orders-0 @5"])
        try bench.heartbeat("g", "m", epoch: -1, reads: [])
        bench.pass(7 * self.day - 1)
        #expect(bench.expire() == [0])
        bench.pass(1)
        bench.expire()
        for bench in [bench, bench.restarted] { #expect(bench.groups == []) }
    }

    @Test func anOffsetWithItsOwnExpiryGoesByThat() throws {
        var bench = OffsetBench()
        var request = OffsetCommitRequest.of("g", [.of("orders", [.of(0, 1)])])
        request.retentionTimeMs = 10 * self.day
        try bench.commit(request, version: 3)
        request.topics = [.of("orders", [.of(1, 1)])]
        request.retentionTimeMs = 0
        try bench.commit(request, version: 3)
        #expect(bench.expire() == [1])
        bench = bench.restarted
        bench.pass(10 * self.day - 1)
        #expect(bench.expire() == [0])
        bench.pass(1)
        #expect(bench.expire() == [1])
    }

    @Test func aCallRemovesNoMoreThanItMayAndTheNextGoesOn() throws {
        var bench = OffsetBench()
        let most = Int32(GroupShard.expiryRecordsMax)
        bench.environment.topics = BenchTopics(
            topics: [TopicFacts(id: OffsetBench.ordersID, name: "orders", partitionCount: 2 * most)]
        )
        try bench.commit(.of("b", [.of("orders", (0..<most + 5).map { .of($0, 1) })]))
        try bench.commit("a", "orders", 0, 1)
        try bench.commit("c", "orders", 0, 1)
        bench.pass(7 * self.day)
        #expect(bench.expire() == [Int(most), 7])
        #expect(bench.groups == [])
    }

    @Test func aCallLooksAtNoMoreGroupsThanItMay() throws {
        var bench = OffsetBench()
        for number in 0...GroupShard.expiryGroupsMax { try bench.commit("g\(number)", "orders", 0, 1) }
        #expect(bench.expire() == [0, 0])
        // Groups that come and go in between do no harm.
        _ = bench.shard.expireOffsets(bench.environment)
        #expect(bench.shard.isExpiringOffsets)
        #expect(try bench.deleteGroup("g999") == .none)
        #expect(bench.expire() == [0])
    }

    @Test(arguments: [Int64.min, -1, 0, .max]) func timesThatCannotBeAreNoProblem(timestamp: Int64) throws {
        let retention = OffsetRetention(nowMs: OffsetBench.startMs, retentionMs: 7 * OffsetBench.day)
        let offset = CommittedOffset(
            partition: 0, offset: 1, leaderEpoch: -1, commitTimestampMs: timestamp, expireTimestampMs: -1, metadata: ""
        )
        for standing in [GroupStanding.simple, .empty(sinceMs: nil), .empty(sinceMs: timestamp), .consuming] {
            #expect(retention.hasExpired(offset, of: standing) == (timestamp <= 0))
        }
        #expect(!retention.hasExpired(offset, of: .rebalancing) && !retention.hasExpired(offset, of: .foreign))
    }
}
