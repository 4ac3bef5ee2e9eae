// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import Hummingbird
import HummingbirdTesting
import KafkaClient
import MartletTestKit
import ServiceKit
import ServiceKitTesting
import Testing
import UserService

@Suite(.timeLimit(.minutes(10))) struct UserServiceTests {
    /// Runs a replica, with real HTTP and a real broker, and gives `body` the ways into it.
    private func withService(
        _ body: @Sendable @escaping (any TestClientProtocol, KafkaCluster) async throws -> Void
    ) async throws {
        try await withMartlet { martlet in
            try await withDatabasePath { path in
                var configuration = ServiceConfiguration(name: UserService.name)
                configuration.bootstrap = try #require(BrokerAddress.list(martlet.bootstrap))
                configuration.database = path
                configuration.partitions = 2
                configuration.logLevel = .error
                let application = try await UserService.application(configuration)
                let cluster = KafkaClusterConfiguration(bootstrap: configuration.bootstrap)
                try await KafkaCluster.withCluster(cluster) { cluster in
                    try await application.test(.live) { try await body($0, cluster) }
                }
            }
        }
    }

    private func request<Answer: Decodable>(
        _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ path: String, _ body: [String: String]? = nil,
        expecting status: HTTPResponse.Status = .ok
    ) async throws -> Answer {
        let body = try body.map { ByteBuffer(bytes: try JSONEncoder().encode($0)) }
        return try await client.execute(uri: path, method: method, body: body) { response in
            #expect(response.status == status)
            return try JSONDecoder().decode(Answer.self, from: Data(response.body.readableBytesView))
        }
    }

    @Test("a user signs up, changes, and both are told of in order, with the id as the key")
    func signUp() async throws {
        try await self.withService { client, cluster in
            let user: User = try await self.request(
                client, .post, "/users", ["name": "Ada", "email": "ada@example.com"], expecting: .created)
            let changed: User = try await self.request(client, .patch, "/users/\(user.id)", ["name": "Ada L."])
            #expect(changed.name == "Ada L." && changed.email == "ada@example.com")
            let found: User = try await self.request(client, .get, "/users/\(user.id)")
            #expect(found == changed)

            try await eventually("two events") { try await readAll(UserEvents.topic, cluster).count == 2 }
            let records = try await readAll(UserEvents.topic, cluster)
            let events = try records.map { try $0.event() }
            #expect(events.map(\.type) == [UserEvents.signedUp, UserEvents.changed])
            #expect(try events[1].data(as: UserEvents.UserData.self).name == "Ada L.")
            #expect(records.allSatisfy { $0.record.key.map { String(buffer: $0) } == user.id.uuidString })
            #expect(records.map { $0.header(EventHeaders.type) } == events.map(\.type))
            #expect(records.map { $0.header(EventHeaders.id) } == events.map(\.id.uuidString))
        }
    }

    @Test("requests that make no sense are refused, and change and tell nothing")
    func refusals() async throws {
        struct Refusal: Decodable {}
        try await self.withService { client, cluster in
            let ada = ["name": "Ada", "email": "ada@example.com"]
            let _: User = try await self.request(client, .post, "/users", ada, expecting: .created)
            let _: Refusal = try await self.request(client, .post, "/users", ada, expecting: .conflict)
            let _: Refusal = try await self.request(
                client, .post, "/users", ["name": "", "email": "b@c"], expecting: .badRequest)
            let _: Refusal = try await self.request(
                client, .post, "/users", ["name": "Bob", "email": "bob"], expecting: .badRequest)
            let _: Refusal = try await self.request(
                client, .patch, "/users/\(UUID())", ["name": "Bob"], expecting: .notFound)
            let _: Refusal = try await self.request(client, .get, "/users/\(UUID())", expecting: .notFound)
            try await eventually("one event") { try await readAll(UserEvents.topic, cluster).count >= 1 }
            #expect(try await readAll(UserEvents.topic, cluster).count == 1)
        }
    }

    @Test("an order is counted once, however often its event comes, and unknown types are ignored")
    func countsOnce() async throws {
        try await self.withService { client, cluster in
            let user: User = try await self.request(
                client, .post, "/users", ["name": "Ada", "email": "ada@example.com"], expecting: .created)
            try await eventually("topics") {
                try await cluster.describeTopics(["order-events"]).first?.partitions.count == 2
            }
            let placed = try Event("order.placed", about: "1", data: ["userID": user.id.uuidString])
            let paid = try Event("order.paid", about: "1", data: ["userID": user.id.uuidString])
            let unknown = try Event("order.gift-wrapped", about: "1", data: ["userID": user.id.uuidString])
            let configuration = cluster.configuration
            try await KafkaProducer.withProducer(configuration) { producer in
                for event in [placed, placed, unknown, paid, placed, paid] {
                    _ = try await producer.send(ProducerRecord(event, to: "order-events"))
                }
            }
            try await eventually("the orders are counted") {
                let user: User = try await self.request(client, .get, "/users/\(user.id)")
                return user.orders.paid >= 1
            }
            let last = try Event("order.shipped", about: "1", data: ["userID": user.id.uuidString])
            try await KafkaProducer.withProducer(configuration) { producer in
                _ = try await producer.send(ProducerRecord(last, to: "order-events"))
            }
            // Behind all the others in the same partition.
            try await eventually("the last is counted") {
                let user: User = try await self.request(client, .get, "/users/\(user.id)")
                return user.orders.shipped == 1
            }
            let counted: User = try await self.request(client, .get, "/users/\(user.id)")
            #expect(counted.orders.placed == 1 && counted.orders.paid == 1)
        }
    }
}
