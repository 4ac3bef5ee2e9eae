// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import Testing

@testable import GroupCoordinator

@Suite struct OffsetCommitTests {
    @Test func whatIsCommittedIsFetchedAlsoAfterARestart() throws {
        var bench = OffsetBench()
        let errors = try bench.commit(
            .of("g", [.of("orders", [.of(2, 20, epoch: 7, "here"), .of(0, 5)]), .of("payments", [.of(1, 1)])])
        )
        #expect(errors == ["orders-2": .none, "orders-0": .none, "payments-1": .none])
        for var bench in [bench, bench.restarted] {
            #expect(
                try bench.fetch("g", "orders", [2, 1, 0]) == [
                    "orders-2 @20 epoch 7 'here'", "orders-1 @-1", "orders-0 @5",
                ])
            #expect(try bench.fetchAll("g") == ["orders-0 @5", "orders-2 @20 epoch 7 'here'", "payments-1 @1"])
        }
    }

    @Test func theLastCommitCounts() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        try bench.commit("g", "orders", 0, 9)
        try bench.commit("g", "orders", 0, 7)
        #expect(try bench.fetchAll("g") == ["orders-0 @7"])
        #expect(try bench.restarted.fetched("g") == ["orders-0 @7"])
    }

    @Test func groupsDoNotSeeEachOthersOffsets() throws {
        var bench = OffsetBench()
        try bench.commit("a", "orders", 0, 5)
        #expect(try bench.fetch("b", "orders", [0]) == ["orders-0 @-1"])
        #expect(try bench.fetchAll("b") == [])
    }

    @Test func aCommitWithoutAGroupMakesASimpleOne() throws {
        var bench = OffsetBench()
        #expect(try bench.commit("g", "orders", 0, 5) == .none)
        #expect(bench.groups == ["g classic Empty ''"])
        #expect(bench.restarted.groups == ["g classic Empty ''"])
        // Kafka takes a member id without a generation, too.
        #expect(try bench.commit(.of("h", [.of("orders", [.of(0, 1)])], member: "m")) == ["orders-0": .none])
        // The group may have the empty id, for old clients.
        #expect(try bench.commit("", "orders", 0, 5) == .none)
    }

    @Test(arguments: [(Int16(8), ErrorCode.illegalGeneration), (9, .groupIDNotFound), (10, .groupIDNotFound)])
    func aGenerationOfAGroupThatIsNotThereIsRefused(version: Int16, error: ErrorCode) throws {
        var bench = OffsetBench()
        let topic: OffsetCommitRequest.OffsetCommitRequestTopic =
            version < 10 ? .of("orders", [.of(0, 5)]) : .of(OffsetBench.ordersID, [.of(0, 5)])
        #expect(
            try bench.commit(.of("g", [topic], member: "m", generation: 3), version: version) == ["orders-0": error])
        #expect(bench.log.isEmpty && bench.groups.isEmpty)
    }

    @Test func aSimpleGroupHasNoMembers() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        let errors = try bench.commit(.of("g", [.of("orders", [.of(0, 6)])], member: "m", generation: 0))
        #expect(errors == ["orders-0": .unknownMemberID])
        #expect(try bench.fetchAll("g") == ["orders-0 @5"])
    }

    @Test func onlyPartitionsThatExistHaveOffsets() throws {
        var bench = OffsetBench()
        let errors = try bench.commit(
            .of("g", [.of("orders", [.of(3, 1), .of(4, 1), .of(-1, 1)]), .of("nothing", [.of(0, 1)])])
        )
        #expect(
            errors == [
                "orders-3": .none, "orders-4": .unknownTopicOrPartition, "orders--1": .unknownTopicOrPartition,
                "nothing-0": .unknownTopicOrPartition,
            ]
        )
        #expect(try bench.fetchAll("g") == ["orders-3 @1"])
        #expect(bench.log.count == 1)
    }

    @Test func fromVersion10TopicsHaveIDs() throws {
        var bench = OffsetBench()
        let request = OffsetCommitRequest.of(
            "g", [.of(OffsetBench.paymentsID, [.of(1, 8), .of(2, 8)]), .of(OffsetBench.unknownID, [.of(0, 8)])]
        )
        let errors = try bench.commit(request, version: 10)
        #expect(
            errors == ["payments-1": .none, "payments-2": .unknownTopicOrPartition, "-0": .unknownTopicID]
        )
        #expect(try bench.fetchAll("g") == ["payments-1 @8"])
    }

    @Test func metadataHasALimit() throws {
        var bench = OffsetBench()
        bench.environment.settings.offsetMetadataMaxBytes = 4
        let errors = try bench.commit(
            .of("g", [.of("orders", [.of(0, 1, "1234"), .of(1, 1, "12345"), .of(2, 1, "äöüß"), .of(3, 1, nil)])])
        )
        #expect(
            errors == ["orders-0": .none, "orders-1": .offsetMetadataTooLarge, "orders-2": .none, "orders-3": .none]
        )
        #expect(try bench.fetchAll("g") == ["orders-0 @1 '1234'", "orders-2 @1 'äöüß'", "orders-3 @1"])
    }

    @Test func whatNoRecordHasRoomForIsRefused() throws {
        var bench = OffsetBench()
        bench.environment.settings.offsetMetadataMaxBytes = .max
        let long = String(repeating: "x", count: 32_768)
        #expect(try bench.commit(.of("g", [.of("orders", [.of(0, 1, long)])])) == ["orders-0": .offsetMetadataTooLarge])
        #expect(try bench.commit(long, "orders", 0, 1) == .invalidGroupID)
        #expect(try bench.commit(String(long.dropLast()), "orders", 0, 1) == .none)
    }

    @Test func retentionTimeOfOldVersionsIsKeptInTheRecord() throws {
        var bench = OffsetBench()
        var request = OffsetCommitRequest.of("g", [.of("orders", [.of(0, 1, epoch: 3)])])
        request.retentionTimeMs = 60_000
        try bench.commit(request, version: 4)
        guard case .offsetCommit(_, let value?) = bench.log.first else { throw OffsetBench.WrongAnswer() }
        #expect(value.commitTimestamp == OffsetBench.startMs)
        #expect(value.expireTimestamp == OffsetBench.startMs + 60_000)
        #expect(
            bench.shard.offsets.groups["g"]?["orders"]?.entries
                == bench.restarted.shard.offsets.groups["g"]?["orders"]?.entries)
        // More than there is time.
        request.retentionTimeMs = .max
        try bench.commit(request, version: 4)
        bench.pass(10_000 * OffsetBench.day)
        bench.expire()
        #expect(try bench.fetchAll("g") == ["orders-0 @1"])
    }

    @Test func aClassicGroupFencesCommitsByMemberAndGeneration() throws {
        var bench = OffsetBench()
        bench.replay(.classic("g", members: ["m"], reads: ["orders"]))
        func commit(_ bench: inout OffsetBench, _ member: String, _ generation: Int32) throws -> ErrorCode? {
            try bench.commit(.of("g", [.of("orders", [.of(0, 9)])], member: member, generation: generation))["orders-0"]
        }
        #expect(try commit(&bench, "m", 1) == ErrorCode.none)
        #expect(try commit(&bench, "m", 0) == .illegalGeneration)
        #expect(try commit(&bench, "stranger", 1) == .unknownMemberID)
        #expect(try commit(&bench, "", -1) == .unknownMemberID)
        #expect(bench.log.count == 2)
        // A topic that is not there is told of first.
        #expect(
            try bench.commit(.of("g", [.of("gone", [.of(0, 9)])], member: "stranger", generation: 1))
                == ["gone-0": .unknownTopicOrPartition]
        )
    }

    @Test func aCommitKeepsAClassicMemberInItsGroup() throws {
        var bench = OffsetBench()
        bench.replay(.classic("g", members: ["m"], reads: ["orders"]))
        bench = bench.restarted
        for _ in 0..<3 {
            bench.pass(8_000)
            try bench.commit(.of("g", [.of("orders", [.of(0, 9)])], member: "m", generation: 1))
            bench.take(bench.shard.expire(bench.environment))
            #expect(bench.groups == ["g classic Stable 'consumer'"])
        }
        bench.pass(8_000)
        // The generation is not this one, so nobody was heard of.
        try bench.commit(.of("g", [.of("orders", [.of(0, 9)])], member: "m", generation: 7))
        bench.pass(8_000)
        bench.take(bench.shard.expire(bench.environment))
        #expect(bench.groups == ["g classic Empty 'consumer'"])
    }

    @Test func aConsumerGroupFencesCommitsByMemberEpoch() throws {
        var bench = OffsetBench()
        let epoch = try bench.heartbeat("g", "m", epoch: 0, reads: ["orders"])
        func commit(_ bench: inout OffsetBench, _ member: String, _ epoch: Int32, version: Int16 = 9) throws
            -> ErrorCode?
        {
            let request = OffsetCommitRequest.of("g", [.of("orders", [.of(0, 9)])], member: member, generation: epoch)
            return try bench.commit(request, version: version)["orders-0"]
        }
        #expect(try commit(&bench, "m", epoch) == ErrorCode.none)
        #expect(try commit(&bench, "m", epoch - 1) == .staleMemberEpoch)
        #expect(try commit(&bench, "m", epoch, version: 8) == .unsupportedVersion)
        #expect(try commit(&bench, "stranger", epoch) == .unknownMemberID)
        #expect(try commit(&bench, "", -1) == .unknownMemberID)
        try bench.heartbeat("g", "m", epoch: -1, reads: [])
        #expect(try commit(&bench, "", -1) == ErrorCode.none)
    }

    /// Commits, deletions, retention and topics that go, at random: what was replayed is what was done.
    @Test(arguments: UInt64(0)..<20) func replayingTheLogRebuildsTheOffsets(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var bench = OffsetBench()
        for _ in 0..<300 {
            let group = "g\(Int.random(in: 0..<4, using: &generator))"
            let topic = Bool.random(using: &generator) ? "orders" : "payments"
            let partition = Int32.random(in: 0..<4, using: &generator)
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: _ = try bench.deleteGroup(group)
            case 1: bench.take(bench.shard.forgetTopics([topic], bench.environment))
            case 2: bench.expire()
            case 3, 4: _ = try bench.delete(group, topic, [partition])
            case 5, 6: bench.pass(Int64.random(in: 0...2 * OffsetBench.day, using: &generator))
            case 7: bench.replay(.classic(group, sinceMs: bench.environment.now.wallMs))
            case 8:
                var request = OffsetCommitRequest.of(group, [.of(topic, [.of(partition, 7, epoch: 1, "old")])])
                request.retentionTimeMs = Int64.random(in: 0...3 * OffsetBench.day, using: &generator)
                try bench.commit(request, version: 4)
            default:
                let offset = Int64.random(in: 0...1_000, using: &generator)
                try bench.commit(.of(group, [.of(topic, [.of(partition, offset, epoch: 3, "\(offset)")])]))
            }
        }
        let restarted = bench.restarted
        #expect(bench.everything == restarted.everything)
        #expect(bench.groups == restarted.groups)
        for topics in bench.shard.offsets.groups.values {
            #expect(!topics.isEmpty && topics.values.allSatisfy { !$0.entries.isEmpty })
        }
    }

    @Test func nothingIsLeftOfAGroupWithoutOffsets() throws {
        var bench = OffsetBench()
        for partition in [Int32(3), 0, 2] { try bench.commit("g", "orders", partition, 1) }
        try bench.commit("g", "payments", 0, 1)
        #expect(try bench.delete("g", "orders", [0, 2, 3]) == [.none, .none, .none])
        #expect(bench.shard.offsets.groups["g"]?.keys.sorted() == ["payments"])
        #expect(try bench.delete("g", "payments", [0, 1]) == [.none, .none])
        #expect(bench.shard.offsets.groups.isEmpty && bench.groups.isEmpty)
        #expect(bench.restarted.shard.offsets.groups.isEmpty)
        #expect(bench.log.count == 8)
    }
}

extension OffsetBench {
    /// All offsets of all groups.
    var everything: [String: [String: [CommittedOffset]]] {
        self.shard.offsets.groups.mapValues { topics in topics.mapValues(\.entries) }
    }

    /// `fetchAll` of a shard that nothing more is asked of.
    func fetched(_ group: String) throws -> [String] {
        var bench = self
        return try bench.fetchAll(group)
    }
}
