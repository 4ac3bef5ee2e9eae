// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Compaction and transactions")
struct CompactionTransactionTests {
    let directory = TemporaryDirectory()

    private func transactional(_ producer: Int64, _ sequence: Int32, _ records: (String, String?)...) -> PreparedBatch {
        keyedBatch(
            KeyedShape(
                records: records.map { ($0.0, $0.1) }, producerID: producer, sequence: sequence,
                isTransactional: true))
    }

    private var markers: (PartitionLog) throws -> [Int64] {
        { log in try log.allBatches().filter { $0.header.isControl }.map(\.header.baseOffset) }
    }

    @Test("what was aborted goes and does not win over an older committed value")
    func aborted() throws {
        let log = try PartitionLog.openTest(self.directory.path, config: .compacted)
        try log.put(keyed("a=committed", "b=old"))
        try log.put(self.transactional(9, 0, ("a", "aborted"), ("c", "aborted")))
        try log.put(self.transactional(8, 0, ("b", "new")))
        try log.put(marker(.abort, producer: 9), marker(.commit, producer: 8))
        try log.put(self.transactional(9, 2, ("d", "committed")), marker(.commit, producer: 9))
        try log.seal()
        try log.clean()
        #expect(shown(try log.keyedRecords()) == ["0 a=committed", "4 b=new", "7 d=committed"])
        // The batches of all three transactions were there when it was cleaned, so their markers stay.
        #expect(try self.markers(log) == [5, 6, 8])
    }

    @Test("a marker goes delete.retention.ms after a cleaning that found nothing of its transaction")
    func markersGo() throws {
        var config = LogConfig.compacted
        config.deleteRetentionMs = 1_000
        let log = try PartitionLog.openTest(self.directory.path, config: config)
        try log.put(self.transactional(9, 0, ("a", "1")), marker(.commit, producer: 9))
        try log.put(self.transactional(9, 1, ("b", "1")), marker(.abort, producer: 9))
        try log.put(self.transactional(9, 2, ("c", "1")), marker(.commit, producer: 9))
        try log.put(keyed("a=2"))
        func cleanOnceMore(now: Int64) throws {
            try log.put(keyed("x=\(now)"))
            try log.seal()
            try log.clean(now: now)
        }
        try cleanOnceMore(now: testNow)
        #expect(try self.markers(log) == [1, 3, 5])
        try cleanOnceMore(now: testNow + 10)
        let headers = try log.allBatches().map(\.header).filter { $0.isControl }
        #expect(headers.map(\.deleteHorizon) == [testNow + 1_010, testNow + 1_010, nil])
        try cleanOnceMore(now: testNow + 1_009)
        #expect(try self.markers(log) == [1, 3, 5])
        try cleanOnceMore(now: testNow + 1_010)
        #expect(try self.markers(log) == [5])
        #expect(try log.keyedRecords().map(\.key) == ["c", "a", "x"])
    }

    @Test("an open transaction bounds what is cleaned, and a marker beyond the cleaned part is found")
    func open() throws {
        let log = try PartitionLog.openTest(self.directory.path, config: .compacted)
        try log.put(keyed("a=1"), keyed("a=2"))
        try log.seal()
        try log.put(self.transactional(9, 0, ("a", "3")))
        try log.seal()
        try log.put(keyed("a=4"))
        try log.seal()
        #expect(try log.clean().cleanedOffset == 2)
        #expect(try log.keyedRecords().map(\.value) == ["2", "3", "4"])
        // The marker lies in the active segment.
        try log.put(marker(.abort, producer: 9))
        log.advanceHighWatermark(to: log.endOffset)
        #expect(try log.clean().cleanedOffset == 4)
        #expect(try log.keyedRecords().map(\.value) == ["4"])
    }

    @Test("of an index of aborted transactions the entries stay whose markers do")
    func transactionIndex() throws {
        let log = try PartitionLog.openTest(self.directory.path, config: .compacted)
        try log.put(self.transactional(9, 0, ("a", "1")), marker(.abort, producer: 9), keyed("a=2"), keyed("a=3"))
        try log.seal()
        func entry(marker: Int64) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendBigEndian(Int16(0))
            for field in [9, 0, marker, 0] { bytes.appendBigEndian(field) }
            return bytes
        }
        // As Kafka writes them; one of them is of no transaction that is there.
        let path = self.directory.path + "/" + segmentFile(0, "txnindex")
        try RawFile.write(entry(marker: 1) + entry(marker: 77) + [1, 2, 3], to: path)
        try log.clean()
        #expect(try RawFile.read(path) == entry(marker: 1))
        #expect(try self.markers(log) == [1])
    }

    @Test("a scan tells committed from aborted, also of one producer, and open ones")
    func scan() {
        var scan = TransactionScan()
        func header(_ offset: Int64, _ producer: Int64, control: Bool = false) -> RecordBatchHeader {
            let control: Int16 = control ? RecordBatchHeader.Attribute.control : 0
            return RecordBatchHeader(
                baseOffset: offset, attributes: RecordBatchHeader.Attribute.transactional | control,
                producerID: producer)
        }
        scan.add(header(0, 1), outcome: nil)
        scan.add(header(1, 2), outcome: nil)
        scan.add(header(2, 1), outcome: nil)
        #expect(scan.firstOpenOffset == 0 && !scan.allEnded)
        scan.add(header(3, 1, control: true), outcome: .abort)
        scan.add(header(4, 1), outcome: nil)
        scan.add(header(5, 1, control: true), outcome: .commit)
        scan.add(header(6, 1), outcome: nil)
        scan.add(header(7, 1, control: true), outcome: .abort)
        #expect(scan.firstOpenOffset == 1)
        #expect([0, 2, 4, 6].map { scan.aborted.contains(header($0, 1)) } == [true, true, false, true])
        #expect(!scan.aborted.contains(header(1, 2)) && !scan.aborted.contains(header(3, 1, control: true)))
    }
}
