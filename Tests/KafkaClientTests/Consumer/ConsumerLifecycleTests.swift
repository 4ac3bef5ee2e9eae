// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Synchronization
import Testing

@testable import KafkaClient

/// Consumers end, whatever they are doing, and nobody who waits for one is left waiting. What fails here hangs, so there
/// is a limit.
@Suite(.timeLimit(.minutes(10))) struct ConsumerLifecycleTests {
    /// Sleeps a thousand times shorter than it is told.
    private struct HurriedClock: Clock {
        private let clock = ContinuousClock()

        var now: ContinuousClock.Instant { self.clock.now }
        var minimumResolution: Duration { self.clock.minimumResolution }

        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            try await self.clock.sleep(for: self.clock.now.duration(to: deadline) / 1000)
        }
    }

    private static func group(_ change: (inout FakeGroup.State) -> Void = { _ in }) -> FakeGroup {
        FakeGroup { state in
            state.target = [0]
            state.end = 5
            change(&state)
        }
    }

    private static func until(_ condition: () -> Bool) async { while !condition() { await Task.yield() } }

    /// Runs a consumer, and hands `body` an iterator that has a batch of it in hand. Returns what was revoked, in order.
    @discardableResult
    private static func withBatch(
        _ group: FakeGroup,
        _ body: @escaping @Sendable (KafkaConsumer, inout ConsumedBatches.Iterator) async throws -> Void
    ) async throws -> [TopicPartition] {
        let revoked = Mutex<[TopicPartition]>([])
        try await FakeGroup.run(group) { consumer in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await consumer.run() }
                var batches = consumer.batches.makeAsyncIterator()
                _ = try await batches.next()
                try await body(consumer, &batches)
                try await tasks.waitForAll()
            }
            for await event in consumer.events {
                if case .revoked(let partitions) = event { revoked.withLock { $0 += partitions } }
            }
        }
        return revoked.withLock(\.self)
    }

    // MARK: Closing

    @Test("a consumer that is closed twice while a batch is being processed ends when that is done")
    func closedTwice() async throws {
        let group = Self.group()
        try await Self.withBatch(group) { consumer, batches in
            // As a service does whose group shuts down, and the code around it beside.
            consumer.close()
            consumer.close()
            await Self.until { consumer.handWaker.waitingCount == 2 }
            let next = try await batches.next()
            #expect(next?.next == nil)
        }
        #expect(group.log.suffix(2) == ["commit 0:5", "leave -1"])
    }

    @Test("a consumer that is closed while it waits to give up a partition ends when the batch in hand is done")
    func closedWhileGivingUp() async throws {
        let group = Self.group()
        let revoked = try await Self.withBatch(group) { consumer, batches in
            group.update { $0.target = [] }
            await Self.until { consumer.handWaker.waitingCount == 1 }
            consumer.close()
            await Self.until { consumer.handWaker.waitingCount == 2 }
            let next = try await batches.next()
            #expect(next?.next == nil)
        }
        #expect(group.committed == [0: 5])
        #expect(group.log.last == "leave -1")
        #expect(revoked == [TopicPartition(topic: "orders", partition: 0)], "once, whoever came first")
    }

    @Test("a partition is given up as soon as another iterator has taken the place of the one with its batch in hand")
    func handOver() async throws {
        let group = Self.group()
        try await Self.withBatch(group) { consumer, _ in
            group.update { $0.target = [] }
            await Self.until { consumer.handWaker.waitingCount == 1 }
            let newer = consumer.batches.makeAsyncIterator()
            await group.wait { $0.log.contains("own []") }
            withExtendedLifetime(newer) {}
            consumer.close()
        }
        #expect(group.committed[0] ?? 0 == 0, "nobody said that it was processed")
    }

    @Test("what cannot be committed at the end is given up after a while, and the group is left all the same")
    func goodbye() async throws {
        var retry = RetryPolicy()
        retry.firstDelay = .seconds(3600)
        retry.delayMax = .seconds(3600)
        let group = Self.group { $0.commitRefusal = .coordinatorLoadInProgress }
        let failures = Mutex<[KafkaClientError]>([])
        try await FakeGroup.run(
            group, retry: retry, clock: HurriedClock(),
            configure: { configuration in
                configuration.onEvent = { event in
                    if case .commitFailed(let error) = event { failures.withLock { $0.append(error) } }
                }
            }
        ) { consumer in
            async let running: Void = consumer.run()
            for try await batch in consumer.batches {
                consumer.markProcessed(batch)
                break
            }
            consumer.close()
            try await running
        }
        #expect(failures.withLock(\.self).map(\.code) == [.timedOut])
        #expect(group.log.last == "leave -1")
    }

    @Test("a receiver in another task gets nothing more once run is cancelled")
    func cancelledBeside() async throws {
        let group = Self.group { $0.end = 1_000_000 }
        try await FakeGroup.run(group) { consumer in
            let running = Task { try await consumer.run() }
            var received: Int64 = 0
            for try await batch in consumer.batches {
                received = batch.next.rawValue
                if received == 50 { running.cancel() }
            }
            await #expect(throws: CancellationError.self) { try await running.value }
            #expect(group.committed[0].map { $0 <= received } == true)
            #expect(group.log.last == "leave -1")
        }
    }

    // MARK: Iterators

    @Test("an iterator that waits ends with an error when another is made, and that one gets what comes")
    func iterators() async throws {
        let group = Self.group { $0.end = 0 }
        try await FakeGroup.run(group) { consumer in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await consumer.run() }
                let older = Task { () -> Bool in
                    var batches = consumer.batches.makeAsyncIterator()
                    return try await batches.next() == nil
                }
                await Self.until { consumer.reader.waitingCount == 1 }
                var newer = consumer.batches.makeAsyncIterator()
                let error = await #expect(throws: KafkaClientError.self) { try await older.value }
                #expect(error?.code == .invalidRequest)
                await Self.until { consumer.reader.waitingCount == 0 }
                group.update { $0.end = 5 }
                #expect(try await newer.next()?.next == 5)
                consumer.close()
                _ = try await newer.next()
                try await tasks.waitForAll()
            }
        }
    }

    @Test("a cancelled task ends its wait for a batch, and another goes on reading")
    func cancelledIterator() async throws {
        let group = Self.group { $0.end = 0 }
        try await FakeGroup.run(group) { consumer in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await consumer.run() }
                let reading = Task { () -> Bool in
                    var batches = consumer.batches.makeAsyncIterator()
                    return try await batches.next() == nil
                }
                await Self.until { consumer.reader.waitingCount == 1 }
                reading.cancel()
                await #expect(throws: CancellationError.self) { try await reading.value }
                group.update { $0.end = 5 }
                var batches = consumer.batches.makeAsyncIterator()
                #expect(try await batches.next()?.next == 5)
                consumer.close()
                _ = try await batches.next()
                try await tasks.waitForAll()
            }
        }
    }
}
