// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Testing

@testable import GroupCoordinator

@Suite struct GroupAdministrationTests {
    // MARK: OffsetDelete

    @Test func deletedOffsetsStayDeletedAndTheOthersStay() throws {
        var bench = OffsetBench()
        for partition in Int32(0)..<4 { try bench.commit("g", "orders", partition, 5) }
        // Partition 1 twice: the second time there is nothing to delete.
        #expect(try bench.delete("g", "orders", [1, 3, 1]) == [.none, .none, .none])
        #expect(try bench.fetchAll("g") == ["orders-0 @5", "orders-2 @5"])
        #expect(try bench.restarted.fetched("g") == ["orders-0 @5", "orders-2 @5"])
        #expect(bench.log.count == 6)
    }

    @Test func offsetsOfGroupsAndPartitionsThatAreNotThereCannotBeDeleted() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        #expect(try bench.delete("", "orders", [0]) == [.invalidGroupID])
        #expect(try bench.delete("h", "orders", [0]) == [.groupIDNotFound])
        #expect(try bench.delete("g", "orders", [4, -1]) == [.unknownTopicOrPartition, .unknownTopicOrPartition])
        #expect(try bench.delete("g", "nothing", [0]) == [.unknownTopicOrPartition])
        #expect(bench.log.count == 1)
    }

    @Test func offsetsOfATopicThatAMemberReadsCannotBeDeleted() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        try bench.commit("g", "payments", 0, 5)
        bench.replay(.classic("g", members: ["m"], reads: ["orders"]))
        #expect(try bench.delete("g", "orders", [0, 7]) == [.groupSubscribedToTopic, .unknownTopicOrPartition])
        #expect(try bench.delete("g", "payments", [0]) == [.none])
        #expect(try bench.fetchAll("g") == ["orders-0 @5"])
        // Everybody has left.
        bench.replay(.classic("g", sinceMs: OffsetBench.startMs))
        #expect(try bench.delete("g", "orders", [0]) == [.none])
        #expect(try bench.fetchAll("g") == [])
    }

    @Test func offsetsOfMembersThatAreNoConsumersCannotBeDeleted() throws {
        var bench = OffsetBench()
        try bench.commit("workers", "orders", 0, 5)
        bench.replay(.classic("workers", "connect", members: ["m"]))
        #expect(try bench.delete("workers", "orders", [0]) == [.nonEmptyGroup])
        bench.replay(.classic("workers", "connect", sinceMs: OffsetBench.startMs))
        #expect(try bench.delete("workers", "orders", [0]) == [.none])
    }

    // MARK: DeleteGroups

    @Test func aDeletedGroupIsGoneWithItsOffsets() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        try bench.commit("g", "payments", 1, 5)
        try bench.commit("h", "orders", 0, 6)
        bench.replay(.classic("g", sinceMs: OffsetBench.startMs))
        #expect(try bench.deleteGroup("g") == .none)
        for bench in [bench, bench.restarted] {
            #expect(bench.groups == ["h classic Empty ''"])
            #expect(try bench.fetched("g") == [])
        }
        #expect(try bench.deleteGroup("g") == .groupIDNotFound)
        #expect(try bench.deleteGroup("h") == .none)
        #expect(bench.groups == [])
    }

    @Test(arguments: ["consumer", "connect"]) func aGroupWithMembersIsNotDeleted(protocolType: String) throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        bench.replay(.classic("g", protocolType, members: ["m"], reads: ["orders"]))
        #expect(try bench.deleteGroup("g") == .nonEmptyGroup)
        #expect(bench.log.count == 2)
    }

    @Test func aConsumerGroupIsDeletedWhenNobodyIsInIt() throws {
        var bench = OffsetBench()
        let epoch = try bench.heartbeat("g", "m", epoch: 0, reads: ["orders"])
        try bench.commit(.of("g", [.of("orders", [.of(0, 5)])], member: "m", generation: epoch))
        #expect(try bench.deleteGroup("g") == .nonEmptyGroup)
        #expect(try bench.delete("g", "orders", [0]) == [.groupSubscribedToTopic])
        #expect(try bench.delete("g", "payments", [0]) == [.none])
        try bench.heartbeat("g", "m", epoch: -1, reads: [])
        #expect(bench.groups == ["g consumer Empty 'consumer'"])
        #expect(try bench.deleteGroup("g") == .none)
        for bench in [bench, bench.restarted] {
            #expect(bench.groups == [])
            #expect(try bench.fetched("g") == [])
        }
    }

    // MARK: Topics that were deleted

    @Test func offsetsOfDeletedTopicsAreForgottenInAllGroups() throws {
        var bench = OffsetBench()
        for group in ["a", "b", "c"] { try bench.commit(group, "orders", 0, 5) }
        try bench.commit("a", "payments", 0, 1)
        try bench.commit("a", "payments", 1, 2)
        try bench.commit("b", "payments", 1, 3)
        bench.replay(.classic("b", members: ["m"], reads: ["payments"]))
        let effects = bench.take(bench.shard.forgetTopics(["payments", "nothing"], bench.environment))
        #expect(effects.records.count == 3 && effects.answers.isEmpty)
        for bench in [bench, bench.restarted] {
            for group in ["a", "b", "c"] { #expect(try bench.fetched(group) == ["orders-0 @5"]) }
        }
    }

    @Test func aShardThatWasJustLoadedForgetsTopicsThatAreNoLongerThere() throws {
        var bench = OffsetBench()
        for group in ["a", "b"] {
            try bench.commit(group, "orders", 0, 5)
            try bench.commit(group, "payments", 0, 5)
        }
        #expect(bench.restarted.log.count == 4)
        bench.environment.topics = BenchTopics(
            topics: [TopicFacts(id: OffsetBench.ordersID, name: "orders", partitionCount: 4)]
        )
        bench = bench.restarted
        #expect(bench.log.count == 6)
        for group in ["a", "b"] { #expect(try bench.restarted.fetched(group) == ["orders-0 @5"]) }
    }

    // MARK: ListGroups

    @Test func groupsAreListedWithTypeStateAndProtocolType() throws {
        var bench = OffsetBench()
        try bench.commit("simple", "orders", 0, 5)
        try bench.commit("busy", "orders", 0, 5)
        bench.replay(.classic("busy", members: ["m"], reads: ["orders"]))
        bench.replay(.classic("workers", "connect", sinceMs: OffsetBench.startMs))
        #expect(
            bench.groups == [
                "busy classic Stable 'consumer'", "simple classic Empty ''", "workers classic Empty 'connect'",
            ]
        )
    }
}
