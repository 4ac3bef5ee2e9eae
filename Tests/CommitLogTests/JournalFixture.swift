// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import SimulatedIO
import Synchronization

@testable import CommitLog

/// Counts calls from any thread.
final class Counter: Sendable {
    private let count = Atomic(0)
    func add() { self.count.add(1, ordering: .relaxed) }
    var value: Int { self.count.load(ordering: .relaxed) }
}

/// A data directory on a simulated disk with a small journal, and one lane into it.
struct JournaledDirectory {
    /// Small, so that files are used again and again.
    static let options: Journal.Options = {
        var options = Journal.Options()
        options.fileByteCount = 24 << 10
        options.filesMax = 2
        options.seed = 7
        return options
    }()

    let directory: LogDirectory
    let lane: JournalLane

    /// Opens the directory and all logs in it, as a broker does at its start.
    init(_ disk: SimulatedFileSystem, config: LogConfig = LogConfig()) throws {
        self.directory = try LogDirectory.open(fileSystem: disk, path: "/data", journal: Self.options)
        for partition in try self.directory.partitions() {
            let log = try self.directory.openLog(partition, config: config, now: testNow)
            log.advanceHighWatermark(to: log.endOffset)
        }
        self.directory.journal.onWork {}
        try self.directory.startJournal()
        self.lane = self.directory.journal.makeLane()
    }

    static func partition(_ index: Int) -> TopicPartition {
        TopicPartition(topic: "orders", partition: PartitionIndex(Int32(index)))
    }

    static let topicID = TopicID(high: 1, low: 2)

    /// Makes partitions of one topic.
    @discardableResult
    func create(_ count: Int, topicID: TopicID = Self.topicID, config: LogConfig = LogConfig()) throws -> [PartitionLog]
    {
        try self.directory.createLogs(
            (0..<count).map { LogDirectory.NewPartition(Self.partition($0), topicID: topicID, config: config) },
            now: testNow)
    }

    /// Has journal files made or freed, as the broker's thread does.
    func maintain() { self.directory.journal.maintain() }

    /// Commits logs and throws the first failure.
    func commit(_ logs: [PartitionLog]) throws {
        var failure: LogError?
        var reported = 0
        self.lane.commit(logs) { _, outcome in
            reported += 1
            if case .failure(let error) = outcome { failure = failure ?? error }
        }
        precondition(reported == logs.count, "a commit reports on every log once")
        if let failure { throw failure }
    }
}
