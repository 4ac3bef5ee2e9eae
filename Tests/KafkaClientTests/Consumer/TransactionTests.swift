// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Testing

@testable import KafkaClient

/// A consumer of a log with transactions, from the answers of the broker to what it commits.
@Suite struct TransactionTests {
    private static let orders = TransactionalLog.orders

    /// The values of records up to the one with the value `last`, which is not processed then.
    private static func values(upTo last: String, of consumer: KafkaConsumer) async throws -> [String] {
        var values: [String] = []
        for try await record in consumer.records {
            values.append(record.record.value.map { String(buffer: $0) } ?? "")
            if values.last == last { break }
        }
        return values
    }

    /// Three producers whose transactions lie across each other. The aborted one of producer 2 takes up the offsets 2
    /// to 9.
    private static func interleaved(batchesPerAnswer: Int) throws -> TransactionalLog {
        let log = TransactionalLog(batchesPerAnswer: batchesPerAnswer)
        try log.write("a0", "a1", by: 1)
        try log.write("aborted 0", "aborted 1", by: 2)
        try log.write("plain")
        try log.write("aborted 2", by: 2)
        try log.write("b0", by: 3)
        try log.end(1, .commit)
        try log.write("aborted 3", by: 2)
        try log.end(2, .abort)
        try log.write("c0", by: 2)
        try log.end(3, .commit)
        try log.write("c1", by: 2)
        try log.end(2, .commit)
        try log.write("aborted 4", by: 1)
        try log.end(1, .abort)
        try log.write("last")
        return log
    }

    @Test(
        "read-committed shows committed transactions and what has none, however answers cut them",
        arguments: [1, 2, 3, 5, 100])
    func committed(batchesPerAnswer: Int) async throws {
        let log = try Self.interleaved(batchesPerAnswer: batchesPerAnswer)
        try await TransactionalLog.run(log, .readCommitted) { consumer async throws in
            let values = try await Self.values(upTo: "last", of: consumer)
            #expect(values == ["a0", "a1", "plain", "b0", "c0", "c1", "last"])
            #expect(consumer.position(of: Self.orders) == Offset(log.end))
        }
    }

