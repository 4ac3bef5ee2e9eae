// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AsyncHTTPClient
import Foundation
import KafkaClient
import OrderService
import ServiceKit
import ServiceKitTesting
import Testing
import UserService

@testable import demo

@Suite(.serialized, .timeLimit(.minutes(10))) struct TwoServicesTests {
    @Test(
        "replicas share the partitions; one that is shut down hands over its own, and nothing is lost or counted twice")
    func rollingRestart() async throws {
        try await TwoServices.run { services in
            let first = try await services.startUserService("user-1")
            let second = try await services.startUserService("user-2")
            let orders = try await services.startOrderService("order-1")
            try await eventually("three partitions each") {
                try await services.shares(of: UserService.name) == ["user-1": 3, "user-2": 3]
            }
            let user = try await services.signUp("ada", at: first)
            for _ in 0..<10 { _ = try await services.place(for: user, at: orders) }
            // A static member that leaves keeps its partitions for a while: the session has to end before others get them.
            await first.shutDown()
            for _ in 0..<10 { _ = try await services.place(for: user, at: orders) }
            try await eventually("the other one counts all") {
                try await services.user(user, at: second).orders.placed == 20
            }
            let again = try await services.startUserService("user-1")
            for _ in 0..<5 { _ = try await services.place(for: user, at: orders) }
            try await eventually("both count on") { try await services.user(user, at: again).orders.placed == 25 }
        }
    }

    @Test("an order goes its way through both services, and its trace and its events with it")
    func wayOfAnOrder() async throws {
        try await TwoServices.run { services in
            let users = try await services.startUserService("user-1")
            let orders = try await services.startOrderService("order-1")
            let user = try await services.signUp("grace", at: users)
            let order = try await services.place(for: user, at: orders)
            for step in ["pay", "ship"] {
                let answer = await HTTPClient.shared.ask("POST", orders.url("/orders/\(order)/\(step)"))
                #expect(answer?.status == 200)
            }
            try await eventually("the user service has counted it") {
                try await services.user(user, at: users).orders.shipped == 1
            }
            let counted = try await services.user(user, at: users).orders
            #expect(counted.placed == 1 && counted.paid == 1)
        }
    }

    @Test("a service is not ready while the broker is away, lives on, and goes on when it is back")
    func brokerAway() async throws {
        try await TwoServices.run { services in
            let users = try await services.startUserService("user-1")
            try await services.martlet.stop()
            try await eventually("not ready") {
                let answer = await HTTPClient.shared.ask("GET", users.url("/readyz"))
                guard answer?.status == 503, let body = answer?.body else { return false }
                let readiness = try JSONDecoder().decode(Health.Readiness.self, from: body)
                return readiness.parts["broker"] != "ok" && readiness.parts["database"] == "ok"
            }
            #expect(await HTTPClient.shared.ask("GET", users.url("/healthz"))?.status == 200)
            // It takes requests all the same: the event waits in the outbox.
            let user = try await services.signUp("barbara", at: users)
            try await services.martlet.start()
            try await eventually("ready again") {
                await HTTPClient.shared.ask("GET", users.url("/readyz"))?.status == 200
            }
            try await eventually("the event is there") {
                try await readAll(UserEvents.topic, services.cluster).contains {
                    try $0.event().subject == user.uuidString
                }
            }
        }
    }

    @Test("a replica that is killed loses nothing, and does nothing twice when it is back")
    func killed() async throws {
        try await TwoServices.run { services in
            let orders = try await services.startOrderService("order-1")
            let port = try freePorts(1)[0]
            let programs = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            let child = Child(
                "user-1", programs.appendingPathComponent(UserService.name),
                environment: [
                    "KAFKA_BOOTSTRAP": services.martlet.bootstrap, "PORT": "\(port)", "REPLICA": "user-1",
                    "DATABASE": "\(services.folder)/killed.sqlite",
                ], log: URL(fileURLWithPath: "\(services.folder)/killed.log"))
            func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }
            func isReady() async -> Bool { await HTTPClient.shared.ask("GET", url("/readyz"))?.status == 200 }
            try child.start()
            do {
                try await eventually("the child is ready") { await isReady() }
                let body = #"{"name":"Edsger","email":"e@example.com"}"#
                let answer = try #require(await HTTPClient.shared.ask("POST", url("/users"), body))
                let user = try JSONDecoder().decode(User.self, from: answer.body)
                for round in 1...3 {
                    for _ in 0..<5 { _ = try await services.place(for: user.id, at: orders) }
                    await child.kill()
                    for _ in 0..<5 { _ = try await services.place(for: user.id, at: orders) }
                    try child.start()
                    try await eventually("all orders are counted, each once") {
                        guard let answer = await HTTPClient.shared.ask("GET", url("/users/\(user.id)")) else {
                            return false
                        }
                        let counted = try JSONDecoder().decode(User.self, from: answer.body).orders.placed
                        #expect(counted <= round * 10)
                        return counted == round * 10
                    }
                }
                #expect(await child.stop())
            } catch {
                await child.kill()
                throw error
            }
        }
    }
}
