// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import KafkaClient

@Suite struct BrokerAddressTests {
    @Test(
        "hosts, ports and IPv6 addresses are told apart",
        arguments: [
            ("localhost", BrokerAddress(host: "localhost", port: 9092)),
            ("kafka-1:29092", BrokerAddress(host: "kafka-1", port: 29092)),
            ("127.0.0.1:1", BrokerAddress(host: "127.0.0.1", port: 1)),
            ("[::1]:9093", BrokerAddress(host: "::1", port: 9093)),
            ("[fe80::1]", BrokerAddress(host: "fe80::1", port: 9092)),
        ])
    func wellFormed(text: String, expected: BrokerAddress) {
        #expect(BrokerAddress(text) == expected)
        #expect(BrokerAddress(expected.description) == expected)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", ":9092", "host:", "host:0", "host:65536", "host:port", "::1", "[::1", "[]:1", "http://host", "a b",
        ])
    func malformed(text: String) { #expect(BrokerAddress(text) == nil) }

    @Test("a list keeps its order and fails as a whole")
    func lists() {
        #expect(
            BrokerAddress.list(" a:1 , b:2,") == [BrokerAddress(host: "a", port: 1), BrokerAddress(host: "b", port: 2)])
        #expect(BrokerAddress.list("a:1,b:x") == nil)
        #expect(BrokerAddress.list(",") == nil)
    }
}
