// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import GroupCoordinator
import KafkaMessages
import KafkaRecords
import NIOCore
import SimulatedIO
import Testing

@testable import martlet

@Suite struct LogDumpTests {
    /// What is found in a segment of these bytes, a word each.
    private func walk(_ bytes: ByteBuffer) throws -> [String] {
        let fileSystem = SimulatedFileSystem(directories: ["/data"])
        let file = try fileSystem.open("/data/segment", .create)
        try bytes.withUnsafeReadableBytes { try file.write([$0], at: 0) }
        var walk = SegmentWalk(file: file, size: Int64(bytes.readableBytes))
        var found: [String] = []
        while true {
            switch try walk.next() {
            case .batch(let batch, let position): found.append("batch \(batch.header.baseOffset) at \(position)")
            case .corrupt(let header, let position, _): found.append("corrupt \(header.baseOffset) at \(position)")
            case .oldMessage(let magic, let offset, let position):
                found.append("magic \(magic) offset \(offset) at \(position)")
            case .damage(let position, let length, _): found.append("damage at \(position), \(length)")
            case .unused(let position, let length): found.append("unused at \(position), \(length)")
            case .end: return found
            }
            // Every step moves on.
            try #require(found.count < 1000)
        }
    }

    /// 71 bytes: a header of 61 and a record of 10.
    private static func batch(_ offset: Int64) throws -> ByteBuffer {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = offset
        var builder = RecordBatchBuilder(options)
        try builder.append(key: nil, value: ByteBuffer(string: "abc"), timestamp: 1000)
        return try builder.finish().bytes
    }

    private static func segment(_ offsets: Range<Int64>) throws -> ByteBuffer {
        try offsets.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer(try Self.batch($1)) }
    }

    @Test("whole segments are batch after batch, an empty one is nothing")
    func whole() throws {
        let size = try Self.batch(0).readableBytes
        #expect(try self.walk(ByteBuffer()) == [])
        #expect(try self.walk(Self.segment(0..<3)) == (0..<3).map { "batch \($0) at \($0 * size)" })
    }

    @Test("a wrong checksum is told, and the batch after it is found by the length or by looking for it")
    func checksums() throws {
        let size = try Self.batch(0).readableBytes
        var bytes = try Self.segment(0..<3)
        bytes.setInteger(UInt8(0xff), at: size + 65)
        #expect(try self.walk(bytes) == ["batch 0 at 0", "corrupt 1 at \(size)", "batch 2 at \(2 * size)"])
        // The length is damaged, too: it would lead into the middle of the next batch.
        bytes.setInteger(Int32(size - 12 + 20), at: size + 8)
        #expect(try self.walk(bytes) == ["batch 0 at 0", "corrupt 1 at \(size)", "batch 2 at \(2 * size)"])
    }

    @Test("garbage is stepped over, however long, up to the next batch whose checksum is right")
    func garbage() throws {
        let size = try Self.batch(0).readableBytes
        var generator = SeededGenerator(seed: 7)
        for length in [1, 60, 61, 62, 5000, 600_000] {
            var bytes = try Self.batch(0)
            // Not zero, which would be old messages or unused room.
            bytes.writeBytes(generator.bytes(count: length).map { $0 | 0x80 })
            bytes.writeImmutableBuffer(try Self.batch(1))
            #expect(
                try self.walk(bytes) == ["batch 0 at 0", "damage at \(size), \(length)", "batch 1 at \(size + length)"])
        }
    }

    @Test("a batch that is cut off is damage at every length")
    func torn() throws {
        let whole = try Self.segment(0..<2)
        let size = whole.readableBytes / 2
        // The first seven bytes of a small offset are zeros, which may as well be room that was taken in advance.
        for length in size + 8..<2 * size {
            let bytes = try #require(whole.getSlice(at: whole.readerIndex, length: length))
            #expect(try self.walk(bytes) == ["batch 0 at 0", "damage at \(size), \(length - size)"])
        }
    }

    @Test("zeros at the end are room that was taken in advance, zeros before a batch are a hole")
    func zeros() throws {
        let size = try Self.batch(0).readableBytes
        for length in [1, 61, 300_000] {
            var bytes = try Self.batch(0)
            bytes.writeRepeatingByte(0, count: length)
            #expect(try self.walk(bytes) == ["batch 0 at 0", "unused at \(size), \(length)"])
            bytes.writeImmutableBuffer(try Self.batch(1))
            #expect(
                try self.walk(bytes) == ["batch 0 at 0", "damage at \(size), \(length)", "batch 1 at \(size + length)"])
        }
    }

    @Test("messages of the formats before batches are named and stepped over")
    func oldMessages() throws {
        var bytes = ByteBuffer()
        for magic in [0, 1] as [Int8] {
            bytes.writeInteger(Int64(magic))
            bytes.writeInteger(Int32(60))
            bytes.writeInteger(UInt32(0xdead_beef))
            bytes.writeInteger(magic)
            bytes.writeRepeatingByte(7, count: 55)
        }
        bytes.writeImmutableBuffer(try Self.batch(2))
        #expect(
            try self.walk(bytes) == ["magic 0 offset 0 at 0", "magic 1 offset 1 at 72", "batch 2 at 144"])
    }

    @Test("no bytes bring the walk to a stop or out of the file", arguments: 0..<100 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var bytes = try Self.segment(0..<5)
        for _ in 0..<Int.random(in: 1...20, using: &generator) {
            let place = Int.random(in: 0..<bytes.readableBytes, using: &generator)
            bytes.setInteger(UInt8.random(in: 0 ... .max, using: &generator), at: place)
        }
        _ = try self.walk(bytes)
        _ = try self.walk(ByteBuffer(bytes: generator.bytes(count: 500)))
        for kind in ["index", "timeindex", "txnindex", "snapshot"] {
            let file = try #require(DumpFile(path: "d/00000000000000000000.\(kind)"))
            _ = LogDumper.entries(ByteBuffer(bytes: generator.bytes(count: 300)), of: file)
        }
        let checkpoint = try #require(DumpFile(path: "d/leader-epoch-checkpoint"))
        _ = LogDumper.entries(ByteBuffer(bytes: generator.bytes(count: 300)), of: checkpoint)
    }
}

