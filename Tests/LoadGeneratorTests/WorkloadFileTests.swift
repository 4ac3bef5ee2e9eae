// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import Testing

@testable import LoadGenerator

@Suite("WorkloadFile") struct WorkloadFileTests {
    private static func parse(_ text: String) throws -> Workload {
        try WorkloadFile.parse(text, path: "w.yaml") { Array($0.utf8) }
    }

    private static func reason(_ text: String) -> String? {
        do {
            _ = try Self.parse(text)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("a workload of OpenMessaging Benchmark is understood")
    func openMessaging() throws {
        let workload = try Self.parse(
            """
            name: 1 topic / 16 partitions / 1kb

            topics: 1
            partitionsPerTopic: 16
            keyDistributor: "KEY_ROUND_ROBIN"
            messageSize: 1024
            payloadFile: "payload/payload-1Kb.data"
            subscriptionsPerTopic: 2
            consumerPerSubscription: 3
            producersPerTopic: 4
            producerRate: 50000
            consumerBacklogSizeGB: 2
            testDurationMinutes: 15
            warmupDurationMinutes: 1
            """)
        #expect(workload.name == "1 topic / 16 partitions / 1kb")
        #expect(workload.mode == .mixed)
        #expect(workload.partitionsPerTopic == 16)
        #expect(workload.keys == .roundRobin(10_000))
        #expect(workload.payload == Array("payload/payload-1Kb.data".utf8))
        #expect((workload.subscriptions, workload.consumerCount, workload.producerCount) == (2, 6, 4))
        #expect(workload.rate == 50_000)
        #expect(workload.backlogBytes == 2 << 30)
        #expect(workload.limit == .seconds(900))
        #expect(workload.warmUp == 60)
    }

    @Test("our own keys say the rest")
    func own() throws {
        let workload = try Self.parse(
            """
            mode: produce
            messageSizes: uniform:10-20
            useRandomizedPayloads: true
            randomBytesRatio: 0.1
            randomizedPayloadPoolSize: 7
            producers: 3
            producerRate: 0
            acks: 1
            codec: zstd
            linger: 20
            batchBytes: 1048576
            topicConfigs:
              segment.bytes: 1048576
            testDurationSeconds: 2.5
            warmupDurationSeconds: 0
            """)
        #expect(workload.mode == .produce)
        #expect(workload.size == .uniform(10, 20))
        #expect((workload.randomBytesRatio, workload.payloadPoolSize) == (0.1, 7))
        #expect(workload.rate == nil)
        #expect((workload.acks, workload.codec, workload.lingerMs) == (.leader, .zstd, 20))
        #expect(workload.topicConfigs == ["segment.bytes": "1048576"])
        #expect((workload.limit, workload.warmUp) == (.seconds(2.5), 0))
    }

    @Test(
        "what is wrong is named with its line",
        arguments: [
            ("topics: 1\nmesageSize: 5", "line 2 of w.yaml: mesageSize is no key"),
            ("topics: one", "line 1 of w.yaml: topics takes a whole number"),
            ("topics: 1\ntopics: 2", "w.yaml"),
            ("topics: [1]", "line 1 of w.yaml: topics takes one value"),
            ("\n\nkeyDistributor: SOME", "line 3 of w.yaml: keyDistributor takes NO_KEY"),
            ("producerRate: -5", "w.yaml: the rate is more than 0"),
            ("topics: 0", "w.yaml: topics is 1"),
            ("consumerBacklogSizeGB: 1e300", "line 1 of w.yaml: consumerBacklogSizeGB takes 0 to"),
            ("- a\n- b", "w.yaml must have names and values"),
            ("a: [", "w.yaml is not YAML"),
            ("", "w.yaml must have names and values"),
        ])
    func errors(text: String, expected: String) {
        #expect(Self.reason(text)?.contains(expected) == true, "\(Self.reason(text) ?? "accepted")")
    }
}
