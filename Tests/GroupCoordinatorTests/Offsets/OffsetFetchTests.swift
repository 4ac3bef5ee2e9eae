// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import Testing

@testable import GroupCoordinator

@Suite struct OffsetFetchTests {
    @Test func aGroupThatIsNotThereHasNoOffsetsAndNoError() throws {
        var bench = OffsetBench()
        #expect(try bench.fetch("g", "orders", [0, 1]) == ["orders-0 @-1", "orders-1 @-1"])
        #expect(try bench.fetchAll("g") == [])
        // Nor does it matter whether the topic is there.
        #expect(try bench.fetch("g", "nothing", [0]) == ["nothing-0 @-1"])
    }

    @Test func fromVersion10TopicsHaveIDs() throws {
        var bench = OffsetBench()
        try bench.commit("g", "payments", 1, 8)
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = "g"
        request.topics = [OffsetBench.paymentsID, OffsetBench.unknownID].map { id in
            var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
            topic.topicID = id
            topic.partitionIndexes = [0, 1]
            return topic
        }
        #expect(
            try bench.fetch(request, version: 10) == [
                "payments-0 @-1", "payments-1 @8", "-0 @-1 UNKNOWN_TOPIC_ID", "-1 @-1 UNKNOWN_TOPIC_ID",
            ]
        )
    }

    @Test func allTopicsByIDAreThoseThatHaveOne() throws {
        var bench = OffsetBench()
        try bench.commit("g", "payments", 1, 8)
        try bench.commit("g", "orders", 1, 9)
        bench.environment.topics = BenchTopics(
            topics: [TopicFacts(id: OffsetBench.ordersID, name: "orders", partitionCount: 4)]
        )
        #expect(try bench.fetchAll("g", version: 10) == ["orders-1 @9"])
        #expect(try bench.fetchAll("g", version: 9) == ["orders-1 @9", "payments-1 @8"])
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = "g"
        request.topics = nil
        let call = GroupCall(
            token: RequestToken(0), apiVersion: 10, clientID: "", clientHost: "", freshID: .zero
        )
        let answer = bench.shard.fetchOffsets(request, call, bench.environment)
        #expect(answer.topics.map(\.topicID) == [OffsetBench.ordersID])
    }

    @Test func aConsumerGroupFencesFetchesByMemberEpoch() throws {
        var bench = OffsetBench()
        let epoch = try bench.heartbeat("g", "m", epoch: 0, reads: ["orders"])
        try bench.commit(.of("g", [.of("orders", [.of(0, 9)])], member: "m", generation: epoch))
        func fetch(_ member: String?, _ epoch: Int32) throws -> [String] {
            var request = OffsetFetchRequest.OffsetFetchRequestGroup()
            request.groupID = "g"
            request.memberID = member
            request.memberEpoch = epoch
            request.topics = nil
            return try bench.fetch(request, version: 9)
        }
        #expect(try fetch("m", epoch) == ["orders-0 @9"])
        #expect(try fetch(nil, -1) == ["orders-0 @9"])
        #expect(try fetch("m", epoch - 1) == ["STALE_MEMBER_EPOCH"])
        #expect(try fetch("stranger", epoch) == ["UNKNOWN_MEMBER_ID"])
    }

    @Test func partitionsCommittedInAnyOrderAreFoundAndListedInOrder() throws {
        var generator = SeededGenerator(seed: 1)
        var table = PartitionOffsets()
        var expected: [Int32: Int64] = [:]
        for _ in 0..<500 {
            let partition = Int32.random(in: -3...40, using: &generator)
            if Bool.random(using: &generator) {
                let offset = Int64.random(in: 0...1_000, using: &generator)
                table.set(
                    CommittedOffset(
                        partition: partition, offset: offset, leaderEpoch: -1, commitTimestampMs: 0,
                        expireTimestampMs: -1, metadata: ""
                    )
                )
                expected[partition] = offset
            } else {
                table.remove(partition)
                expected[partition] = nil
            }
            #expect(table.entries.map(\.partition) == expected.keys.sorted())
            #expect(table[partition]?.offset == expected[partition])
        }
    }

    @Test func theViewForTheLagStaysAsItWasWhenItWasMade() throws {
        var bench = OffsetBench()
        try bench.commit("g", "orders", 0, 5)
        try bench.commit("g", "orders", 2, 6)
        try bench.commit("h", "payments", 0, 7)
        let view = bench.shard.committedOffsets()
        try bench.commit("g", "orders", 0, 8)
        #expect(try bench.deleteGroup("h") == .none)
        #expect(view.groupIDs.sorted() == ["g", "h"])
        var seen: [String] = []
        for group in view.groupIDs {
            view.forEach(of: group) { seen.append("\(group) \($0)-\($1.partition) @\($1.offset)") }
        }
        #expect(seen.sorted() == ["g orders-0 @5", "g orders-2 @6", "h payments-0 @7"])
    }
}
