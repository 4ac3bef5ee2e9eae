// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import OrderService
import ServiceKit
import UserService

/// The programs of the demo: one broker, and some replicas of each service.
struct Fleet: Sendable {
    let folder: URL
    let bootstrap: BrokerAddress
    let broker: Child
    let users: [Replica]
    let orders: [Replica]

    /// One replica and where it answers.
    struct Replica: Sendable {
        let child: Child
        let port: Int

        var name: String { self.child.name }
        func url(_ path: String) -> String { "http://127.0.0.1:\(self.port)\(path)" }
    }

    var replicas: [Replica] { self.users + self.orders }

    /// Plans everything, and starts nothing.
    init(_ options: Options) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-demo-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let ports = try freePorts(1 + 2 * options.replicas)
        let bootstrap = BrokerAddress(host: "127.0.0.1", port: ports[0])
        self.folder = folder
        self.bootstrap = bootstrap
        self.broker = Child(
            "broker", Self.program(options.martlet),
            [
                "serve", "--listen", "\(bootstrap)", "--data-dir", folder.appendingPathComponent("broker").path,
                // A replica that was killed is noticed after this time; the default is 45 s.
                "--set", "group.consumer.session.timeout.ms=6000",
                "--set", "group.consumer.min.session.timeout.ms=6000",
                "--set", "group.consumer.heartbeat.interval.ms=1000",
                "--set", "group.consumer.min.heartbeat.interval.ms=1000",
                "--set", "auto.create.topics.enable=false",
            ], log: folder.appendingPathComponent("broker.log"))
        let programs = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            .deletingLastPathComponent()
        func replica(_ service: String, _ number: Int, port: Int) -> Replica {
            let name = "\(service)-\(number)"
            return Replica(
                child: Child(
                    name, programs.appendingPathComponent(service),
                    environment: [
                        "KAFKA_BOOTSTRAP": "\(bootstrap)", "PORT": "\(port)", "REPLICA": name,
                        "DATABASE": folder.appendingPathComponent("\(service).sqlite").path,
                        // So that the demo need not wait a minute for the last dead letter.
                        "RETRY_DELAYS": "0.5,1,2",
                    ], log: folder.appendingPathComponent("\(name).log")),
                port: port)
        }
        let count = options.replicas
        self.users = (1...count).map { replica(UserService.name, $0, port: ports[$0]) }
        self.orders = (1...count).map { replica(OrderService.name, $0, port: ports[count + $0]) }
    }

    /// Ends everything that runs, replicas before the broker. True when each ended by itself, with success.
    func stop() async -> Bool {
        let stopped = await withTaskGroup(of: (String, Bool).self) { group in
            for replica in self.replicas { group.addTask { (replica.name, await replica.child.stop()) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let broker = await self.broker.stop()
        for (name, ended) in stopped.sorted(by: { $0.key < $1.key }) where !ended {
            say("\(name) did not shut down gracefully")
        }
        return broker && stopped.values.allSatisfy { $0 }
    }

    private static func program(_ name: String) -> URL {
        guard !name.contains("/") else { return URL(fileURLWithPath: name) }
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
            let url = URL(fileURLWithPath: String(folder)).appendingPathComponent(name)
            if FileManager.default.isExecutableFile(atPath: url.path) { return url }
        }
        return URL(fileURLWithPath: name)
    }
}

/// Prints a line at once, also into a pipe.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
