// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import Hummingbird
import HummingbirdTesting
import KafkaClient
import MartletTestKit
import OrderService
import ServiceKit
import ServiceKitTesting
import Testing

@Suite(.timeLimit(.minutes(10))) struct OrderServiceTests {
    private struct Refusal: Decodable {}

    private let ada = ["id": UUID().uuidString, "name": "Ada", "email": "ada@example.com"]

    /// Runs a replica, with real HTTP and a real broker, and gives `body` the ways into it.
    private func withService(
        _ body: @Sendable @escaping (any TestClientProtocol, KafkaCluster) async throws -> Void
    ) async throws {
        try await withMartlet { martlet in
            try await withDatabasePath { path in
                var configuration = ServiceConfiguration(name: OrderService.name)
                configuration.bootstrap = try #require(BrokerAddress.list(martlet.bootstrap))
                configuration.database = path
                configuration.partitions = 2
                configuration.logLevel = .error
                let application = try await OrderService.application(configuration)
                let cluster = KafkaClusterConfiguration(bootstrap: configuration.bootstrap)
                try await KafkaCluster.withCluster(cluster) { cluster in
                    try await application.test(.live) { try await body($0, cluster) }
                }
            }
        }
    }

    private func request<Answer: Decodable>(
        _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil,
        expecting status: HTTPResponse.Status = .ok
    ) async throws -> Answer {
        try await client.execute(uri: path, method: method, body: body.map { ByteBuffer(string: $0) }) { response in
            #expect(response.status == status)
            return try JSONDecoder().decode(Answer.self, from: Data(response.body.readableBytesView))
        }
    }

    /// Tells the service of Ada, as the user service would, and waits until it knows her.
    private func introduceAda(_ client: any TestClientProtocol, _ cluster: KafkaCluster) async throws -> String {
        let id = try #require(self.ada["id"])
        try await eventually("topics") {
            try await cluster.describeTopics(["user-events"]).first?.partitions.count == 2
        }
        let event = try Event("user.signed-up", about: id, data: self.ada)
        try await KafkaProducer.withProducer(cluster.configuration) { producer in
            _ = try await producer.send(ProducerRecord(event, to: "user-events"))
        }
        try await eventually("Ada is known") {
            try await client.execute(uri: "/users/\(id)", method: .get) { $0.status == .ok }
        }
        return id
    }

    @Test("an order is placed, paid and shipped in this order only, and told of in this order")
    func lifeOfAnOrder() async throws {
        try await self.withService { client, cluster in
            let user = try await self.introduceAda(client, cluster)
            let order: Order = try await self.request(
                client, .post, "/orders", #"{"userID":"\#(user)","item":"tea","amountCents":450}"#, expecting: .created)
            let path = "/orders/\(order.id)"
            let _: Refusal = try await self.request(client, .post, "\(path)/ship", expecting: .conflict)
            let paid: Order = try await self.request(client, .post, "\(path)/pay")
            #expect(paid.state == .paid)
            let _: Refusal = try await self.request(client, .post, "\(path)/pay", expecting: .conflict)
            let shipped: Order = try await self.request(client, .post, "\(path)/ship")
            #expect(shipped.state == .shipped)
            let found: Order = try await self.request(client, .get, path)
            #expect(found == shipped)
            let known: KnownUser = try await self.request(client, .get, "/users/\(user)")
            #expect(known.orders.placed == 1 && known.orders.paid == 1 && known.orders.shipped == 1)

            try await eventually("three events") { try await readAll(OrderEvents.topic, cluster).count == 3 }
            let events = try await readAll(OrderEvents.topic, cluster).map { try $0.event() }
            #expect(events.map(\.type) == ["order.placed", "order.paid", "order.shipped"])
            #expect(events.allSatisfy { $0.subject == order.id.uuidString })
        }
    }

    @Test("who is not known here cannot order yet, and the answer says to try again")
    func unknownUser() async throws {
        try await self.withService { client, cluster in
            let body = #"{"userID":"\#(UUID())","item":"tea","amountCents":450}"#
            try await client.execute(uri: "/orders", method: .post, body: ByteBuffer(string: body)) { response in
                #expect(response.status == .conflict)
                #expect(response.headers[.retryAfter] == "1")
            }
            let _: Refusal = try await self.request(client, .post, "/orders/\(UUID())/pay", expecting: .notFound)
            let _: Refusal = try await self.request(
                client, .post, "/orders", #"{"userID":"\#(UUID())","item":"","amountCents":0}"#, expecting: .badRequest)
        }
    }

    @Test("what is older than the view of a user does not change it")
    func staleEvents() async throws {
        try await withDatabasePath { path in
            let database = try await ServiceDatabase.open(at: path) { migrator in
                OrderStore.registerMigrations(&migrator)
                KnownUsers.registerMigrations(&migrator)
            }
            let users = KnownUsers(database)
            let id = try #require(UUID(uuidString: self.ada["id"] ?? ""))
            func event(_ name: String, at seconds: Double) throws -> Event {
                var data = self.ada
                data["name"] = name
                return try Event(
                    "user.changed", about: id.uuidString, data: data, occurredAt: Date(timeIntervalSince1970: seconds))
            }
            for event in [try event("Ada L.", at: 20), try event("Ada", at: 10)] {
                try await database.write { try users.handleUserEvent(event, in: $0) }
            }
            #expect(try await users.find(id)?.name == "Ada L.")
            let nameless = try event("", at: 30)
            await #expect(throws: EventRejected.self) {
                try await database.write { try users.handleUserEvent(nameless, in: $0) }
            }
        }
    }
}
