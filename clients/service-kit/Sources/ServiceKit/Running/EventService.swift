// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import Hummingbird
import KafkaClient
import Logging
import ServiceLifecycle

/// A replica of a service that lives on events: puts the parts together, and starts and stops them in the right order.
public struct EventService: Sendable {
    /// How it was told to run.
    public let configuration: ServiceConfiguration
    /// What is its own.
    public let database: DatabasePool
    /// For events that it has to tell of.
    public let outbox: Outbox
    /// The topics that its events go to.
    public var publishes: [String]
    /// What it listens to.
    public var subscriptions: [Subscription]

    /// A service with this database, that publishes to these topics and listens to those.
    public init(
        _ configuration: ServiceConfiguration, database: DatabasePool, outbox: Outbox, publishes: [String],
        subscriptions: [Subscription]
    ) {
        self.configuration = configuration
        self.database = database
        self.outbox = outbox
        self.publishes = publishes
        self.subscriptions = subscriptions
    }

    /// The whole replica: HTTP with these routes and those of ``Health``, and everything behind it.
    ///
    /// Services stop in the reverse of their order here, each after the one before it has ended. HTTP comes last of all,
    /// so that it stops first: no new requests; then the consumers finish what is in hand, commit and leave; then the
    /// relay publishes what the last requests and events left; then the producer flushes.
    public func application(
        onServerRunning: @escaping @Sendable (Int) async -> Void = { _ in },
        addRoutes: (Router<BasicRequestContext>) -> Void
    ) throws -> some ApplicationProtocol {
        let logger = self.configuration.logger
        var clusterConfiguration = KafkaClusterConfiguration(bootstrap: self.configuration.bootstrap)
        clusterConfiguration.connection.clientID = self.configuration.replica
        let cluster = KafkaCluster(clusterConfiguration, logger: logger)
        let producer = try KafkaProducer(sharing: cluster, configuration: Self.producerConfiguration)
        let relay = OutboxRelay(
            database: self.database, outbox: self.outbox, producer: producer, replica: self.configuration.replica,
            logger: logger)
        let consumers = try self.subscriptions.flatMap { subscription in
            try [(subscription.topic, subscription.group), (subscription.retryTopic, subscription.retryGroup)].map {
                EventConsumer(
                    try KafkaConsumer(
                        sharing: cluster, configuration: self.consumerConfiguration(topic: $0, group: $1)),
                    for: subscription, producer: producer, database: self.database,
                    plan: self.configuration.retryPlan, logger: logger)
            }
        }
        let topics = self.publishes + self.subscriptions.flatMap { [$0.topic, $0.retryTopic, $0.deadLetterTopic] }
        let services: [any Service] =
            [
                ClosesCluster(cluster: cluster),
                TopicsMaker(
                    cluster: cluster, topics: topics, partitions: self.configuration.partitions, logger: logger),
                InboxPruner(database: self.database, retention: self.configuration.inboxRetention, logger: logger),
                producer, relay,
            ] + consumers

        let router = Router()
        // Before the middleware, which is for what comes after it: questions after the health are no traces.
        self.health(cluster, relay, consumers).addRoutes(to: router)
        router.addMiddleware {
            TracingMiddleware()
            LogRequestsMiddleware(.debug)
            BusyMiddleware()
        }
        addRoutes(router)
        return Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(self.configuration.host, port: self.configuration.port),
                serverName: self.configuration.name),
            services: services,
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? 0
                logger.info("ready for requests", metadata: ["port": "\(port)"])
                await onServerRunning(port)
            },
            logger: logger)
    }

    /// Runs the replica until SIGTERM or SIGINT, and then ends it in order, within the time that there is for it.
    public static func run(_ application: some ApplicationProtocol, _ configuration: ServiceConfiguration) async throws
    {
        var group = ServiceGroupConfiguration(
            services: [application], gracefulShutdownSignals: [.sigterm, .sigint], logger: configuration.logger)
        group.maximumGracefulShutdownDuration = configuration.shutdownTimeout
        try await ServiceGroup(configuration: group).run()
    }

    // MARK: Parts

    private static var producerConfiguration: KafkaProducerConfiguration {
        // Idempotent and acks=all, as it is anyway.
        var configuration = KafkaProducerConfiguration()
        // An event that is given up here would have to wait for another round, and others of its subject could overtake
        // it. So it is not given up while the broker is away; the shutdown has a time-out of its own.
        configuration.deliveryTimeout = .seconds(86_400)
        // Topics are made on purpose, with as many partitions as were asked for.
        configuration.createsTopics = false
        return configuration
    }

    private func consumerConfiguration(topic: String, group: String) -> KafkaConsumerConfiguration {
        var member = ConsumerGroupConfiguration(group, topics: .names([topic]))
        // A replica that comes back soon, after a crash or for a new version, gets the partitions that it had, without a
        // rebalance.
        member.instanceID = self.configuration.replica
        var configuration = KafkaConsumerConfiguration(subscription: .group(member))
        // Commits what was handled, not what was fetched. Often, so that others see how far it is, and that little is read
        // again after a crash.
        configuration.autoCommitInterval = .seconds(1)
        return configuration
    }

    private func health(_ cluster: KafkaCluster, _ relay: OutboxRelay, _ consumers: [EventConsumer]) -> Health {
        let database = self.database
        var checks: [(name: String, check: Health.Check)] = [
            (
                "database",
                {
                    do {
                        _ = try await database.read { try Int.fetchOne($0, sql: "SELECT 1") }
                        return nil
                    } catch { return "\(error)" }
                }
            ),
            (
                "broker",
                {
                    do {
                        _ = try await cluster.describeCluster()
                        return nil
                    } catch { return "\(error)" }
                }
            ),
            ("outbox", { await relay.problem() }),
        ]
        for consumer in consumers { checks.append((consumer.name, { consumer.problem() })) }
        return Health(checks)
    }
}

/// Closes the connections that producer and consumers share, after them.
private struct ClosesCluster: Service {
    let cluster: KafkaCluster

    func run() async throws {
        try? await gracefulShutdown()
        await self.cluster.close()
    }
}
