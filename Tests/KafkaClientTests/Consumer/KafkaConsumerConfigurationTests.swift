// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct KafkaConsumerConfigurationTests {
    private static func group(_ change: (inout ConsumerGroupConfiguration) -> Void) -> KafkaConsumerConfiguration {
        var group = ConsumerGroupConfiguration("g", topics: .names(["orders"]))
        change(&group)
        return KafkaConsumerConfiguration(subscription: .group(group))
    }

    private static func configuration(
        _ change: (inout KafkaConsumerConfiguration) -> Void
    ) -> KafkaConsumerConfiguration {
        var configuration = KafkaConsumerConfiguration(group: "g", topics: ["orders"])
        change(&configuration)
        return configuration
    }

    @Test("the defaults are allowed")
    func defaults() throws {
        try KafkaConsumerConfiguration(group: "g", topics: ["orders"]).validate()
        try KafkaConsumerConfiguration(subscription: .assignment([:])).validate()
    }

    @Test(
        "what makes no sense is refused, by name",
        arguments: [
            ("prefetchBytesMax", Self.configuration { $0.prefetchBytesMax = 1 }),
            ("fetchBytesMax", Self.configuration { $0.fetchBytesMax = 0 }),
            ("fetchBytesMin", Self.configuration { $0.fetchBytesMin = -1 }),
            ("partitionBytesMax", Self.configuration { $0.partitionBytesMax = 0 }),
            ("fetchMaxWait", Self.configuration { $0.fetchMaxWait = .seconds(61) }),
            ("autoCommitInterval", Self.configuration { $0.autoCommitInterval = .zero }),
            ("maxPollInterval", Self.configuration { $0.maxPollInterval = .zero }),
            ("closeTimeout", Self.configuration { $0.closeTimeout = .seconds(-1) }),
            ("group id", Self.group { $0.groupID = "" }),
            ("group id", KafkaConsumerConfiguration(subscription: .assignment([:], groupID: ""))),
            ("topics", Self.group { $0.topics = .names([]) }),
            ("regular expression", Self.group { $0.topics = .regex("") }),
            ("instance id", Self.group { $0.instanceID = "" }),
            ("rebalanceTimeout", Self.group { $0.rebalanceTimeout = .zero }),
            ("weight", Self.group { $0.protocol = .consumer(weight: 1_000_001) }),
            ("assignors", Self.group { $0.protocol = .classic([]) }),
        ])
    func refused(word: String, configuration: KafkaConsumerConfiguration) {
        let error = #expect(throws: KafkaClientError.self) { try configuration.validate() }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    }
}