@Suite struct DumpFileTests {
    @Test(
        "files are known by their names",
        arguments: [
            ("00000000000000000042.log", DumpFile.Kind.log), ("00000000000000000042.index", .index),
            ("00000000000000000042.timeindex", .timeIndex), ("00000000000000000042.txnindex", .transactionIndex),
            ("00000000000000000042.snapshot", .snapshot), ("00000000000000000042.log.deleted", .log),
            ("00000000000000000042.index.swap", .index), ("00000000000000000042-0000000007.checkpoint", .log),
        ])
    func segments(name: String, kind: DumpFile.Kind) throws {
        let file = try #require(DumpFile(path: "/data/orders-0/\(name)"))
        #expect(file.kind == kind)
        #expect(file.baseOffset == 42)
        #expect(file.directoryName == "orders-0")
    }

    @Test("those that are no log's are not")
    func others() {
        for name in ["", "/", "1.log", "0000000000000000004x.log", "00000000000000000042.txt", "journal", ".log"] {
            #expect(DumpFile(path: name) == nil, "\(name)")
        }
        #expect(DumpFile(path: "99999999999999999999.log") == nil)
        #expect(DumpFile(path: "leader-epoch-checkpoint")?.kind == .checkpoint)
        #expect(DumpFile(path: "meta.properties")?.kind == .properties)
    }

    @Test("the groups' partitions are known by their directory")
    func groups() {
        #expect(DumpFile(path: "/d/__consumer_offsets-7/00000000000000000000.log")?.isOfGroups == true)
        #expect(DumpFile(path: "/d/orders-0/00000000000000000000.log")?.isOfGroups == false)
        #expect(DumpFile(path: "00000000000000000000.log")?.isOfGroups == false)
    }
}

@Suite struct DumpEntryTests {
    private func lines(_ entries: [DumpEntry]) -> [String] { entries.map(\.line) }

