// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Addresses that work") struct AddressTests {
        @Test("each client gets back the address that it reached the broker by", arguments: Library.clients)
        func addressOfConnection(library: Library) async throws {
            try await withBroker(BrokerOptions(listenHost: "0.0.0.0")) { broker in
                // All of 127.0.0.0/8 is this machine.
                for host in ["127.0.0.1", "127.0.0.2", Sockets.otherAddress()].compactMap(\.self) {
                    let results = try await broker.run(
                        library, ["do": "metadata"], ["do": "describe_cluster"],
                        bootstrap: "\(host):\(broker.port)"
                    )
                    for answer in results {
                        #expect(answer["brokers"][0]["host"].text == host)
                        #expect(answer["brokers"][0]["port"].int == Int(broker.port))
                    }
                }
            }
        }

        @Test("records travel over IPv6, and its address comes back")
        func ipv6() async throws {
            try await withBroker(BrokerOptions(listenHost: "[::]")) { broker in
                let record = Record(value: Data("six".utf8))
                let bootstrap = "[::1]:\(broker.port)"
                let results = try await broker.run(
                    .confluent,
                    BrokerUnderTest.produceStep("six", [record]), BrokerUnderTest.consumeStep("six", count: 1),
                    ["do": "metadata"],
                    bootstrap: bootstrap
                )
                #expect(results[1]["records"].elements.map { Record(json: $0).content } == [record])
                #expect(results[2]["brokers"][0]["host"] == "::1")
            }
        }

        @Test("advertised.listeners wins over the connection's address")
        func advertisedListeners() async throws {
            let options = BrokerOptions(
                environment: ["KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://broker.example:19092"]
            )
            try await withBroker(options) { broker in
                let results = try await broker.run(.confluent, ["do": "metadata"])
                #expect(results[0]["brokers"][0]["host"] == "broker.example")
                #expect(results[0]["brokers"][0]["port"] == 19092)
            }
        }
    }
}
