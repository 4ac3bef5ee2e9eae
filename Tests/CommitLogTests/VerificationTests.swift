// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import SimulatedIO
import NIOCore
import Testing

@testable import CommitLog

@Suite("Verifying a data directory")
struct VerificationTests {
    private static let directory = "/data/orders-3"

    private static var config: LogConfig {
        var config = LogConfig()
        config.indexIntervalBytes = 500
        config.retentionMs = -1
        return config
    }

    /// Three segments of ten batches with a record each, one producer; closed in order or killed.
    private func makeDisk(isClean: Bool) throws -> SimulatedFileSystem {
        let disk = SimulatedFileSystem(directories: ["/data"])
        let directory = try LogDirectory.open(fileSystem: disk, path: "/data")
        try directory.writeMetaProperties(
            MetaProperties(clusterID: "c", nodeID: NodeID(1), directoryID: UUID128(high: 1, low: 2)))
        let log = try directory.createLogs(
            [LogDirectory.NewPartition(testPartition, topicID: TopicID(high: 3, low: 4), config: Self.config)],
            now: testNow)[0]
        for number in 0..<30 {
            if number > 0, number % 10 == 0 { try log.roll(now: testNow) }
            try log.put(
                makeBatch(
                    BatchShape(
                        values: ["\(100 + number)" + String(repeating: "v", count: 200)],
                        timestamps: [testNow + Int64(number)], producerID: 7, sequence: Int32(number))))
        }
        try log.flush()
        log.advanceHighWatermark(to: 30)
        if isClean {
            try directory.shutDown()
        } else {
            try directory.checkpoint(force: true)
            disk.killProcess()
        }
        return disk
    }

    private func verify(
        _ disk: SimulatedFileSystem, isDeep: Bool = false
    ) throws -> (findings: [VerificationFinding], summary: VerificationSummary) {
        var findings: [VerificationFinding] = []
        var verifier = LogVerifier(fileSystem: disk, path: "/data", isDeep: isDeep) { findings.append($0) }
        let summary = try verifier.run()
        return (findings, summary)
    }

    private func log(_ base: Int64, _ kind: String = "log") -> String { Self.directory + "/" + segmentFile(base, kind) }

    private func size(_ disk: SimulatedFileSystem, _ path: String) -> Int { disk.contents(of: path)?.count ?? 0 }

    @Test("a directory that nothing happened to is sound, and stays as it is", arguments: [false, true])
    func sound(isClean: Bool) throws {
        let disk = try self.makeDisk(isClean: isClean)
        disk.clearTrace()
        let (findings, summary) = try self.verify(disk, isDeep: true)
        #expect(findings.isEmpty, "\(findings)")
        #expect(summary.isSound && summary.wasCleanShutdown == isClean && !summary.isInUse)
        #expect(summary.partitions == 1 && summary.segments == 3 && summary.batches == 30 && summary.records == 30)
        #expect(summary.bytes == [0, 10, 20].reduce(0) { $0 + Int64(self.size(disk, self.log($1))) })
        #expect(!disk.trace.contains { $0.isChange && $0.kind != .lock }, "\(disk.trace.filter(\.isChange))")
    }

    @Test("a damaged batch is an error with file, position, offsets and advice")
    func damage() throws {
        let disk = try self.makeDisk(isClean: true)
        let batchSize = self.size(disk, self.log(10)) / 10
        disk.damage(self.log(10), at: batchSize * 4 + 70)
        disk.damage(self.log(20), at: batchSize * 9 + 3)
        let (findings, summary) = try self.verify(disk)
        #expect(findings.map(\.file) == [10, 20].map { "orders-3/" + segmentFile($0, "log") })
        #expect(findings.map(\.severity) == [.error, .error])
        #expect(findings.map(\.position) == [Int64(batchSize * 4), Int64(batchSize * 9)])
        #expect(findings.map(\.startOffset) == [14, 29])
        #expect(findings.map(\.endOffset) == [15, 30])
        #expect(findings.first?.advice.contains("offset 15") == true)
        #expect(!summary.isSound && summary.errors == 2 && summary.batches == 28)
    }

    @Test("a torn end behind the recovery point is a warning, before it an error", arguments: [false, true])
    func tornEnd(isBeforeRecoveryPoint: Bool) throws {
        let disk = try self.makeDisk(isClean: false)
        if !isBeforeRecoveryPoint {
            try disk.removeFile("/data/recovery-point-offset-checkpoint")
            try disk.removeFile("/data/replication-offset-checkpoint")
        }
        try disk.open(self.log(20), .readWrite).truncate(to: Int64(self.size(disk, self.log(20)) - 5))
        let (findings, summary) = try self.verify(disk)
        #expect(findings.first?.startOffset == 29)
        #expect(summary.isSound == !isBeforeRecoveryPoint, "\(findings)")
        #expect(findings.first?.severity == (isBeforeRecoveryPoint ? .error : .warning))
    }

    @Test("a lie in an index, a snapshot, a checkpoint or another small file is found")
    func otherFiles() throws {
        let files = [
            (self.log(10, "index"), 9), (self.log(10, "timeindex"), 5), (self.log(30, "snapshot"), 20),
            (Self.directory + "/leader-epoch-checkpoint", 4), (Self.directory + "/partition.metadata", 3),
            ("/data/recovery-point-offset-checkpoint", 0), ("/data/meta.properties", 8),
        ]
        for (path, position) in files {
            let disk = try self.makeDisk(isClean: true)
            disk.damage(path, at: position, xor: 1)
            let (findings, _) = try self.verify(disk)
            #expect("/data/" + (findings.first?.file ?? "") == path, "\(findings)")
            #expect(findings.count == 1 && (findings.first?.severity ?? .note) > .note)
        }
    }

