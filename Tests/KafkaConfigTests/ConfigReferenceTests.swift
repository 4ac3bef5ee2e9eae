// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

@testable import KafkaConfig

@Suite("docs/CONFIGURATION.md")
struct ConfigReferenceTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "../../docs/CONFIGURATION.md")

    @Test("the page says what the definitions say; `make generate` writes it")
    func isCurrent() throws {
        #expect(try String(contentsOf: Self.page, encoding: .utf8) == ConfigReference.page)
    }

    @Test("an entry has type, bounds, both defaults, when it may change, and the variable that sets it")
    func entry() {
        #expect(
            ConfigReference.page.contains(
                """
                ### `group.initial.rebalance.delay.ms`

                Milliseconds that the first rebalance of an empty group waits for more members, so that a group whose members \
                start together is not rebalanced for each of them. Kafka waits for 3 seconds; here a group of one need not.

                int, at least 0 · default `0`, Kafka's `3000` · changeable · `KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS`

                """))
        #expect(
            ConfigReference.page.contains(
                "long, at least -1 · default `604800000`, as in Kafka · from `log.retention.ms`, `log.retention.minutes`, "
                    + "`log.retention.hours`"))
    }

    @Test("what only tests set is not on it, everything else is, once")
    func completeness() {
        let headings = ConfigReference.page.split(separator: "\n").filter { $0.hasPrefix("### ") }.map(String.init)
        let definitions = BrokerConfigDefinitions.all + TopicConfigDefinitions.all + GroupConfigDefinitions.all
        let expected = definitions.filter { !$0.isInternal }.map { "### `\($0.name)`" }
        #expect(headings == expected)
        #expect(!headings.contains("### `internal.segment.bytes`"))
    }

    @Test("a variable's name is written as Kafka's images read it")
    func variables() {
        #expect(ConfigReference.variable("log.retention.ms") == "KAFKA_LOG_RETENTION_MS")
        #expect(ConfigReference.variable("a.b_c-d") == "KAFKA_A_B__C___D")
    }
}
