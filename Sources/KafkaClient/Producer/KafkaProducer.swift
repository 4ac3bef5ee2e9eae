// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Logging
public import NIOCore
public import NIOPosix

import KafkaTypes
import Synchronization

#if ServiceLifecycle
public import ServiceLifecycle
#endif

/// Writes records to the topics of a cluster.
///
/// Records are put into batches, one per partition, in the task that calls ``enqueue(_:)``; what sends them is ``run()``,
/// which has to run beside. ``withProducer(_:configuration:eventLoopGroup:logger:isolation:_:)`` sees to that.
///
///     try await KafkaProducer.withProducer(KafkaClusterConfiguration(bootstrap: brokers)) { producer in
///         let written = try await producer.send(ProducerRecord(topic: "orders", key: "7", value: "paid"))
///         print(written.offset)
///     }
///
/// With the default configuration a record is in the log at most once, and the records that one task enqueued for a
/// partition are there in that order, whatever happens to brokers and connections (KIP-98, KIP-360). A record that was
/// acknowledged is there. One that failed is not there, and never will be, unless its error says
/// `KafkaClientError/mayBeWritten`: then nobody knows. Changed leaders, restarted brokers and lost connections are no
/// errors within `deliveryTimeout`. When a record fails, those after it go on without it.
///
/// It may be used from any number of tasks, and starts none of its own outside of ``run()``.
public final class KafkaProducer: Sendable {
    /// How it behaves.
    public let configuration: KafkaProducerConfiguration

    /// Its own connections: what waits on others does not hold up records.
    let cluster: KafkaCluster
    let pool: BatchPool
    let topics = TopicTable()
    let lookups: TopicLookups
    let clock: ProducerClock
    /// The largest record, by `RecordBatchBuilder.sizeUpperBound`.
    let recordBytesMax: Int
    private let hasRun = Atomic(false)

    /// A producer with connections of its own, which are made when they are needed and closed when ``run()`` ends. All of
    /// them live on one event loop of the group, which must live longer than the producer is used.
    ///
    /// Throws `invalidRequest` for a configuration that is out of range or contradicts itself.
    public convenience init(
        cluster: KafkaClusterConfiguration, configuration: KafkaProducerConfiguration = KafkaProducerConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = .disabled
    ) throws(KafkaClientError) {
        let cluster = KafkaCluster(cluster, eventLoopGroup: eventLoopGroup.next(), logger: logger)
        try self.init(on: cluster, configuration, ProducerClock(cluster.clock))
    }

    /// A producer that reaches the cluster as `cluster` does: with its configuration, event loops and logger, but on
    /// connections of its own, so that records do not wait behind what others ask for. Throws as `init(cluster:)` does.
    public convenience init(
        sharing cluster: KafkaCluster, configuration: KafkaProducerConfiguration = KafkaProducerConfiguration()
    ) throws(KafkaClientError) {
        try self.init(
            on: cluster.sibling(on: cluster.eventLoopGroup.next()), configuration, ProducerClock(cluster.clock))
    }

    /// The cluster becomes the producer's.
    init(
        on cluster: KafkaCluster, _ configuration: KafkaProducerConfiguration, _ clock: ProducerClock
    ) throws(KafkaClientError) {
        try configuration.validate()
        self.configuration = configuration
        self.cluster = cluster
        self.clock = clock
        let signals = SenderSignals()
        self.pool = BatchPool(configuration, signals: signals, nowMs: clock.nowMs)
        self.lookups = TopicLookups(signals: signals)
        self.recordBytesMax = configuration.requestBytesMax - BatchPool.headerBytes
    }

    // MARK: Running

    /// Sends what is enqueued, until ``close()`` or the cancellation of the task. With the trait `ServiceLifecycle` the
    /// graceful shutdown of the service group is a ``close()``, too.
    ///
    /// After ``close()`` it sends what was enqueued before, which takes `deliveryTimeout` at most, and returns. When it is
    /// cancelled, everything that is not acknowledged fails with `closed` at once, and it throws `CancellationError`.
    /// Either way nobody who waits for a record is left waiting. It may be called once.
    public func run() async throws {
        guard self.hasRun.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else {
            preconditionFailure("a KafkaProducer runs once")
        }
        #if ServiceLifecycle
        await withGracefulShutdownHandler {
            await self.sendUntilClosed()
        } onGracefulShutdown: {
            self.close()
        }
        #else
        await self.sendUntilClosed()
        #endif
        try Task.checkCancellation()
    }

    private func sendUntilClosed() async {
        var generator = SystemRandomNumberGenerator()
        let sender = ProducerSender(
            self.configuration, cluster: self.cluster, pool: self.pool, topics: self.topics, lookups: self.lookups,
            clock: self.clock, seed: generator.next())
        await sender.run()
        await self.cluster.close()
    }

    /// Begins the end: new records are refused with `closed`, and ``run()`` returns when the others are done. Returns at
    /// once; may be called again.
    public func close() { self.pool.signals.post(.close) }

    /// Gives `body` a producer that runs, and closes it afterwards, however `body` ends: what was enqueued is sent before
    /// this returns, unless the task is cancelled.
    ///
    /// Throws what `body` throws, and `invalidRequest` as `init(cluster:)` does.
    public static func withProducer<Result>(
        _ cluster: KafkaClusterConfiguration, configuration: KafkaProducerConfiguration = KafkaProducerConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = .disabled,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (KafkaProducer) async throws -> Result
    ) async throws -> Result {
        let producer = try KafkaProducer(
            cluster: cluster, configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        return try await producer.whileRunning(body)
    }

    /// The same with a producer that reaches the cluster as another client does: see ``init(sharing:configuration:)``.
    public static func withProducer<Result>(
        sharing cluster: KafkaCluster, configuration: KafkaProducerConfiguration = KafkaProducerConfiguration(),
        isolation: isolated (any Actor)? = #isolation,
        _ body: (KafkaProducer) async throws -> Result
    ) async throws -> Result {
        try await KafkaProducer(sharing: cluster, configuration: configuration).whileRunning(body)
    }

    /// Runs beside `body`, and closes after it.
    func whileRunning<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: (KafkaProducer) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.run() }
            let result: Result
            do {
                result = try await body(self)
            } catch {
                self.close()
                // It throws when it was cancelled, and then so was the body, which says so.
                try? await group.waitForAll()
                throw error
            }
            self.close()
            try await group.waitForAll()
            return result
        }
    }

    /// Sends everything that was enqueued before, without waiting for batches to fill, and returns when all of it has been
    /// acknowledged or has failed; how, the handles tell. Linear in the number of batches.
    ///
    /// Throws `CancellationError` when the task is cancelled.
    public nonisolated(nonsending) func flush() async throws {
        let batches = self.pool.unfinishedBatches
        guard !batches.isEmpty else { return }
        self.pool.signals.post(.sendEverything)
        for batch in batches {
            let waiter = Waiter<Void>()
            batch.whenDone(waiter)
            try await waiter.value()
        }
    }
}

#if ServiceLifecycle
extension KafkaProducer: Service {}
#endif
