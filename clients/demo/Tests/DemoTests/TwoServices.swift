// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AsyncHTTPClient
import Foundation
import Hummingbird
import KafkaClient
import Logging
import MartletTestKit
import OrderService
import ServiceKit
import ServiceKitTesting
import ServiceLifecycle
import Testing
import UserService

@testable import demo

/// A broker and both services in the process of the test; each replica can be shut down by itself.
struct TwoServices: Sendable {
    let martlet: Martlet
    let cluster: KafkaCluster
    let folder: String
    private let tasks: Tasks

    /// Where a replica answers, and how it ends.
    struct Replica: Sendable {
        let port: Int
        let group: ServiceGroup
        let end: AsyncStream<Void>

        func url(_ path: String) -> String { "http://127.0.0.1:\(self.port)\(path)" }

        /// Begins a graceful shutdown, and returns when it is over.
        func shutDown() async {
            await self.group.triggerGracefulShutdown()
            for await _ in self.end {}
        }
    }

    /// The replicas that run, started by whoever needs them.
    private typealias Tasks = AsyncStream<@Sendable () async throws -> Void>.Continuation

    static func run(_ body: @Sendable @escaping (TwoServices) async throws -> Void) async throws {
        let configuration = MartletConfiguration(configs: [
            "group.consumer.session.timeout.ms": "6000", "group.consumer.min.session.timeout.ms": "6000",
            "group.consumer.heartbeat.interval.ms": "200", "group.consumer.min.heartbeat.interval.ms": "200",
        ])
        try await withMartlet(configuration) { martlet in
            let cluster = KafkaCluster(
                KafkaClusterConfiguration(bootstrap: try #require(BrokerAddress.list(martlet.bootstrap))))
            try await withDatabasePath { path in
                let (stream, tasks) = AsyncStream<@Sendable () async throws -> Void>.makeStream()
                let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
                let services = TwoServices(martlet: martlet, cluster: cluster, folder: folder, tasks: tasks)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        defer { tasks.finish() }
                        try await body(services)
                    }
                    for await task in stream { group.addTask(operation: task) }
                    try await group.next()
                    group.cancelAll()
                }
            }
            await cluster.close()
        }
    }

    func configuration(_ service: String, _ replica: String) -> ServiceConfiguration {
        var configuration = ServiceConfiguration(name: service)
        configuration.bootstrap = self.cluster.configuration.bootstrap
        configuration.port = 0
        configuration.database = "\(self.folder)/\(service).sqlite"
        configuration.replica = replica
        configuration.logLevel = .critical
        configuration.retryPlan = RetryPlan(delays: [.milliseconds(100), .milliseconds(200)])
        return configuration
    }

    func startUserService(_ replica: String) async throws -> Replica {
        let configuration = self.configuration(UserService.name, replica)
        return try await self.start(configuration) {
            try await UserService.application(configuration, onServerRunning: $0)
        }
    }

    func startOrderService(_ replica: String) async throws -> Replica {
        let configuration = self.configuration(OrderService.name, replica)
        return try await self.start(configuration) {
            try await OrderService.application(configuration, onServerRunning: $0)
        }
    }

    private func start(
        _ configuration: ServiceConfiguration,
        _ make: (@escaping @Sendable (Int) async -> Void) async throws -> some ApplicationProtocol
    ) async throws -> Replica {
        let (ports, port) = AsyncStream<Int>.makeStream()
        let application = try await make { port.yield($0) }
        let group = ServiceGroup(
            configuration: .init(services: [application], logger: configuration.logger))
        let (end, ended) = AsyncStream<Void>.makeStream()
        self.tasks.yield {
            defer { ended.finish() }
            try await group.run()
        }
        for await port in ports {
            let replica = Replica(port: port, group: group, end: end)
            try await eventually("\(configuration.replica) is ready") {
                await HTTPClient.shared.ask("GET", replica.url("/readyz"))?.status == 200
            }
            return replica
        }
        throw CancellationError()
    }

    // MARK: What people do

    func signUp(_ name: String, at replica: Replica) async throws -> UUID {
        let body = #"{"name":"\#(name)","email":"\#(name)@example.com"}"#
        let answer = try #require(await HTTPClient.shared.ask("POST", replica.url("/users"), body))
        try #require(answer.status == 201)
        return try JSONDecoder().decode(User.self, from: answer.body).id
    }

    /// Waits until the user is known there.
    func place(for user: UUID, at replica: Replica) async throws -> UUID {
        let body = #"{"userID":"\#(user)","item":"tea","amountCents":450}"#
        var placed: UUID?
        try await eventually("the user is known") {
            guard let answer = await HTTPClient.shared.ask("POST", replica.url("/orders"), body), answer.status == 201
            else { return false }
            placed = try JSONDecoder().decode(Order.self, from: answer.body).id
            return true
        }
        return try #require(placed)
    }

    func user(_ id: UUID, at replica: Replica) async throws -> User {
        let answer = try #require(await HTTPClient.shared.ask("GET", replica.url("/users/\(id)")))
        return try JSONDecoder().decode(User.self, from: answer.body)
    }

    /// Who has how many partitions in a group.
    func shares(of group: String) async throws -> [String: Int] {
        let members = try await self.cluster.describeGroups([group])[0].result.get().members
        return Dictionary(members.map { ($0.instanceID ?? "", $0.assignment.count) }) { $0 + $1 }
    }
}
