// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

@testable import CommitLog

@Suite("Data directories")
struct LogDirectoryTests {
    let directory = TemporaryDirectory()
    private var path: String { self.directory.path + "/data" }

    private func open() throws -> LogDirectory {
        try LogDirectory.open(fileSystem: POSIXFileSystem(), path: self.path)
    }

    private func partition(_ topic: String, _ number: Int32) -> TopicPartition {
        TopicPartition(topic: topic, partition: PartitionIndex(number))
    }

    private let topicID = UUID128(high: 0x1234_5678_9abc_4def, low: 0x8edc_ba98_7654_3210)

    private func new(_ topic: String, _ number: Int32) -> LogDirectory.NewPartition {
        LogDirectory.NewPartition(self.partition(topic, number), topicID: self.topicID, config: LogConfig())
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try RawFile.read(self.path + "/" + name), as: UTF8.self)
    }

    @Test("partitions survive a clean restart with their offsets, topic ids and deleted records")
    func cleanRestart() throws {
        do {
            let directory = try self.open()
            #expect(!directory.wasCleanShutdown)
            #expect(try directory.metaProperties() == nil)
            try directory.writeMetaProperties(
                MetaProperties(clusterID: "cluster", nodeID: 4, directoryID: self.topicID))
            let logs = try directory.createLogs(
                [self.new("a", 0), self.new("a", 1), self.new("b-c", 12)], now: testNow)
            #expect(throws: LogError.partitionExists(self.partition("a", 1))) {
                try directory.createLogs([self.new("a", 1)], now: testNow)
            }
            try logs[0].put(batch("x", "y", "z"))
            try logs[0].flush()
            logs[0].advanceHighWatermark(to: 3)
            try logs[0].deleteRecords(before: 2)
            try directory.checkpointLogStartOffsets()
            try directory.shutDown()
        }
        #expect(try self.text("log-start-offset-checkpoint") == "0\n1\na 0 2\n")
        #expect(try self.text("replication-offset-checkpoint") == "0\n3\na 0 3\na 1 0\nb-c 12 0\n")
        #expect(try self.text("recovery-point-offset-checkpoint") == "0\n3\na 0 3\na 1 0\nb-c 12 0\n")
        #expect(try self.text("a-0/partition.metadata") == "version: 0\ntopic_id: \(self.topicID)")
        #expect(try self.text(".kafka_cleanshutdown") == #"{"version":0,"brokerEpoch":-1}"#)

        let directory = try self.open()
        #expect(directory.wasCleanShutdown)
        #expect(!RawFile.exists(self.path + "/.kafka_cleanshutdown"))
        #expect(try directory.metaProperties()?.nodeID == 4)
        #expect(
            try directory.partitions() == [
                self.partition("a", 0), self.partition("a", 1), self.partition("b-c", 12),
            ])
        #expect(try directory.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        let log = try #require(directory.log(self.partition("a", 0)))
        #expect(log.logStartOffset == 2 && log.endOffset == 3 && log.highWatermark == 3)
        #expect(directory.topicID(of: self.partition("b-c", 12)) == self.topicID)
    }

    @Test("without the marker every log is recovered, and nothing flushed is lost")
    func uncleanRestart() throws {
        do {
            let directory = try self.open()
            let log = try directory.createLogs([self.new("a", 0)], now: testNow)[0]
            try log.put(batch("x"), batch("y"))
            try log.flush()
            try directory.checkpoint(force: true)
            try log.put(batch("z"))
            try log.flush()
        }
        let directory = try self.open()
        #expect(!directory.wasCleanShutdown)
        #expect(try directory.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        let log = try #require(directory.log(self.partition("a", 0)))
        #expect(try log.values == ["x", "y", "z"])
        #expect(log.recoveryPoint == 2)
    }

    @Test("a directory in use is not opened a second time, and is free again after the shutdown")
    func locking() throws {
        let directory = try self.open()
        #expect(throws: LogError.directoryLocked(path: self.path)) { try self.open() }
        try directory.shutDown()
        _ = try self.open()
    }

    @Test("a deleted partition is gone at once, its space later, and its offsets are not inherited")
    func deletion() throws {
        do {
            let directory = try self.open()
            let log = try directory.createLogs([self.new("a", 0), self.new("b", 0)], now: testNow)[0]
            try log.put(batch("x"), batch("y"))
            try directory.checkpoint(force: true)
            let slice = try log.read(from: 0, maxBytes: 1_000, atLeastOneBatch: true, upTo: .max)
            try directory.deleteLogs([self.partition("a", 0), self.partition("none", 0)], deletionID: self.topicID)
            #expect(directory.log(self.partition("a", 0)) == nil)
            #expect(throws: LogError.closed(self.partition("a", 0))) { try log.values }
            #expect(
                log.append([batch("z")], leaderEpoch: 0, now: testNow) == [
                    .failure(.storage(.closed(self.partition("a", 0))))
                ])
            #expect(try slice.bytes().readableBytes == slice.byteCount)
            #expect(try self.text("recovery-point-offset-checkpoint") == "0\n1\nb 0 0\n")
            #expect(RawFile.exists(self.path + "/a-0.123456789abc4def8edcba9876543210-delete"))
        }
        let directory = try self.open()
        #expect(try directory.partitions() == [self.partition("b", 0)])
        try directory.removeDeletedDirectories()
        #expect(try !POSIXFileSystem().list(self.path).contains { $0.hasSuffix("-delete") })
        let log = try directory.createLogs([self.new("a", 0)], now: testNow)[0]
        #expect(log.endOffset == 0 && log.recoveryPoint == 0)
    }

    @Test("checkpoints that name partitions that are gone are not believed when one is made anew")
    func staleCheckpoints() throws {
        _ = try self.open()
        try RawFile.write(Array("0\n1\na 0 77\n".utf8), to: self.path + "/recovery-point-offset-checkpoint")
        try RawFile.write(Array("0\n1\na 0 50\n".utf8), to: self.path + "/log-start-offset-checkpoint")
        do {
            let directory = try self.open()
            let log = try directory.createLogs([self.new("a", 0)], now: testNow)[0]
            try log.put(batch("x"))
            try log.flush()
        }
        let directory = try self.open()
        #expect(try directory.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        let log = try #require(directory.log(self.partition("a", 0)))
        #expect(log.logStartOffset == 0 && log.endOffset == 1 && log.damagedRanges.isEmpty)
    }

    @Test(
        "malformed checkpoints and metadata are ignored, not trusted and not fatal",
        arguments: [
            "", "0", "0\n", "1\n0\n", "0\n2\na 0 1\n", "0\n1\na 0 -5\n", "0\n1\na x 5\n", "0\n1\na 0 5 6\n",
            "0\n-1\n", "0\n99999999999999999999\n", "0\n1\na 0 5\ngarbage\n", "\u{0}\u{0}\u{0}",
        ])
    func malformed(text: String) throws {
        do {
            let directory = try self.open()
            try directory.createLogs([self.new("a", 0)], now: testNow)[0].put(batch("x"))
        }
        for checkpoint in OffsetCheckpoint.allCases {
            try RawFile.write(Array(text.utf8), to: self.path + "/" + checkpoint.rawValue)
        }
        try RawFile.write(Array(text.utf8), to: self.path + "/a-0/partition.metadata")
        let directory = try self.open()
        #expect(try directory.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
        #expect(try directory.log(self.partition("a", 0))?.values == ["x"])
        #expect(directory.topicID(of: self.partition("a", 0)) == nil)
    }

    @Test("directory names stand for partitions in exactly one spelling")
    func names() {
        func name(_ text: String) -> String? { LogDirectory.partition(ofDirectory: text)?.description }
        for text in ["a-0", "a-b-12", "x.y_z-2147483647", "--3"] { #expect(name(text) == text) }
        for text in ["a", "a-", "-1", "a-01", "a-+1", "a-2147483648", "a b-1", "ä-1", "a-1.abc-delete", "a-0-future"] {
            #expect(name(text) == nil, "\(text)")
        }
        let long = self.partition(String(repeating: "t", count: 249), 123)
        let deleted = LogDirectory.deletedName(long, deletionID: self.topicID)
        #expect(deleted.utf8.count == 255)
        #expect(LogDirectory.isDeletedName(deleted))
        #expect(LogDirectory.partition(ofDirectory: deleted) == nil)
    }

    @Test("meta.properties is read as Kafka writes it, and anything else is malformed")
    func metaProperties() throws {
        let text =
            "#\n#Sat Nov 21 09:00:00 UTC 2026\ncluster.id=abc\nversion=1\nnode.id=1\ndirectory.id=\(self.topicID)\n"
        let read = try MetaProperties.parse(text, path: "x")
        #expect(read == MetaProperties(clusterID: "abc", nodeID: 1, directoryID: self.topicID))
        #expect(try MetaProperties.parse(read.text, path: "x") == read)
        for text in [
            "", "version=0\n", "version=1\ncluster.id=\nnode.id=1", "version=1\ncluster.id=a\nnode.id=-1",
            "version=1\ncluster.id=a\nnode.id=1\ndirectory.id=zz",
        ] {
            #expect(throws: LogError.self) { try MetaProperties.parse(text, path: "x") }
        }
    }

    @Test("a shutdown with a log that could not be opened is not called clean")
    func unopened() throws {
        do {
            let directory = try self.open()
            try directory.createLogs([self.new("a", 0), self.new("b", 0)], now: testNow)
        }
        do {
            let directory = try self.open()
            _ = try directory.openLog(self.partition("a", 0), config: LogConfig(), now: testNow)
            try directory.shutDown()
        }
        #expect(try !self.open().wasCleanShutdown)
    }
}
