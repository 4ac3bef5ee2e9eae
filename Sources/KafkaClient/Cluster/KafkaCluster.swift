// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Logging
public import NIOCore
public import NIOPosix

import Synchronization

/// A Kafka cluster: finds its brokers and the leaders of partitions, keeps one connection to each broker in use, and
/// repeats what fails for a reason that goes away.
///
/// It may be used from any number of tasks at once, starts none of its own, and holds its connections until
/// ``close()``; ``withCluster(_:eventLoopGroup:logger:isolation:_:)`` closes by itself. All methods throw `KafkaClientError`, or
/// `CancellationError`.
public final class KafkaCluster: Sendable {
    /// How the cluster is found and treated.
    public let configuration: KafkaClusterConfiguration

    struct State {
        var metadata = MetadataCache()
        var coordinators = CoordinatorCache()
        var generator = SystemRandomNumberGenerator()
    }

    let state = Mutex(State())
    let pool: ConnectionPool
    let telemetry: ClientTelemetry
    let clock: any Clock<Duration>
    /// Tells the time since this cluster was made.
    let uptime: @Sendable () -> Duration
    let logger: Logger
    /// Tells of new metadata: the number is the version of the cache.
    let metadataNews = Announcement()
    let refresher = MetadataRefresher()
    /// For questions that let brokers make the topics that are missing.
    let creatingRefresher = MetadataRefresher()
    let eventLoopGroup: any EventLoopGroup

    /// Connects to nothing yet. The event loops must live longer than the cluster is used.
    public convenience init(
        _ configuration: KafkaClusterConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = .disabled
    ) {
        self.init(configuration, eventLoopGroup: eventLoopGroup, logger: logger, clock: ContinuousClock())
    }

    convenience init(
        _ configuration: KafkaClusterConfiguration, eventLoopGroup: any EventLoopGroup, logger: Logger,
        clock: any Clock<Duration>
    ) {
        self.init(
            configuration, security: ConnectionSecurity(configuration.security),
            telemetry: ClientTelemetry(configuration), eventLoopGroup: eventLoopGroup, logger: logger, clock: clock)
    }

    private init(
        _ configuration: KafkaClusterConfiguration, security: ConnectionSecurity, telemetry: ClientTelemetry,
        eventLoopGroup: any EventLoopGroup, logger: Logger, clock: any Clock<Duration>
    ) {
        self.configuration = configuration
        self.telemetry = telemetry
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.clock = clock
        self.uptime = clock.stopwatch()
        self.pool = ConnectionPool(
            configuration, security: security, metrics: telemetry.metrics, eventLoopGroup: eventLoopGroup,
            logger: logger, clock: clock)
    }

    /// Another one like this, with connections of its own, all of them on one event loop: what waits there does not hold
    /// up what is asked here.
    func sibling(on eventLoop: any EventLoop) -> KafkaCluster {
        KafkaCluster(
            self.configuration, security: self.pool.security, telemetry: self.telemetry,
            eventLoopGroup: eventLoop, logger: self.logger, clock: self.clock)
    }

    /// Gives `body` a cluster and closes its connections afterwards, however `body` ends.
    public static func withCluster<Result>(
        _ configuration: KafkaClusterConfiguration,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = .disabled,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (KafkaCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = KafkaCluster(configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        let result: Result
        do {
            result = try await body(cluster)
        } catch {
            await cluster.close()
            throw error
        }
        await cluster.close()
        return result
    }

    /// Closes all connections. Calls that wait for an answer fail with `connectionClosed`, later ones too.
    public func close() async { await self.pool.close() }

    // MARK: Coordinators

    /// The cached coordinator of a group; nil when it has to be asked for.
    func cachedCoordinator(of groupID: String) -> BrokerDescription? {
        self.state.withLock { $0.coordinators[groupID] }
    }

    func remember(_ coordinator: BrokerDescription, of groupID: String) {
        self.state.withLock { $0.coordinators.remember(coordinator, for: groupID) }
    }

    /// A broker said that it does not look after this group, or does not answer: the next question goes to the cluster.
    func forgetCoordinator(of groupID: String) { self.state.withLock { $0.coordinators.forget(groupID) } }

    // MARK: Retries

    /// An error that would be retriable elsewhere and is not here.
    struct Final: Error {
        var error: KafkaClientError
        init(_ error: KafkaClientError) { self.error = error }
    }

    /// Runs `body` until it succeeds, fails with an error that will not go away, or the policy gives up; throws the
    /// last error then. A cluster that was never reached is not waited for.
    func retrying<Value>(_ body: () async throws -> Value) async throws -> Value {
        var attempt = 1
        while true {
            do {
                return try await body()
            } catch let final as Final {
                throw final.error
            } catch let error as KafkaClientError where self.mayGoAway(error) {
                try await self.backOff(attempt: attempt, after: error)
                attempt += 1
            }
        }
    }

    private func mayGoAway(_ error: KafkaClientError) -> Bool {
        guard error.code == .clusterUnreachable else { return error.isRetriable }
        return self.pool.hasConnected
    }

    /// A broker was reached once.
    var wasReached: Bool { self.pool.hasConnected }

    /// Waits before the next attempt; throws `error` when there should be none.
    func backOff(attempt: Int, after error: KafkaClientError) async throws {
        let delay = self.state.withLock { state in
            self.configuration.retry.delay(afterAttempt: attempt, using: &state.generator)
        }
        guard let delay else { throw error }
        self.logger.debug(
            "will try again", metadata: [KafkaLogKey.reason: "\(error)", KafkaLogKey.attempt: "\(attempt)"])
        try await self.clock.sleep(for: delay)
    }
}
