// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaRecords
import KafkaTypes
import NIOCore
import Testing

/// Figures are printed, and nothing is asserted of them: machines differ.
@Suite("Speed, printed", .serialized)
struct SpeedTests {
    let directory = TemporaryDirectory()

    private func measure(_ body: () throws -> Void) rethrows -> Double {
        let duration = try ContinuousClock().measure(body)
        return Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    @Test("appends of 16 KiB batches, and sequential reads of them")
    func appends() throws {
        let log = try PartitionLog.openTest(self.directory.path)
        let prepared = largeBatch(16 << 10)
        let count = 16_384
        for perCall in [1, 16] {
            let call = Array(repeating: prepared, count: perCall)
            let seconds = try self.measure {
                for _ in 0..<(count / perCall) {
                    for result in log.append(call, leaderEpoch: 0, now: testNow) { _ = try result.get() }
                }
            }
            let rate = Int(Double(count) / seconds)
            print("append of 16 KiB batches, \(perCall) a call: \(rate) batches/s, \(rate / 64) MiB/s")
        }
        for (name, from, limit) in [("sealed or far from the tail", 0, 16_384), ("near the tail", 32_700, 32_768)] {
            var reads = 0
            let seconds = try self.measure {
                for _ in 0..<(name == "near the tail" ? 500 : 1) {
                    var next = Int64(from)
                    while next < Int64(limit) {
                        let slice = try log.read(
                            from: next, maxBytes: 16_500, atLeastOneBatch: true, upTo: log.endOffset - 1)
                        if slice.isEmpty { break }
                        next += 1
                        reads += 1
                    }
                }
            }
            print("lookups \(name): \(Int(Double(reads) / seconds)) reads/s")
        }
    }

    @Test("opening 1,000 partitions after a clean shutdown and after a kill")
    func opening() throws {
        let path = self.directory.path
        let id = UUID128(high: 1, low: 2)
        do {
            let directory = try LogDirectory.open(fileSystem: POSIXFileSystem(), path: path)
            let new = (0..<1_000 as Range<Int32>).map {
                LogDirectory.NewPartition(
                    TopicPartition(topic: "t", partition: PartitionIndex($0)), topicID: id, config: LogConfig())
            }
            let create = try self.measure { _ = try directory.createLogs(new, now: testNow) }
            for log in directory.logs.values {
                try log.put(largeBatch(2_000), sequenced(3, producer: 7, from: 0), largeBatch(9_000), batch("a"))
            }
            let flush = try self.measure { for log in directory.logs.values { try log.flush() } }
            let close = try self.measure { try directory.shutDown() }
            print("1,000 partitions: create \(create) s, first flush \(flush) s, clean shutdown \(close) s")
        }
        for kind in ["clean shutdown", "kill"] {
            var directory: LogDirectory?
            let seconds = try self.measure {
                directory = try LogDirectory.open(fileSystem: POSIXFileSystem(), path: path)
                #expect(try directory!.openLogs(now: testNow) { _ in LogConfig() }.isEmpty)
            }
            #expect(directory?.wasCleanShutdown == (kind == "clean shutdown"))
            #expect(directory?.logs.values.allSatisfy { $0.endOffset == 6 } == true)
            print("opening 1,000 partitions after a \(kind): \(seconds) s")
            directory = nil
        }
    }
}
