// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Addresses that work") struct AddressTests {
        @Test("each client gets back the address that it reached the broker by", arguments: Library.recordClients)
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

        @Test("a broker without the rights of root serves as any other", .enabled(if: geteuid() == 0))
        func withoutRights() async throws {
            var options = BrokerOptions()
            options.isWithoutRights = true
            try await withBroker(options) { broker in
                let record = Record(value: Data("modest".utf8))
                let results = try await broker.run(
                    .confluent,
                    BrokerUnderTest.produceStep("modest", [record]), BrokerUnderTest.consumeStep("modest", count: 1))
                #expect(results[1]["records"].elements.map { Record(json: $0).content } == [record])
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

        @Test("port 0 lets the system choose, and the line that says ready tells the address")
        func chosenPort() async throws {
            try await withBroker { broker in
                let other = try ChildProcess(
                    try Programs.martlet(),
                    ["serve", "--data-dir", broker.folder.appendingPathComponent("other").path]
                        + ["--listen", "127.0.0.1:0"],
                    folder: broker.folder
                )
                defer { other.send(SIGKILL) }
                let clock = ContinuousClock()
                let deadline = clock.now + .seconds(30)
                var address: Substring?
                while address == nil, clock.now < deadline, other.process.isRunning {
                    let ready = other.errorText.split(separator: "\n").first { $0.contains("ready") }
                    address = ready?.firstMatch(of: /127\.0\.0\.1:[1-9][0-9]*/)?.output
                    try await Task.sleep(for: .milliseconds(5))
                }
                let bootstrap = String(try #require(address, "\(other.errorText)"))
                let results = try await broker.run(.kafkaPython, ["do": "metadata"], bootstrap: bootstrap)
                #expect(results[0]["brokers"][0]["host"] == "127.0.0.1")
                other.send(SIGTERM)
                #expect(try await other.waitForExit(within: .seconds(30)) == .success)
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