    @Test(
        "read-uncommitted shows aborted records and those of open transactions, and no marker",
        arguments: [1, 2, 100])
    func uncommitted(batchesPerAnswer: Int) async throws {
        let log = try Self.interleaved(batchesPerAnswer: batchesPerAnswer)
        try log.write("open", by: 3)
        try await TransactionalLog.run(log, .readUncommitted) { consumer async throws in
            let values = try await Self.values(upTo: "open", of: consumer)
            #expect(
                values == [
                    "a0", "a1", "aborted 0", "aborted 1", "plain", "aborted 2", "b0", "aborted 3", "c0", "c1",
                    "aborted 4", "last", "open",
                ])
            #expect(consumer.lag(of: Self.orders) == 0)
            #expect(try await consumer.endOffsets(of: [Self.orders])[Self.orders]?.get().offset == Offset(log.end))
        }
    }

    @Test("who begins in the middle of an aborted transaction sees nothing of the rest", arguments: [1, 100])
    func beginsInside(batchesPerAnswer: Int) async throws {
        let log = try Self.interleaved(batchesPerAnswer: batchesPerAnswer)
        try await TransactionalLog.run(log, .readCommitted, from: .offset(5)) { consumer async throws in
            #expect(try await Self.values(upTo: "last", of: consumer) == ["b0", "c0", "c1", "last"])
        }
    }

    @Test("with read-committed a partition ends at its last stable offset, and goes on when the transaction has ended")
    func lastStableOffset() async throws {
        let log = TransactionalLog(batchesPerAnswer: 100)
        try log.write("a", "b")
        try log.write("open 0", by: 1)
        try log.write("behind")
        #expect(log.lastStableOffset == 2)
        try await TransactionalLog.run(log, .readCommitted) { consumer async throws in
            var batches = consumer.batches.makeAsyncIterator()
            let first = try #require(try await batches.next())
            #expect(first.next == 2)
            #expect(first.highWatermark == 4)
            #expect(first.lastStableOffset == 2)
            #expect(first.lag == 0)
            #expect(consumer.highWatermark(of: Self.orders) == 4)
            #expect(consumer.lag(of: Self.orders) == 0)
            #expect(try await consumer.endOffsets(of: [Self.orders])[Self.orders]?.get().offset == 2)
            try log.end(1, .commit)
            #expect(try await consumer.endOffsets(of: [Self.orders])[Self.orders]?.get().offset == 5)
            let second = try #require(try await batches.next())
            #expect(second.start == 2)
            #expect(second.lastStableOffset == 5)
            #expect(second.lag == 2)
            #expect(try await batches.next()?.next == 5, "the position is behind the marker")
        }
        #expect(log.committed == [3], "the last batch was not asked past")
    }

    @Test("with read-uncommitted the lag counts what transactions that are open have written")
    func uncommittedLag() async throws {
        let log = TransactionalLog(batchesPerAnswer: 1)
        try log.write("a", "b")
        try log.write("open", by: 1)
        try await TransactionalLog.run(log, .readUncommitted) { consumer async throws in
            var batches = consumer.batches.makeAsyncIterator()
            let first = try #require(try await batches.next())
            #expect(first.lag == 1)
            #expect(first.lastStableOffset == nil)
            #expect(consumer.lag(of: Self.orders) == 1)
        }
    }

    @Test("who begins at the end begins at the last stable offset, so that an open transaction is not missed")
    func latest() async throws {
        let log = TransactionalLog(batchesPerAnswer: 100)
        try log.write("old")
        try log.write("open", by: 1)
        try await TransactionalLog.run(log, .readCommitted, from: .latest) { consumer async throws in
            while consumer.position(of: Self.orders) == nil { await Task.yield() }
            #expect(consumer.position(of: Self.orders) == 1)
            try log.end(1, .commit)
            #expect(try await Self.values(upTo: "open", of: consumer) == ["open"])
        }
    }

    @Test(
        "what is committed lies behind markers and aborted records, when nothing else comes after them, too",
        arguments: [1, 100])
    func commitsPastMarkers(batchesPerAnswer: Int) async throws {
        let log = TransactionalLog(batchesPerAnswer: batchesPerAnswer)
        try log.write("a", by: 1)
        try log.end(1, .commit)
        try log.write("aborted", "aborted", by: 2)
        try log.end(2, .abort)
        try await TransactionalLog.run(log, .readCommitted) { consumer async throws in
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { _ = try? await Self.values(upTo: "never", of: consumer) }
                while consumer.processed(of: Self.orders) != 5 { await Task.yield() }
                consumer.close()
            }
        }
        #expect(log.committed == [5])
    }

    @Test("a log of nothing but aborted records and markers is committed to its end", arguments: ReadIsolation.all)
    func nothingToShow(isolation: ReadIsolation) async throws {
        let log = TransactionalLog(batchesPerAnswer: 1)
        if isolation == .readCommitted { try log.write("aborted", by: 1) }
        try log.end(1, .abort)
        try log.end(2, .commit)
        let end = log.end
        try await TransactionalLog.run(log, isolation) { consumer async throws in
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { _ = try? await Self.values(upTo: "never", of: consumer) }
                while consumer.processed(of: Self.orders) != Offset(end) { await Task.yield() }
                #expect(consumer.position(of: Self.orders) == Offset(end))
                #expect(consumer.lag(of: Self.orders) == 0)
                consumer.close()
            }
        }
        #expect(log.committed == [end])
    }

    @Test("an iterator that stops after the last record leaves no empty batch behind, although a marker follows")
    func stopsBeforeMarker() async throws {
        let log = TransactionalLog(batchesPerAnswer: 100)
        try log.write("a", by: 1)
        try log.end(1, .commit)
        try log.write("b")
        try await TransactionalLog.run(log, .readCommitted) { consumer async throws in
            #expect(try await Self.values(upTo: "a", of: consumer) == ["a"])
            var batches = consumer.batches.makeAsyncIterator()
            #expect(try await batches.next()?.batch.header.baseOffset == 2)
        }
    }
}

extension ReadIsolation {
    fileprivate static let all: [ReadIsolation] = [.readUncommitted, .readCommitted]
}