    @Test("indexes are taken apart, what is wrong in them is told")
    func indexes() {
        var bytes = ByteBuffer()
        for pair in [(3, 100), (9, 200), (5, 300)] as [(Int32, Int32)] {
            bytes.writeInteger(pair.0)
            bytes.writeInteger(pair.1)
        }
        bytes.writeRepeatingByte(0, count: 16)
        #expect(
            self.lines(IndexEntries.offsets(bytes, baseOffset: 1000)) == [
                "offset offset=1003 position=100", "offset offset=1009 position=200", "offset offset=1005 position=300",
                #"damage position=16 reason="it does not grow: 1005 follows 1009""#, "unused position=24 length=16",
            ])
        var torn = ByteBuffer(integer: Int64(1000))
        torn.writeInteger(Int32(7))
        torn.writeInteger(UInt8(1))
        #expect(
            self.lines(IndexEntries.times(torn, baseOffset: 10)) == [
                "time timestamp=1970-01-01T00:00:01.000Z offset=17",
                #"damage position=12 length=1 reason="an entry has 12 bytes, and these are left""#,
            ])
    }

    @Test("a snapshot with a wrong checksum is shown all the same")
    func snapshot() {
        var body = ByteBuffer(integer: Int32(1))
        body.writeInteger(Int64(5))
        body.writeInteger(Int16(0))
        body.writeInteger(Int32(9))
        body.writeInteger(Int64(99))
        body.writeInteger(Int32(2))
        body.writeInteger(Int64(-1))
        body.writeInteger(Int32(-1))
        body.writeInteger(Int64(-1))
        var good = ByteBuffer(integer: Int16(1))
        good.writeInteger(body.withUnsafeReadableBytes { crc32c($0) })
        good.writeImmutableBuffer(body)
        let producer =
            "producer producerId=5 producerEpoch=0 lastSequence=9 lastOffset=99 offsetDelta=2 timestamp=none"
            + " coordinatorEpoch=-1 currentTransactionFirstOffset=null"
        #expect(self.lines(IndexEntries.producers(good)) == [producer])
        good.setInteger(UInt32(0), at: 2)
        let entries = IndexEntries.producers(good)
        #expect(entries.map(\.isDamage) == [true, false])
        #expect(entries.last?.line == producer)
        #expect(IndexEntries.producers(ByteBuffer()).map(\.isDamage) == [true])
    }

    @Test("checkpoints are taken apart")
    func checkpoints() {
        let epochs = IndexEntries.checkpoint(ByteBuffer(string: "0\n2\n0 0\n3 17\n"), name: "leader-epoch-checkpoint")
        #expect(self.lines(epochs) == ["epoch epoch=0 startOffset=0", "epoch epoch=3 startOffset=17"])
        let offsets = IndexEntries.checkpoint(
            ByteBuffer(string: "0\n2\norders 1 7\nwhat\n"), name: "replication-offset-checkpoint")
        #expect(offsets.map(\.isDamage) == [false, true])
        #expect(offsets.first?.line == #"partition topic="orders" partition=1 offset=7"#)
    }

    @Test("a record of the group coordinator is shown in words, in text and in JSON")
    func groups() throws {
        var key = OffsetCommitKey()
        key.group = "payments"
        key.topic = "orders"
        key.partition = 3
        var value = OffsetCommitValue()
        value.offset = 17
        value.commitTimestamp = 1000
        let record = try Self.record(CoordinatorRecord.offsetCommit(key, value).encoded())
        let entry = DumpEntry.groupRecord(record)
        #expect(
            entry.line
                == #"  group offset=0 timestamp=1970-01-01T00:00:00.005Z record=OffsetCommit key={group="payments" "#
                + #"topic="orders" partition=3} value={offset=17 leaderEpoch=-1 metadata="" "#
                + "commitTimestamp=1970-01-01T00:00:01.000Z expireTimestamp=none}")
        var json = JSONWriter()
        entry.write(to: &json, file: "x.log")
        #expect(
            json.text
                == #"{"file":"x.log","type":"group","offset":0,"timestamp":5,"record":"OffsetCommit","key":{"group":"#
                + #""payments","topic":"orders","partition":3},"value":{"offset":17,"leaderEpoch":-1,"metadata":"","#
                + #""commitTimestamp":1000,"expireTimestamp":-1}}"#)
        let tombstone = try Self.record(CoordinatorRecord.offsetCommit(key, nil).encoded())
        #expect(DumpEntry.groupRecord(tombstone).line.hasSuffix("value=null"))
    }

    @Test("what is no record of the group coordinator is shown as bytes, damage as such")
    func noGroup() throws {
        let other = DumpEntry.groupRecord(try Self.record((ByteBuffer(integer: Int16(99)), ByteBuffer())))
        #expect(!other.isDamage && other.line.contains("undecoded="))
        let torn = DumpEntry.groupRecord(try Self.record((ByteBuffer(bytes: [0, 1, 0xff]), nil)))
        #expect(torn.isDamage && torn.line.contains("key=base64:AAH/"))
    }

    private static func record(_ parts: (key: ByteBuffer, value: ByteBuffer?)) throws -> Record {
        var builder = RecordBatchBuilder()
        try builder.append(key: parts.key, value: parts.value, timestamp: 5)
        var records = try builder.finish().records()
        return try #require(try records.next())
    }
}
