// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AsyncHTTPClient
import Foundation
import KafkaClient
import OrderService
import ServiceKit
import ServiceKitTesting
import UserService

/// Compares, when all is quiet, what was promised, what the topics say, and what the two services say.
struct Verification: Sendable {
    let fleet: Fleet
    let ledger: Ledger
    let cluster: KafkaCluster
    let http: HTTPClient

    /// What the topics say.
    private struct Truth {
        /// By id; the data of the last event.
        var users: [UUID: UserEvents.UserData] = [:]
        /// The user of each order.
        var owners: [UUID: UUID] = [:]
        /// Which events there are of each order: types, each once.
        var orders: [UUID: Set<String>] = [:]
        var problems: [String] = []

        func counts(of user: UUID, _ orders: [UUID]) -> (placed: Int, paid: Int, shipped: Int) {
            func count(_ type: String) -> Int { orders.count { self.orders[$0]?.contains(type) ?? false } }
            return (count("order.placed"), count("order.paid"), count("order.shipped"))
        }
    }

    /// Everything that is wrong; empty when nothing is.
    func problems() async throws -> [String] {
        for subscription in Self.subscriptions {
            for group in [subscription.group, subscription.retryGroup] {
                let lag = try await lag(of: group, self.cluster)
                if let lag, lag > 0 { return ["\(group) has \(lag) records still to read"] }
            }
        }
        let truth = try await self.readTopics()
        var problems = truth.problems
        problems += self.lost(truth)
        problems += try await self.differences(truth)
        problems += try await self.deadLetterProblems()
        return problems
    }

    /// One line about what was compared.
    func summary() -> String {
        let counts = self.ledger.counts
        return """
            \(counts.users) users, \(counts.placed) orders placed, \(counts.paid) paid, \(counts.shipped) shipped, \
            \(self.ledger.poison.count) poison events, \(counts.failed) requests without success
            """
    }

    private static let subscriptions = [
        Subscription(OrderEvents.topic, group: UserService.name) { _, _ in },
        Subscription(UserEvents.topic, group: OrderService.name) { _, _ in },
    ]

    // MARK: Topics

    private func readTopics() async throws -> Truth {
        var truth = Truth()
        var seen: Set<UUID> = []
        for record in try await readAll(UserEvents.topic, self.cluster) where !record.isPoison {
            let event = try record.event()
            // A copy of an event: the relay died between publishing and saying so.
            guard seen.insert(event.id).inserted else { continue }
            let user = try event.data(as: UserEvents.UserData.self)
            if truth.users[user.id] == nil, event.type != UserEvents.signedUp {
                truth.problems.append("user \(user.id): \(event.type) comes before \(UserEvents.signedUp)")
            }
            truth.users[user.id] = user
        }
        for record in try await readAll(OrderEvents.topic, self.cluster) where !record.isPoison {
            let event = try record.event()
            guard seen.insert(event.id).inserted else { continue }
            let order = try event.data(as: OrderEvents.OrderData.self)
            truth.owners[order.id] = order.userID
            let before = truth.orders[order.id] ?? []
            let expected = OrderEvents.type(of: Order.State.allCases[min(before.count, 2)])
            if event.type != expected || before.count > 2 {
                truth.problems.append("order \(order.id): \(event.type) where \(expected) was to come")
            }
            truth.orders[order.id] = before.union([event.type])
        }
        return truth
    }

    /// What was answered with success, and left no event.
    private func lost(_ truth: Truth) -> [String] {
        let users = self.ledger.users.filter { truth.users[$0] == nil }.map { "user \($0) was lost" }
        let orders = self.ledger.orders.filter { truth.orders[$0.key]?.count ?? 0 < $0.value }
            .map { "order \($0.key) has come to stage \($0.value), and not all of it was told" }
        return users + orders
    }

    // MARK: Services

    private func differences(_ truth: Truth) async throws -> [String] {
        let orders = Dictionary(grouping: truth.owners.keys) { truth.owners[$0] }
        var problems: [String] = []
        for (id, expected) in truth.users {
            let counts = truth.counts(of: id, orders[id] ?? [])
            guard let user = await self.get("/users/\(id)", self.fleet.users, as: User.self),
                let known = await self.get("/users/\(id)", self.fleet.orders, as: KnownUser.self)
            else {
                problems.append("user \(id) is not known to both services")
                continue
            }
            let told = (user.orders.placed, user.orders.paid, user.orders.shipped)
            let done = (known.orders.placed, known.orders.paid, known.orders.shipped)
            if told != counts || done != counts {
                problems.append("user \(id): \(told) counted, \(done) ordered, \(counts) told")
            }
            if (user.name, user.email) != (expected.name, expected.email)
                || (known.name, known.email) != (expected.name, expected.email)
            {
                problems.append("user \(id): \(user.name) and \(known.name), and the last event says \(expected.name)")
            }
        }
        return problems
    }

    private func get<Answer: Decodable>(
        _ path: String, _ replicas: [Fleet.Replica], as type: Answer.Type
    ) async -> Answer? {
        // Whichever replica: they share what they know.
        guard let replica = replicas.randomElement(), let answer = await self.http.ask("GET", replica.url(path)),
            answer.status == 200
        else { return nil }
        return try? JSONDecoder().decode(type, from: answer.body)
    }

    // MARK: Dead letters

    private func deadLetterProblems() async throws -> [String] {
        var found: Set<String> = []
        for subscription in Self.subscriptions {
            for letter in try await readAll(subscription.deadLetterTopic, self.cluster) { found.insert(letter.key) }
        }
        let thrown = self.ledger.poison
        return thrown.subtracting(found).map { "\($0) is not among the dead letters" }
            + found.subtracting(thrown).map { "\($0) is among the dead letters, and is no poison" }
    }
}

extension ConsumedRecord {
    /// The text of the key.
    fileprivate var key: String { self.record.key.map { String(buffer: $0) } ?? "" }

    fileprivate var isPoison: Bool { self.key.hasPrefix(Poisoner.mark) }
}
