// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import ServiceKit
import ServiceKitTesting

/// Kills replicas, and starts them again.
struct Killer: Sendable {
    let fleet: Fleet
    let interval: Duration
    let seed: UInt64

    /// Kills one replica after the other until it is cancelled. All of them run afterwards.
    func run() async {
        var generator = SeededGenerator(seed: self.seed ^ 0xdead)
        while !Task.isCancelled {
            try? await Task.sleep(for: self.interval)
            guard !Task.isCancelled, let replica = self.fleet.replicas.randomElement(using: &generator) else { break }
            await replica.child.kill()
            say("      ✗ killed \(replica.name)")
            try? await Task.sleep(for: .milliseconds(Int.random(in: 200...3000, using: &generator)))
            do {
                try replica.child.start()
                say("      ✓ started \(replica.name)")
            } catch {
                say("      ! \(replica.name) does not start: \(error)")
            }
        }
    }
}

/// Throws events in that cannot be handled: some at first sight, some only after having been tried.
struct Poisoner: Sendable {
    static let interval = Duration.milliseconds(700)

    let cluster: KafkaClusterConfiguration
    let ledger: Ledger

    /// The keys of such events begin with this.
    static let mark = "poison-"

    /// Throws until it is cancelled.
    func run() async throws {
        try await KafkaProducer.withProducer(self.cluster) { producer in
            var number = 0
            while !Task.isCancelled {
                let record = try Self.record(number)
                _ = try await producer.send(record)
                self.ledger.threw("\(Self.mark)\(number)")
                number += 1
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private static func record(_ number: Int) throws -> ProducerRecord {
        let key = "\(Self.mark)\(number)"
        switch number % 4 {
        case 0:
            // Not even JSON.
            return ProducerRecord(topic: "order-events", key: key, value: "\u{1}\u{2}\u{3}")
        case 1:
            // Nobody knows that user: tried again, and given up after the last delay.
            let data = ["userID": UUID().uuidString]
            return ProducerRecord(try Event("order.placed", about: key, data: data), to: "order-events")
        case 2:
            // Rejected by the handler: a user without a name.
            let data = ["id": UUID().uuidString, "name": "", "email": "nobody@example.com"]
            return ProducerRecord(try Event("user.changed", about: key, data: data), to: "user-events")
        default:
            // JSON, and no event.
            return ProducerRecord(topic: "user-events", key: key, value: #"{"type":"user.changed"}"#)
        }
    }
}
