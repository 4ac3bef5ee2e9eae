// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import Synchronization

/// Prints the records of batches that may come from several tasks at once, a whole batch at a time.
final class RecordPrinter: Sendable {
    private struct State {
        var output: StandardOutput
        /// Records that may still be printed; nil for any number.
        var remaining: Int64?
        let decompressor = Decompressor()
    }

    private let format: RecordFormat
    private let progress: ProgressBar?
    private let state: Mutex<State>

    init(
        _ format: RecordFormat, countMax: Int64?, progress: ProgressBar? = nil,
        output: sending StandardOutput = StandardOutput()
    ) {
        self.format = format
        self.progress = progress
        self.state = Mutex(State(output: output, remaining: countMax))
    }

    /// Prints the records of a batch that are wanted, and says whether more are. Throws `OutputClosed`, and
    /// `CommandFailure` for a batch that is damaged.
    func print(_ batch: ReadBatch) throws -> ReadDecision {
        try self.state.withLock { state in
            if try self.write(batch.batch, of: batch.partition, from: batch.start, upTo: batch.end, &state) != nil {
                try state.output.flush()
                return .stop
            }
            if !batch.isFollowed { try state.output.flush() }
            self.progress?.advance(by: batch.offsetCount)
            return .more
        }
    }

    /// The same for a member of a group: everything has been written when it returns. Returns the offset of the first
    /// record that is not wanted any more, once there have been enough.
    func printAndFlush(_ batch: ConsumedBatch) throws -> Offset? {
        try self.state.withLock { state in
            let end = try self.write(batch.batch, of: batch.partition, from: batch.start, upTo: nil, &state)
            try state.output.flush()
            return end
        }
    }

    /// Returns the offset of the first record that is not wanted any more, once there have been enough; nil while more
    /// are wanted.
    private func write(
        _ batch: RecordBatch, of partition: TopicPartition, from start: Offset, upTo end: Offset?,
        _ state: inout State
    ) throws -> Offset? {
        if let remaining = state.remaining, remaining <= 0 { return start }
        do {
            let writer = self.format.writer(for: partition)
            var records = try batch.records(using: state.decompressor)
            while let record = try records.next() {
                guard record.offset >= start.rawValue, record.offset < end?.rawValue ?? Int64.max else { continue }
                writer.write(record, to: &state.output.buffer)
                try state.output.flushIfLarge()
                guard let remaining = state.remaining else { continue }
                state.remaining = remaining - 1
                if remaining == 1 { return Offset(record.offset) + 1 }
            }
            return nil
        } catch let error as RecordError {
            try state.output.flush()
            let header = batch.header
            throw CommandFailure(
                "\(partition): the batch at offset \(header.baseOffset) is damaged: \(error)",
                hint: "--from \(header.nextOffset) skips it")
        }
    }

    func flush() throws {
        try self.state.withLock { try $0.output.flush() }
    }
}

extension ReadBatch {
    /// How many offsets of the range that is wanted the batch takes care of, those that compaction has removed among
    /// them.
    fileprivate var offsetCount: Int64 {
        let header = self.batch.header
        let first = max(header.baseOffset, self.start.rawValue)
        let end = min(header.nextOffset, self.end?.rawValue ?? .max)
        return max(end.subtractingReportingOverflow(first).partialValue, 0)
    }
}
