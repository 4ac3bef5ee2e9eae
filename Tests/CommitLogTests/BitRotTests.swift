// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

/// What a disk may do to a file behind everybody's back.
private enum Rot: CaseIterable {
    case flippedBit, flippedByte, truncated, zeroedTail, emptied, removed

    func apply(to path: String, on disk: SimulatedFileSystem, using generator: inout SeededGenerator) throws -> String {
        let size = disk.contents(of: path)?.count ?? 0
        let position = size > 0 ? Int.random(in: 0..<size, using: &generator) : 0
        switch self {
        case .flippedBit:
            disk.damage(path, at: position, xor: 1 << UInt8.random(in: 0..<8, using: &generator))
        case .flippedByte:
            disk.damage(path, at: position, xor: UInt8.random(in: 1...255, using: &generator))
        case .truncated:
            try disk.open(path, .readWrite).truncate(to: Int64(position))
        case .zeroedTail:
            try disk.open(path, .readWrite).write([UInt8](repeating: 0, count: size - position), at: Int64(position))
        case .emptied:
            try disk.open(path, .readWrite).truncate(to: 0)
        case .removed:
            try disk.removeFile(path)
        }
        return "\(self) at \(position) of \(size) bytes of \(path)"
    }
}

@Suite("Bit rot in every kind of file")
struct BitRotTests {
    private static let directory = "/data/orders-3"
    private static let producer: Int64 = 7
    private static let count: Int64 = 60
    private static let logStart: Int64 = 12

    private static var config: LogConfig {
        var config = LogConfig()
        config.indexIntervalBytes = 400
        config.retentionMs = -1
        return config
    }

    /// A record that was acknowledged.
    private struct Truth {
        var value: String
        var timestamp: Int64
        var epoch: Int32
    }

    /// A log of four segments with three leader epochs, timestamps out of order, and deleted records at its beginning.
    private static func makeDisk(
        isClean: Bool, using generator: inout SeededGenerator
    ) throws -> (SimulatedFileSystem, [Int64: Truth]) {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let directory = try LogDirectory.open(fileSystem: disk, path: "/data")
        let log = try directory.createLogs(
            [LogDirectory.NewPartition(testPartition, topicID: TopicID(high: 3, low: 4), config: self.config)],
            now: testNow)[0]
        var truth: [Int64: Truth] = [:]
        var next: Int64 = 0
        while next < self.count {
            if next > 0, next % 15 == 0 { try log.roll(now: testNow) }
            let records = min(Int64.random(in: 1...3, using: &generator), 15 - next % 15)
            let epoch = Int32(next / 25)
            let values = (0..<records).map { "\(next + $0)-" + String(repeating: "v", count: Int(next + $0) * 3) }
            let timestamps = (0..<records).map {
                testNow + (next + $0) * 10 + Int64.random(in: -40...40, using: &generator)
            }
            try log.put(
                makeBatch(
                    BatchShape(
                        values: values, timestamps: timestamps, producerID: self.producer, sequence: Int32(next),
                        codec: generator.oneIn(3) ? .zstd : .none)),
                epoch: epoch)
            for index in 0..<Int(records) {
                truth[next + Int64(index)] = Truth(
                    value: values[index], timestamp: timestamps[index], epoch: epoch)
            }
            next += records
        }
        try log.flush()
        log.advanceHighWatermark(to: self.count)
        try log.deleteRecords(before: self.logStart)
        try directory.checkpointLogStartOffsets()
        if isClean {
            try directory.shutDown()
        } else {
            try directory.checkpoint(force: true)
            disk.killProcess()
        }
        return (disk, truth)
    }

    /// The files of the data directory and of the partition, less those that only say whose they are.
    private static func victims(_ disk: SimulatedFileSystem) throws -> [String] {
        let top = try disk.list("/data").filter { $0 != ".lock" && $0 != "orders-3" && $0 != ".kafka_cleanshutdown" }
        return top.sorted().map { "/data/" + $0 }
            + (try disk.list(self.directory)).sorted().map { self.directory + "/" + $0 }
    }

