// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import MartletTestKit
import Testing

/// The examples of MartletTestKit.docc, as a stranger's file with these imports alone has them.
@Suite struct ArticleTests {
    @Test func theTopicIsThere() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let bootstrap = try #require(BrokerAddress.list(martlet.bootstrap))
            try await KafkaCluster.withCluster(KafkaClusterConfiguration(bootstrap: bootstrap)) { cluster in
                let topics = try await cluster.listTopics()
                #expect(topics.map(\.name) == ["orders"])
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
}
