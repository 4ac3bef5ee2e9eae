// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import MartletTestKit
import Testing

/// The examples of MartletTestKit.docc, as a stranger's file with these imports alone has them. `SnippetTests` compares
/// the text.
@Suite struct ArticleTests {
    @Test func whatIsPlacedIsRead() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try KafkaClusterConfiguration(bootstrap: martlet.bootstrap)
            try await KafkaProducer.withProducer(cluster) { producer in
                let written = try await producer.send(ProducerRecord(topic: "orders", key: "user-1", value: "placed"))
                #expect(written.offset == 0)
            }
            let configuration = KafkaConsumerConfiguration(group: "billing", topics: ["orders"])
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer in
                for try await consumed in consumer.records.prefix(1) {
                    #expect(consumed.record.value == ByteBuffer(string: "placed"))
                }
            }
        }
    }

    @Test func faultsByNameAlone() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"], nodes: 2)) { martlet in
            let orders = TopicPartition(topic: "orders", partition: 0)
            try martlet.fail(.produce, with: .notEnoughReplicas, times: 3)
            martlet.loseAnswers(to: .produce)
            martlet.disk.slow(.sync, of: orders, by: .milliseconds(1))
            try await martlet.moveLeader(of: orders, to: 2)
            await martlet.dropConnections()
            await martlet.clock.advance(by: .seconds(60))
            #expect(martlet.leader(of: orders) == 2)
        }
    }

    // MARK: Compiled only

    private func overview() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            // Any Kafka client, with martlet.bootstrap as its bootstrap servers.
        }
    }

    private func configuration() -> MartletConfiguration {
        MartletConfiguration(
            configs: ["num.partitions": "3", "auto.create.topics.enable": "false"],
            topics: ["orders", MartletTopic("users", partitions: 6, configs: ["cleanup.policy": "compact"])]
        )
    }

    private func requests(_ martlet: Martlet) async throws {
        // The next three requests are refused, and not carried out.
        try martlet.fail(.produce, with: .notEnoughReplicas, times: 3)

        // The next one is carried out, and the connection breaks before the answer: an idempotent producer sends it
        // again, and it is in the log once.
        martlet.loseAnswers(to: .produce)

        // Answers wait until the test lets them go.
        let hold = martlet.hold(.fetch)
        try await hold.waitForAnswers()
        hold.release()
    }

    private func disk(_ martlet: Martlet) -> MartletDiskHold {
        let orders = TopicPartition(topic: "orders", partition: 0)
        martlet.disk.slow(.sync, of: orders, by: .milliseconds(50))
        martlet.disk.fail(.write, of: orders, with: .noSpace)
        let hold = martlet.disk.hold(.sync)
        return hold
    }

    private func nodes() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"], nodes: 3)) { martlet in
            try await martlet.moveLeader(of: TopicPartition(topic: "orders", partition: 0), to: 2)
            try martlet.moveCoordinator(of: "payments", to: 3)
        }
    }

    private final class Case {
        private var martlet: Martlet!

        func test() async throws {
            self.martlet = try await Martlet.start()
            // …
            try await self.martlet.shutDown()
        }
    }
}
