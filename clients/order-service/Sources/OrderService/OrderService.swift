// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Hummingbird
import ServiceKit

/// A replica of the order service: orders are placed, paid and shipped, by users that it knows from their events.
public enum OrderService {
    /// Its name, and that of the group in which its replicas share `user-events`.
    public static let name = "order-service"

    /// Opens the database and puts the replica together; nothing runs yet.
    public static func application(
        _ configuration: ServiceConfiguration, onServerRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws -> some ApplicationProtocol {
        let database = try await ServiceDatabase.open(at: configuration.database) { migrator in
            OrderStore.registerMigrations(&migrator)
            KnownUsers.registerMigrations(&migrator)
        }
        let outbox = Outbox()
        let orders = OrderStore(database, outbox: outbox)
        let users = KnownUsers(database)
        let service = EventService(
            configuration, database: database, outbox: outbox, publishes: [OrderEvents.topic],
            subscriptions: [
                Subscription(UserEvents.topic, group: Self.name, handler: users.handleUserEvent)
            ])
        return try service.application(onServerRunning: onServerRunning) { router in
            OrderRoutes(orders: orders, users: users).add(to: router)
        }
    }
}
