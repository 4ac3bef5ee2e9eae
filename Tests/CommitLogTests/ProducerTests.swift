// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import CommitLog

@Suite("Idempotent producers")
struct ProducerTests {
    let directory = TemporaryDirectory()

    /// How an answer reads in a table.
    private func word(_ result: Result<AppendResult, AppendError>) -> String {
        switch result {
        case .success(let result): result.isDuplicate ? "duplicate \(result.baseOffset)" : "at \(result.baseOffset)"
        case .failure(.outOfOrderSequence): "out of order"
        case .failure(.invalidProducerEpoch): "fenced"
        case .failure(.duplicateSequence): "old duplicate"
        case .failure(let error): "\(error)"
        }
    }

    private func word(_ log: PartitionLog, _ batch: PreparedBatch) -> String {
        self.word(log.append([batch], leaderEpoch: 0, now: testNow)[0])
    }

    @Test("sequences, epochs and duplicates are told apart as the table says")
    func table() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        // (epoch, first sequence, records, answer), one after another.
        let steps: [(Int16, Int32, Int, String)] = [
            (0, 0, 2, "at 0"), (0, 2, 1, "at 2"), (0, 2, 1, "duplicate 2"), (0, 0, 2, "duplicate 0"),
            (0, 4, 1, "out of order"), (0, 2, 2, "out of order"), (0, 1, 2, "out of order"), (0, 3, 3, "at 3"),
            (0, 6, 1, "at 6"), (0, 7, 1, "at 7"), (0, 8, 1, "at 8"),
            // Six batches were appended, five are remembered.
            (0, 2, 1, "duplicate 2"), (0, 0, 2, "old duplicate"), (0, 0, 1, "old duplicate"),
            (1, 5, 1, "out of order"), (1, 0, 1, "at 9"), (0, 9, 1, "fenced"), (1, 0, 1, "duplicate 9"),
            (1, 1, 1, "at 10"), (3, 0, 2, "at 11"),
        ]
        for (epoch, sequence, count, expected) in steps {
            let answer = self.word(log, sequenced(count, producer: 42, epoch: epoch, from: sequence))
            #expect(answer == expected, "epoch \(epoch) sequence \(sequence)")
        }
        #expect(log.endOffset == 13)
        #expect(try log.records(from: 0).count == 13)
    }

    @Test("a producer that is not known may begin with any sequence")
    func unknownProducer() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        #expect(self.word(log, sequenced(1, producer: 1, epoch: 3, from: 700)) == "at 0")
        #expect(self.word(log, sequenced(1, producer: 1, epoch: 3, from: 702)) == "out of order")
        #expect(self.word(log, sequenced(1, producer: 1, epoch: 3, from: 701)) == "at 1")
        #expect(self.word(log, sequenced(1, producer: 2, from: -1)) == "out of order")
    }

    @Test("after sequence 2,147,483,647 comes 0, inside a batch and between two")
    func wrapAround() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        #expect(self.word(log, sequenced(3, producer: 1, from: Int32.max - 1)) == "at 0")
        #expect(self.word(log, sequenced(1, producer: 1, from: 1)) == "at 3")
        #expect(self.word(log, sequenced(3, producer: 1, from: Int32.max - 1)) == "duplicate 0")
        #expect(self.word(log, sequenced(1, producer: 2, from: Int32.max)) == "at 4")
        #expect(self.word(log, sequenced(1, producer: 2, from: 0)) == "at 5")
    }

    @Test("batches of one call see each other")
    func sameCall() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        let answers = log.append(
            [
                sequenced(1, producer: 1, from: 0), sequenced(1, producer: 1, from: 1),
                sequenced(1, producer: 1, from: 0), sequenced(1, producer: 1, from: 5), batch("plain"),
                sequenced(1, producer: 1, from: 2),
            ], leaderEpoch: 0, now: testNow)
        #expect(answers.map { self.word($0) } == ["at 0", "at 1", "duplicate 0", "out of order", "at 2", "at 3"])
        #expect(log.endOffset == 4)
    }

    @Test("the last five batches are remembered after a crash, with or without a snapshot")
    func unclean() throws {
        var config = LogConfig()
        config.segmentBytes = 400
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        for sequence in 0..<12 as Range<Int32> { try log.put(sequenced(1, producer: 9, from: sequence)) }
        try log.flush()
        #expect(log.segmentCount > 2)
        for removesSnapshots in [false, true] {
            if removesSnapshots {
                for name in try POSIXFileSystem().list(self.directory.path) where name.hasSuffix(".snapshot") {
                    try POSIXFileSystem().removeFile(self.directory.path + "/" + name)
                }
            }
            let reopened = try PartitionLog.openTest(
                self.directory.path, config: config, recovery: .unclean(recoveryPoint: 0))
            #expect(self.word(reopened, sequenced(1, producer: 9, from: 11)) == "duplicate 11")
            #expect(self.word(reopened, sequenced(1, producer: 9, from: 13)) == "out of order")
            #expect(reopened.activeProducers(now: testNow).map(\.lastSequence) == [11])
        }
    }

    @Test("after a clean restart the last batch is remembered with its offset, older ones as duplicates")
    func clean() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        for sequence in 0..<5 as Range<Int32> { try log.put(sequenced(1, producer: 9, epoch: 2, from: sequence)) }
        try log.close()
        let reopened = try PartitionLog.openTest(self.directory.path)
        #expect(self.word(reopened, sequenced(1, producer: 9, epoch: 2, from: 4)) == "duplicate 4")
        #expect(self.word(reopened, sequenced(1, producer: 9, epoch: 2, from: 2)) == "old duplicate")
        #expect(self.word(reopened, sequenced(1, producer: 9, epoch: 1, from: 5)) == "fenced")
        #expect(self.word(reopened, sequenced(1, producer: 9, epoch: 2, from: 5)) == "at 5")
    }

    @Test("a snapshot that is damaged at any byte is not believed, and an older one or the log is used")
    func damagedSnapshot() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        for sequence in 0..<3 as Range<Int32> { try log.put(sequenced(1, producer: 9, from: sequence)) }
        try log.close()
        let path = self.directory.path + "/" + segmentFile(3, "snapshot")
        let snapshot = try RawFile.read(path)
        #expect(snapshot.count == 56)
        for position in snapshot.indices {
            var damaged = snapshot
            damaged[position] ^= 1
            try RawFile.write(damaged, to: path)
            let reopened = try PartitionLog.openTest(self.directory.path)
            #expect(self.word(reopened, sequenced(1, producer: 9, from: 1)) == "duplicate 1", "byte \(position)")
        }
    }

    @Test("a snapshot past the end of a log that was cut is not believed when the log has grown again")
    func snapshotPastTheEnd() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        for sequence in 0..<3 as Range<Int32> { try log.put(sequenced(1, producer: 9, from: sequence)) }
        #expect(try log.advanceRecoveryPoint(force: true) == 3)
        let path = self.directory.path + "/" + segmentFile(0, "log")
        try RawFile.truncate(path, to: try RawFile.read(path).count - 1)
        // The checkpoint with the new recovery point was not written any more.
        let cut = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(cut.endOffset == 2)
        try cut.put(sequenced(1, producer: 5, from: 0))
        try cut.flush()
        let grown = try PartitionLog.openTest(self.directory.path, recovery: .unclean(recoveryPoint: 0))
        #expect(self.word(grown, sequenced(1, producer: 9, from: 2)) == "at 3")
        #expect(self.word(grown, sequenced(1, producer: 5, from: 0)) == "duplicate 2")
    }

    @Test("the snapshot is laid out as Kafka's version 1")
    func snapshotBytes() throws {
        var state = ProducerState()
        let header = RecordBatchHeader(
            baseOffset: 100, lastOffsetDelta: 2, baseTimestamp: 5, maxTimestamp: 7, producerID: 9, producerEpoch: 3,
            baseSequence: 20, recordCount: 3)
        state.add(header, appendedMs: 50, producersMax: 10)
        let bytes = state.snapshot
        let body: [UInt8] =
            [0, 0, 0, 1]
            + [0, 0, 0, 0, 0, 0, 0, 9] + [0, 3] + [0, 0, 0, 22] + [0, 0, 0, 0, 0, 0, 0, 102] + [0, 0, 0, 2]
            + [0, 0, 0, 0, 0, 0, 0, 7] + [255, 255, 255, 255] + [255, 255, 255, 255, 255, 255, 255, 255]
        #expect(Array(bytes[..<2]) == [0, 1])
        #expect(Array(bytes[6...]) == body)
        let read = try ProducerState(snapshot: bytes, path: "x", now: 50)
        #expect(read == state)
    }

    @Test("producers expire by the later of their last append and its timestamp, unless a transaction is open")
    func expiry() {
        var state = ProducerState()
        func header(_ id: Int64, timestamp: Int64, transactional: Bool = false) -> RecordBatchHeader {
            RecordBatchHeader(
                attributes: transactional ? RecordBatchHeader.Attribute.transactional : 0, maxTimestamp: timestamp,
                producerID: id, producerEpoch: 0, baseSequence: 0, recordCount: 1)
        }
        state.add(header(1, timestamp: 10), appendedMs: 100, producersMax: 10)
        state.add(header(2, timestamp: 500), appendedMs: 100, producersMax: 10)
        state.add(header(3, timestamp: 10, transactional: true), appendedMs: 100, producersMax: 10)
        #expect(state.removeExpired(now: 199, expirationMs: 100) == 0)
        #expect(state.removeExpired(now: 200, expirationMs: 100) == 1)
        #expect(state.entries.keys.sorted() == [2, 3])
        #expect(state.removeExpired(now: 600, expirationMs: 100) == 1)
        #expect(state.entries.keys.sorted() == [3])
    }

    @Test("no more producers are remembered than the limit, the idlest go first")
    func limit() {
        var state = ProducerState()
        for id in 0..<200 as Range<Int64> {
            let header = RecordBatchHeader(
                maxTimestamp: id, producerID: id, producerEpoch: 0, baseSequence: 0, recordCount: 1)
            state.add(header, appendedMs: id, producersMax: 64)
            #expect(state.entries.count <= 64)
        }
        #expect(state.entries[199] != nil && state.entries[0] == nil)
    }
}
