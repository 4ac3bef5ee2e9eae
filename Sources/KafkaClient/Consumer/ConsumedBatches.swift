// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if ServiceLifecycle
import ServiceLifecycle
#endif

/// The batches of a consumer, those of one partition in the order of their offsets.
///
/// There is one iterator at a time: making another, of batches or of records, ends the one before with an error. It
/// ends with nil when the consumer was closed or its ``KafkaConsumer/run()`` cancelled, and throws what ended the
/// consumer otherwise. With the trait `ServiceLifecycle` it also ends with nil when the service that iterates is told to
/// shut down gracefully; what it has processed by then counts.
public struct ConsumedBatches: AsyncSequence, Sendable {
    /// One batch.
    public typealias Element = ConsumedBatch
    /// What ended the consumer, or `CancellationError` when the task that waits is cancelled.
    public typealias Failure = any Error

    let consumer: KafkaConsumer

    /// Goes on after what was delivered last.
    public func makeAsyncIterator() -> Iterator { Iterator(iteration: Iteration(self.consumer)) }

    /// Gives one batch after the other. Asking for the next says that the one before was processed.
    public struct Iterator: AsyncIteratorProtocol {
        let iteration: Iteration

        /// The next batch, as soon as there is one; nil after the end.
        public mutating func next() async throws -> ConsumedBatch? {
            try await self.next(isolation: nil)
        }

        /// The next batch, as soon as there is one; nil after the end. Does not leave the actor when the batch is
        /// there.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> ConsumedBatch? {
            try await self.iteration.next(isolation: actor, progress: nil, remaining: nil).map(ConsumedBatch.init)
        }
    }
}

/// An iterator's hold on its consumer: as long as it lives, what was delivered last is in its hands.
final class Iteration: Sendable {
    let consumer: KafkaConsumer
    private let number: Int

    init(_ consumer: KafkaConsumer) {
        self.consumer = consumer
        self.number = consumer.withState { $0.beginIteration() }
        // What the iterator before had in hand is free, and if it waits it learns that there is another one.
        consumer.handIsFree()
        consumer.wakeReader()
    }

    deinit {
        let number = self.number
        self.consumer.withState { $0.endIteration(number) }
        self.consumer.handIsFree()
    }

    private func report(_ delivery: Fetcher.Delivery) {
        let telemetry = self.consumer.cluster.telemetry
        let group = self.consumer.configuration.subscription.groupID
        if let metrics = telemetry.metrics {
            metrics.batchConsumed(
                from: delivery.partition, group: group, recordCount: Int(delivery.batch.header.recordCount))
            metrics.lagged(
                delivery.partition, group: group, offsets: delivery.lag)
        }
        #if Tracing
        telemetry.tracing?.received(ConsumedBatch(delivery), group: group)
        #endif
    }

    func next(
        isolation actor: isolated (any Actor)?, progress: RecordProgress?, remaining: Int64?
    ) async throws -> Fetcher.Delivery? {
        var remaining = remaining
        while true {
            let wakes = self.consumer.reader.wakes
            let ask = self.consumer.ask(
                iteration: self.number, progress: progress, remaining: remaining, isLast: Self.isShuttingDown)
            switch ask {
            case .batch(let delivery):
                self.report(delivery)
                return delivery
            case .end: return nil
            case .fail(let error): throw error
            case .wait:
                remaining = nil
                await self.waitForNews(after: wakes)
                guard Task.isCancelled else { continue }
                self.consumer.withState { $0.stopAsking(iteration: self.number) }
                throw CancellationError()
            }
        }
    }
}

extension Iteration {
    #if ServiceLifecycle
    /// The task belongs to a service that was told to shut down gracefully.
    static var isShuttingDown: Bool { Task.isShuttingDownGracefully }

    private func waitForNews(after wakes: Int) async {
        let reader = self.consumer.reader
        await withGracefulShutdownHandler {
            await reader.wait(after: wakes)
        } onGracefulShutdown: {
            reader.wake()
        }
    }
    #else
    static var isShuttingDown: Bool { false }

    private func waitForNews(after wakes: Int) async { await self.consumer.reader.wait(after: wakes) }
    #endif
}
