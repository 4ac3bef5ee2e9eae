// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet health and martlet doctor") struct HealthTests {
        /// Start, time-out and end of a process, on a machine that does other things.
        private static let slack = Duration.seconds(5)

        @Test("a broker that takes requests is healthy, alive and ready, in text and in JSON")
        func healthy() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let text = try await tools.martlet("health", bootstrap: broker.bootstrap)
                #expect(text.output.hasPrefix("healthy: \(broker.bootstrap), cluster "))
                #expect(text.lines.count == 1 && text.errors == "")
                let json = try await tools.martlet(
                    "health", "--ready", "-o", "json", "-b", "127.0.0.1:\(Sockets.freePort()),\(broker.bootstrap)"
                ).json()
                #expect(json["healthy"] == true)
                #expect(json["address"].text == broker.bootstrap)
                #expect(json["controller"] == 1 && json["brokers"] == 1 && json["problems"] == [])
                // One that never answers does not hold up the answer of another.
                try await tools.withPeer("silent") { address in
                    let both = "\(address),\(broker.bootstrap)"
                    let result = try await tools.martlet("health", "--timeout", "20s", "-b", both)
                    #expect(result.output.hasPrefix("healthy: \(broker.bootstrap)"))
                    #expect(result.took < .seconds(15))
                }
            }
        }

        @Test("nobody, and a stranger, are unhealthy with exit code 1")
        func strangers() async throws {
            let tools = try Toolbox()
            let nobody = try await tools.martlet("health", "-b", "127.0.0.1:\(Sockets.freePort())", expecting: 1)
            #expect(nobody.output.hasPrefix("unhealthy: ") && nobody.output.contains("nothing listens there"))
            for kind in ["http", "closing"] {
                try await tools.withPeer(kind) { address in
                    let result = try await tools.martlet("health", "-o", "json", "-b", address, expecting: 1)
                    let json = try result.json()
                    #expect(json["healthy"] == false)
                    // What is not known is null.
                    for name in ["clusterId", "controller", "brokers"] {
                        #expect(result.output.contains("\"\(name)\":null"))
                    }
                    #expect(json["problems"].elements.count == 1)
                }
            }
        }

        @Test("who never answers is unhealthy as soon as the time is over")
        func silence() async throws {
            let tools = try Toolbox()
            try await tools.withPeer("silent") { address in
                let result = try await tools.martlet("health", "--timeout", "0.5", "-b", address, expecting: 1)
                #expect(result.output == "unhealthy: \(address): no answer within 500ms\n")
                #expect(result.took < .milliseconds(500) + Self.slack)
            }
            try await tools.martlet("health", "--timeout", "soon", expecting: 64)
        }

        // MARK: doctor

        @Test("doctor follows the addresses, finds the data directory, and leaves nothing in it")
        func doctor() async throws {
            let tools = try Toolbox()
            try await withBroker { broker in
                let before = try FileManager.default.contentsOfDirectory(atPath: broker.dataDirectory.path).sorted()
                let json = try await tools.martlet("doctor", "-o", "json", bootstrap: broker.bootstrap).json()
                #expect(json["sound"] == true && json["fail"] == 0)
                let checks = json["checks"].elements
                let names = checks.map { $0["check"].text }
                for name in [
                    "bootstrap", "cluster", "name", "advertised", "round-trip", "open-files", "free-space", "disk",
                ] {
                    #expect(names.contains(name), "\(name)")
                }
                #expect(checks.first { $0["check"] == "advertised" }?["seen"] == "broker 1 answers there")
                let disk = try #require(checks.first { $0["check"] == "disk" })
                #expect(disk["subject"].text == broker.dataDirectory.path)
                #expect((disk["values"]["appends"].int ?? 0) > 0)
                let after = try FileManager.default.contentsOfDirectory(atPath: broker.dataDirectory.path).sorted()
                #expect(before == after)
                let text = try await tools.martlet("doctor", "--no-write", bootstrap: broker.bootstrap)
                #expect(text.lines.last?.contains(" checks: ") == true)
                #expect(text.output.contains("not measured, because of --no-write"))
            }
        }

        @Test("doctor tells an address that leads nowhere, a name that nobody knows, and another cluster's broker")
        func advertised() async throws {
            let tools = try Toolbox()
            let nowhere = try await tools.failuresOfDoctor(advertised: "127.0.0.1:\(Sockets.freePort())")
            #expect(nowhere.map { $0["check"] } == ["advertised"])
            #expect(nowhere.first?["advice"].text?.contains("advertised.listeners") == true)
            let unknown = try await tools.failuresOfDoctor(advertised: "nobody.invalid:9092")
            #expect(unknown.map { $0["check"] } == ["name"])
            try await withBroker { other in
                let elsewhere = try await tools.failuresOfDoctor(advertised: other.bootstrap)
                #expect(elsewhere.map { $0["check"] } == ["advertised"])
                #expect(elsewhere.first?["seen"].text?.hasPrefix("a broker of another cluster answers") == true)
            }
        }

        @Test("doctor ends with 1 when nobody answers, or nobody in time, and looks at the machine all the same")
        func nobody() async throws {
            let tools = try Toolbox()
            let data = tools.folder.path
            let json = try await tools.martlet(
                "doctor", "-b", "127.0.0.1:\(Sockets.freePort())", "--data-dir", data, "-o", "json", expecting: 1
            ).json()
            #expect(json["fail"] == 1)
            #expect(json["checks"].elements.contains { $0["check"] == "disk" && $0["outcome"] != "fail" })
            try await tools.withPeer("silent") { address in
                let result = try await tools.martlet("doctor", "-b", address, "--timeout", "0.5", expecting: 1)
                #expect(result.output.contains("no answer within 500ms"))
                #expect(result.took < Self.slack)
            }
            let local = try await tools.martlet("doctor", "--local", "--data-dir", data + "/none", expecting: 1)
            #expect(local.output.contains("it does not exist"))
            #expect(!local.output.contains("bootstrap"))
        }
    }
}

extension Toolbox {
    /// The checks that fail when a broker hands out this address.
    fileprivate func failuresOfDoctor(advertised: String) async throws -> [JSON] {
        let options = BrokerOptions(settings: [("advertised.listeners", "PLAINTEXT://\(advertised)")])
        let broker = try BrokerUnderTest(options)
        do {
            try await broker.start()
            let result = try await self.martlet(
                "doctor", "--no-write", "-o", "json", bootstrap: broker.bootstrap, expecting: 1)
            try await broker.stop()
            await broker.cleanUp()
            return try result.json()["checks"].elements.filter { $0["outcome"] == "fail" }
        } catch {
            await broker.cleanUp()
            throw error
        }
    }
}
