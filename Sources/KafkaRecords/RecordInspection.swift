// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// One walk over the uncompressed records of a batch from a producer: what each must be, and what the log wants to
/// know of them all.
///
/// A record whose bytes make no sense ends the walk, because nothing after it can be found. One that only breaks a
/// rule is noted, so that the producer hears of all of them.
struct RecordInspection {
    struct Summary {
        /// The largest timestamp, or -1.
        var maxTimestamp: Int64 = -1
        /// The first record that has it.
        var offsetDeltaOfMaxTimestamp: Int32 = 0
    }

    private let header: RecordBatchHeader
    private let isKeyRequired: Bool
    /// Timestamps are the producer's, so they are checked.
    private let isCreateTime: Bool
    /// The timestamps that may be, in milliseconds since 1970.
    private let timestamps: ClosedRange<Int64>
    private var problems: [BatchRejection.RecordProblem] = []
    /// Those that are not listed any more count, too.
    private var problemCount = 0
    private var code = BatchRejection.Code.invalidRecord

    init(_ configuration: BatchValidator.Configuration, header: RecordBatchHeader, now: Int64) {
        self.header = header
        self.isKeyRequired = configuration.isCompacted
        self.isCreateTime = configuration.timestampType == .createTime
        // A limit of 2^63 - 1 means none.
        let before = max(configuration.timestampBeforeMaxMs, 0)
        let after = max(configuration.timestampAfterMaxMs, 0)
        let (oldest, isEndless) = now.subtractingReportingOverflow(before)
        let (newest, isEverAllowed) = now.addingReportingOverflow(after)
        let lowest = isEndless || before == Int64.max ? Int64.min : oldest
        self.timestamps = lowest...(isEverAllowed ? Int64.max : max(newest, lowest))
    }

    mutating func run(_ records: ByteBuffer) throws(BatchRejection) -> Summary {
        // The result and not an error leaves the closure, because it may only throw without a type.
        let result: Result<Summary, RecordError> = records.withUnsafeReadableBytes { bytes in
            do throws(RecordError) {
                return .success(try self.walk(bytes))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .failure(let error): throw BatchRejection(error)
        case .success(let summary):
            guard self.problemCount == 0 else { throw self.rejection }
            return summary
        }
    }

    private mutating func walk(_ bytes: UnsafeRawBufferPointer) throws(RecordError) -> Summary {
        var cursor = RecordCursor(bytes)
        var summary = Summary()
        let baseTimestamp = self.header.baseTimestamp
        for index in 0..<self.header.recordCount {
            let record = try cursor.next()
            let timestamp = baseTimestamp &+ record.timestampDelta
            if timestamp > summary.maxTimestamp {
                summary.maxTimestamp = timestamp
                summary.offsetDeltaOfMaxTimestamp = index
            }
            let isOffsetRight = record.offsetDelta == index
            let isKeyRight = record.keyLength >= 0 || !self.isKeyRequired
            let isTimestampRight = !self.isCreateTime || timestamp == -1 || self.timestamps.contains(timestamp)
            if isOffsetRight && isKeyRight && isTimestampRight { continue }
            self.note(record, index, timestamp, isOffsetRight, isKeyRight)
        }
        guard cursor.remaining == 0 else { throw .trailingBatchBytes(count: cursor.remaining) }
        return summary
    }

    /// Keeps what is wrong with a record: the first thing of several.
    @inline(never)
    private mutating func note(
        _ record: RecordLayout, _ index: Int32, _ timestamp: Int64, _ isOffsetRight: Bool, _ isKeyRight: Bool
    ) {
        self.problemCount += 1
        // A wrong timestamp decides what the batch is answered with, whatever else is wrong.
        if isOffsetRight && isKeyRight { self.code = .invalidTimestamp }
        guard self.problems.count < BatchValidator.reportedProblemsMax else { return }
        let message =
            if !isOffsetRight {
                "the record has an offset delta of \(record.offsetDelta) where \(index) comes next"
            } else if !isKeyRight {
                "the record has no key: a compacted topic (cleanup.policy=compact) only takes records with a key"
            } else {
                "the timestamp \(timestamp) is out of range: the topic takes \(self.timestamps.lowerBound) to "
                    + "\(self.timestamps.upperBound) now (message.timestamp.before.max.ms, "
                    + "message.timestamp.after.max.ms)"
            }
        self.problems.append(.init(index: index, message: message))
    }

    private var rejection: BatchRejection {
        let first = self.problems.first
        let what = first.map { "; the first is record \($0.index): \($0.message)" } ?? ""
        return BatchRejection(
            self.code, "\(self.problemCount) of \(self.header.recordCount) records are refused\(what)",
            recordProblems: self.problems
        )
    }
}
