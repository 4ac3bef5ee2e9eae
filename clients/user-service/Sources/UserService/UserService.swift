// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Hummingbird
import ServiceKit

/// A replica of the user service: users sign up and change, and have their orders counted.
public enum UserService {
    /// Its name, and that of the group in which its replicas share `order-events`.
    public static let name = "user-service"

    /// Opens the database and puts the replica together; nothing runs yet.
    public static func application(
        _ configuration: ServiceConfiguration, onServerRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws -> some ApplicationProtocol {
        let database = try await ServiceDatabase.open(
            at: configuration.database, migrations: UserStore.registerMigrations)
        let outbox = Outbox()
        let users = UserStore(database, outbox: outbox)
        let service = EventService(
            configuration, database: database, outbox: outbox, publishes: [UserEvents.topic],
            subscriptions: [
                Subscription(OrderEvents.topic, group: Self.name, handler: users.handleOrderEvent)
            ])
        return try service.application(onServerRunning: onServerRunning) { router in
            UserRoutes(users: users).add(to: router)
        }
    }
}