    /// Reads a whole log as a consumer that goes on behind damage. Whatever is given has to be true, and nothing may be
    /// missing without an error.
    private static func survivors(
        _ log: PartitionLog, _ truth: [Int64: Truth], _ label: String, using generator: inout SeededGenerator
    ) throws -> Set<Int64> {
        var seen: Set<Int64> = []
        var next = log.logStartOffset
        while next < log.endOffset {
            do throws(LogError) {
                let slice = try log.read(
                    from: next, maxBytes: Int.random(in: 1...4_000, using: &generator), atLeastOneBatch: true,
                    upTo: .max)
                var bytes = try slice.bytes()
                #expect(bytes.readableBytes > 0, "\(label): nothing at \(next)")
                if bytes.readableBytes == 0 { return seen }
                while bytes.readableBytes > 0 {
                    guard let batch = try? RecordBatch(parsing: bytes), batch.verifyChecksum(),
                        var records = try? batch.records()
                    else {
                        Issue.record("\(label): a bad batch was served at \(next)")
                        return seen
                    }
                    #expect(batch.header.baseOffset <= next, "\(label): \(next) is missing without an error")
                    while let record = try? records.next() {
                        if record.offset < next { continue }
                        let value = record.value.map { String(buffer: $0) }
                        #expect(value == truth[record.offset]?.value, "\(label): offset \(record.offset)")
                        seen.insert(record.offset)
                    }
                    next = batch.header.nextOffset
                    bytes.moveReaderIndex(forwardBy: batch.header.sizeInBytes)
                }
            } catch {
                guard case .corrupt(_, let range) = error, range.startOffset <= next, range.endOffset > next else {
                    Issue.record("\(label): \(error) at \(next)")
                    return seen
                }
                next = range.endOffset
            }
        }
        return seen
    }

    /// Lookups by timestamp, against those records that can be read.
    private static func checkTimestamps(
        _ log: PartitionLog, _ truth: [Int64: Truth], readable: Set<Int64>, _ label: String,
        using generator: inout SeededGenerator
    ) throws {
        for _ in 0..<6 {
            let timestamp = testNow + Int64.random(in: -60...680, using: &generator)
            let found = try log.offsetForTimestamp(timestamp)
            let expected = readable.filter { truth[$0]!.timestamp >= timestamp }.min()
            #expect(found?.offset == expected, "\(label): timestamp \(timestamp - testNow)")
        }
        let largest = readable.map { truth[$0]!.timestamp }.max()
        #expect(try log.maxTimestampOffset()?.timestamp == largest, "\(label)")
    }

    private static func open(
        _ disk: SimulatedFileSystem
    ) throws -> (LogDirectory, PartitionLog?, [(partition: TopicPartition, error: LogError)]) {
        let directory = try LogDirectory.open(fileSystem: disk, path: "/data")
        let failures = try directory.openLogs(now: testNow) { _ in self.config }
        return (directory, directory.log(testPartition), failures)
    }

    @Test("what is served is true, and the rest is an error", arguments: [false, true], 1...10)
    func everyFile(isClean: Bool, part: UInt64) throws {
        for seed in (part * 1_000)..<(part * 1_000 + 40) {
            var generator = SeededGenerator(seed: seed)
            let (disk, truth) = try Self.makeDisk(isClean: isClean, using: &generator)
            let victim = try #require(try Self.victims(disk).randomElement(using: &generator))
            let rot = try #require(Rot.allCases.randomElement(using: &generator))
            let label =
                "\(generator), \(isClean ? "clean" : "killed"): "
                + (try rot.apply(to: victim, on: disk, using: &generator))
            let isLog = victim.hasSuffix(".log")
            let (directory, opened, failures) = try Self.open(disk)
            guard let log = opened else {
                // Then it says why; only the log itself is worth that.
                #expect(!failures.isEmpty && isLog, "\(label)")
                continue
            }
            if generator.oneIn(2) {
                for time in [testNow, testNow + 300] { _ = try log.offsetForTimestamp(time) }
            }
            let seen = try Self.survivors(log, truth, label, using: &generator)
            if !isLog {
                let from = victim.hasSuffix("log-start-offset-checkpoint") ? log.logStartOffset : Self.logStart
                #expect(seen.isSuperset(of: from..<Self.count), "\(label): \(seen.count) are left")
                #expect(log.activeProducers(now: testNow).map(\.lastSequence) == [Int32(Self.count) - 1], "\(label)")
                for offset in seen {
                    #expect(log.leaderEpochCache.epoch(of: offset) == truth[offset]?.epoch, "\(label): \(offset)")
                }
            }
            #expect(log.endOffset >= Self.count, "\(label)")
            try Self.checkTimestamps(log, truth, readable: seen, label, using: &generator)
            // It goes on, and a restart changes nothing.
            let end = log.endOffset
            let appended = log.append([batch("next", timestamp: 0)], leaderEpoch: 1 << 30, now: testNow)
            #expect(throws: Never.self, "\(label)") { try appended[0].get() }
            var after = truth
            after[end] = Truth(value: "next", timestamp: 0, epoch: 1 << 30)
            try log.flush()
            if generator.oneIn(2) {
                try directory.shutDown()
            } else {
                try directory.checkpoint(force: generator.oneIn(2))
                disk.killProcess()
            }
            let again = try #require(try Self.open(disk).1, "\(label)")
            let seenAgain = try Self.survivors(again, after, label + ", again", using: &generator)
            #expect(seenAgain == seen.union([end]), "\(label), again")
        }
    }
}