    @Test("a segment or the end of a log that is gone is found by what should be there")
    func missing() throws {
        var disk = try self.makeDisk(isClean: true)
        try disk.removeFile(self.log(20))
        #expect(try self.verify(disk).findings.contains { $0.severity == .error && $0.startOffset == 20 })
        disk = try self.makeDisk(isClean: true)
        try disk.removeFile(self.log(10))
        let (findings, _) = try self.verify(disk)
        #expect(findings.contains { $0.startOffset == 10 && $0.endOffset == 20 && $0.severity == .warning })
    }

    @Test("a broker that runs is told of, and journals and leftovers are known")
    func inUseAndStrays() throws {
        let disk = try self.makeDisk(isClean: true)
        let lock = try disk.lock("/data/.lock")
        try disk.open("/data/martlet-journal.0", .create).truncate(to: 8_192)
        _ = try disk.open("/data/martlet-reserve", .create)
        _ = try disk.open("/data/metadata.sqlite-wal", .create)
        _ = try disk.open("/data/somebody.else", .create)
        _ = try disk.open(Self.directory + "/x.tmp", .create)
        let (findings, summary) = try self.verify(disk)
        #expect(summary.isInUse && summary.isSound)
        #expect(findings.map(\.file) == ["somebody.else", "orders-3/x.tmp"])
        withExtendedLifetime(lock) {}
    }

    @Test("a deep verification reads the records of batches whose checksum is right")
    func deep() throws {
        let disk = try self.makeDisk(isClean: true)
        // A batch as a broker that does not look at records would have stored it.
        let path = self.log(20)
        var bytes = try #require(disk.contents(of: path))
        let start = bytes.count / 10 * 9
        bytes[start + 61] ^= 0x55
        let crc = bytes[(start + 21)...].withUnsafeBytes { crc32c($0) }
        withUnsafeBytes(of: crc.bigEndian) { bytes.replaceSubrange((start + 17)..<(start + 21), with: $0) }
        try disk.open(path, .readWrite).write(bytes, at: 0)
        #expect(try self.verify(disk).findings.isEmpty)
        let (findings, _) = try self.verify(disk, isDeep: true)
        #expect(findings.map(\.startOffset) == [29])
        #expect(findings.map(\.severity) == [.error])
    }

    // MARK: - Scrubbing

    private func scrub(_ log: PartitionLog, _ base: Int64, byteCount: Int64 = 700) throws -> Int {
        var scrub = try #require(try log.beginScrub(of: base))
        var pieces = 0
        while try scrub.advance(byteCount: byteCount) != nil { pieces += 1 }
        return pieces
    }

    @Test("a scrub reads in pieces, notes damage and makes wrong indexes anew")
    func scrubbing() throws {
        let disk = try self.makeDisk(isClean: true)
        let batchSize = self.size(disk, self.log(10)) / 10
        let right = [self.log(10, "index"), self.log(10, "timeindex")].map { disk.contents(of: $0) }
        for position in [3, 9, 15] {
            disk.damage(self.log(10, "index"), at: position, xor: 2)
            disk.damage(self.log(10, "timeindex"), at: position, xor: 2)
        }
        let log = try PartitionLog.openTest(Self.directory, fileSystem: disk, config: Self.config)
        #expect(log.sealedSegments.map(\.baseOffset) == [0, 10])
        #expect(try log.beginScrub(of: 20) == nil)
        #expect(try log.beginScrub(of: 5) == nil)
        #expect(try self.scrub(log, 10) > 2)
        #expect(log.damagedRanges.isEmpty)
        #expect([self.log(10, "index"), self.log(10, "timeindex")].map { disk.contents(of: $0) } == right)
        #expect(try log.offsetForTimestamp(testNow + 15)?.offset == 15)
        disk.damage(self.log(0), at: batchSize * 2 + 90)
        disk.damage(self.log(0), at: batchSize * 5 + 90)
        #expect(try self.scrub(log, 0) > 2)
        #expect(log.damagedRanges.map { [$0.startOffset, $0.endOffset] } == [[2, 3], [5, 6]])
        // The second time nothing is new.
        let names = try disk.list(Self.directory)
        #expect(try self.scrub(log, 0) > 2)
        #expect(log.damagedRanges.count == 2)
        #expect(try disk.list(Self.directory) == names)
    }

    @Test("a scrub ends when its log is closed or its segment deleted")
    func scrubbingWhatGoes() throws {
        let disk = try self.makeDisk(isClean: true)
        let log = try PartitionLog.openTest(Self.directory, fileSystem: disk, config: Self.config)
        var scrub = try #require(try log.beginScrub(of: 0))
        #expect(try scrub.advance(byteCount: 1) != nil)
        log.advanceHighWatermark(to: 30)
        try log.deleteRecords(before: 10)
        try log.applyRetention(now: testNow)
        while try scrub.advance(byteCount: 1_000) != nil {}
        #expect(log.damagedRanges.isEmpty)
        try log.close()
        #expect(throws: LogError.closed(testPartition)) { try log.beginScrub(of: 10) }
    }
}
