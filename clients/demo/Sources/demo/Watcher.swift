// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import KafkaTypes
import OrderService
import UserService

/// Prints what happens, a line a second, and who has which partitions whenever that changes.
struct Watcher: Sendable {
    let cluster: KafkaCluster
    let ledger: Ledger

    /// Watches until it is cancelled.
    func run() async {
        var last = Ledger.Counts()
        var lastEvents: Int64 = 0
        var owners = ""
        let start = ContinuousClock.now
        say("     time   users | placed   paid  shipped /s | events      /s | lag of users, orders | failed")
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            let counts = self.ledger.counts
            let events = (try? await self.eventCount()) ?? lastEvents
            let users = (try? await lag(of: UserService.name, self.cluster)) ?? nil
            let orders = (try? await lag(of: OrderService.name, self.cluster)) ?? nil
            guard !Task.isCancelled else { break }
            let seconds = Int((ContinuousClock.now - start) / .seconds(1))
            say(
                [
                    pad("\(seconds) s", 9), pad(counts.users, 8), " |", pad(counts.placed - last.placed, 7),
                    pad(counts.paid - last.paid, 7), pad(counts.shipped - last.shipped, 9), "    |", pad(events, 7),
                    pad("+\(events - lastEvents)", 8), " |", pad(users.map { "\($0)" } ?? "?", 8),
                    pad(orders.map { "\($0)" } ?? "?", 13), " |", pad(counts.failed, 7),
                ].joined())
            (last, lastEvents) = (counts, events)
            if let now = try? await self.owners(), now != owners {
                owners = now
                say(now)
            }
        }
    }

    /// How many records the two topics have taken so far.
    private func eventCount() async throws -> Int64 {
        let topics = try await self.cluster.describeTopics([UserEvents.topic, OrderEvents.topic])
        let partitions = topics.flatMap { topic in
            topic.partitions.map { TopicPartition(topic: topic.name, partition: $0.index) }
        }
        let ends = try await self.cluster.listOffsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
        return try ends.values.reduce(0) { $0 + (try $1.get().offset?.rawValue ?? 0) }
    }

    private func owners() async throws -> String {
        let groups = try await self.cluster.describeGroups([UserService.name, OrderService.name])
        return groups.compactMap { group -> String? in
            guard case .success(let description) = group.result else { return nil }
            let members = description.members
                .sorted { $0.instanceID ?? $0.clientID < $1.instanceID ?? $1.clientID }
                .map { member in
                    let partitions = member.assignment.map { "\($0.partition)" }.joined(separator: ",")
                    return "\(member.instanceID ?? member.clientID) [\(partitions)]"
                }
            return "      ↳ \(group.name): \(members.joined(separator: "  "))"
        }.joined(separator: "\n")
    }
}

/// How many records a group has still to read; nil while it has committed nothing.
func lag(of group: String, _ cluster: KafkaCluster) async throws -> Int64? {
    let results = try await cluster.groupOffsets(of: [group], includesLag: true)
    guard let offsets = try results.first?.result.get(), !offsets.isEmpty else { return nil }
    return try offsets.values.reduce(0) { $0 + (try $1.get().lag ?? 0) }
}

private func pad(_ value: some CustomStringConvertible, _ width: Int) -> String {
    let text = "\(value)"
    return String(repeating: " ", count: max(width - text.count, 0)) + text
}
