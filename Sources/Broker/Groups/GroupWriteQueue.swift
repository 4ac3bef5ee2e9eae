// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaRecords
import KafkaWire
import NIOCore

/// What a shard of groups has to write, and the answers that wait for it. Without IO.
///
/// One write is under way at a time; whatever is added meanwhile goes together into the next, so commits share syncs the
/// more, the more there are. The records of one command are never parted: a batch is in the log whole or not at all.
struct GroupWriteQueue: Sendable {
    /// Bytes after which records go into another batch of the same write: what consumers are used to, and small enough for
    /// the cleaner.
    static let batchBytesMax = 1 << 20

    /// An answer that is ready but for the disk.
    struct Held: Sendable {
        let token: RequestToken
        let answer: GroupAnswer
        /// It may leave when this many commands are durable.
        fileprivate let sequence: UInt64
    }

    private var builder: RecordBatchBuilder
    private var sealed: [PreparedBatch] = []
    private var held = CircularBuffer<Held>()
    /// Commands with records so far, those of them that were handed out to be written, and those that are durable.
    private var added: UInt64 = 0
    private var takenUp: UInt64 = 0
    private var durable: UInt64 = 0
    private var isWriting = false

    init(codec: CompressionCodec = .none) {
        var options = RecordBatchBuilder.Options()
        options.codec = codec
        self.builder = RecordBatchBuilder(options)
    }

    /// Everything that was added is durable.
    var isIdle: Bool { self.durable == self.added }

    /// Adds the records of one command.
    ///
    /// - Throws: when they cannot be encoded or have no room in a batch: a mistake, as their parts came in frames with
    ///   limits. Nothing of them may be kept then.
    mutating func add(_ records: [CoordinatorRecord], wallMs: Int64) throws {
        if records.isEmpty { return }
        if self.builder.uncompressedSize >= Self.batchBytesMax { try self.seal() }
        for record in records {
            let (key, value) = try record.encoded()
            try self.builder.append(key: key, value: value, timestamp: wallMs)
        }
        self.added += 1
    }

    private mutating func seal() throws {
        if self.builder.isEmpty { return }
        self.sealed.append(PreparedBatch(trusting: try self.builder.finish()))
    }

    /// Keeps an answer back until everything added so far is durable; false when it already is.
    mutating func hold(_ token: RequestToken, _ answer: GroupAnswer) -> Bool {
        if self.isIdle { return false }
        self.held.append(Held(token: token, answer: answer, sequence: self.added))
        return true
    }

    /// The batches to write now, in order; nil while a write is under way, or when there is nothing to write.
    mutating func takeWrite() throws -> [PreparedBatch]? {
        if self.isWriting || self.takenUp == self.added { return nil }
        try self.seal()
        self.takenUp = self.added
        self.isWriting = true
        defer { self.sealed = [] }
        return self.sealed
    }

    /// The write under way is durable.
    ///
    /// - Returns: the answers that waited for it, in their order.
    mutating func finishWrite() -> [Held] {
        self.isWriting = false
        self.durable = self.takenUp
        var due: [Held] = []
        while let first = self.held.first, first.sequence <= self.durable { due.append(self.held.removeFirst()) }
        return due
    }
}
