// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore

/// The small files of a log, taken apart: indexes, snapshots of producers, checkpoints. Whatever the bytes are, there is
/// an answer; what they should not be is an entry that says so.
enum IndexEntries {
    /// A file of fixed-size entries, whose first entries are used; what is left of the room for others is zeros.
    private static func fixed(
        _ bytes: ByteBuffer, size: Int, read: (inout ByteBuffer) -> (entry: DumpEntry, key: Int64)?
    ) -> [DumpEntry] {
        var entries: [DumpEntry] = []
        var bytes = bytes
        var position: Int64 = 0
        var last: Int64?
        while bytes.readableBytes >= size {
            if bytes.withUnsafeReadableBytes({ $0.allSatisfy { $0 == 0 } }) {
                let unused = DumpEntry(
                    "unused",
                    [
                        DumpField("position", .integer(position)),
                        DumpField("length", .integer(Int64(bytes.readableBytes))),
                    ])
                return entries + [unused]
            }
            guard var slice = bytes.readSlice(length: size), let (entry, key) = read(&slice) else {
                entries.append(.damage(at: position, "this cannot be an entry", length: Int64(size)))
                position += Int64(size)
                continue
            }
            entries.append(entry)
            if let last, key <= last {
                entries.append(.damage(at: position, "it does not grow: \(key) follows \(last)"))
            }
            last = key
            position += Int64(size)
        }
        if bytes.readableBytes > 0 {
            entries.append(
                .damage(
                    at: position, "an entry has \(size) bytes, and these are left", length: Int64(bytes.readableBytes)))
        }
        return entries
    }

    /// `.index`: the offset of the last record of a batch relative to the segment's, and where the batch begins.
    static func offsets(_ bytes: ByteBuffer, baseOffset: Int64) -> [DumpEntry] {
        self.fixed(bytes, size: 8) { bytes in
            guard let relative = bytes.readInteger(as: Int32.self), let position = bytes.readInteger(as: Int32.self),
                relative >= 0, position >= 0
            else { return nil }
            let offset = baseOffset &+ Int64(relative)
            let fields = [DumpField("offset", .integer(offset)), DumpField("position", .integer(Int64(position)))]
            return (DumpEntry("offset", fields), offset)
        }
    }

    /// `.timeindex`: the largest timestamp so far, and the offset of its record relative to the segment's.
    static func times(_ bytes: ByteBuffer, baseOffset: Int64) -> [DumpEntry] {
        self.fixed(bytes, size: 12) { bytes in
            guard let time = bytes.readInteger(as: Int64.self), let relative = bytes.readInteger(as: Int32.self),
                relative >= 0
            else { return nil }
            let fields = [
                DumpField("timestamp", .time(time)), DumpField("offset", .integer(baseOffset &+ Int64(relative))),
            ]
            return (DumpEntry("time", fields), time)
        }
    }

    /// `.txnindex`: the transactions that were aborted.
    static func transactions(_ bytes: ByteBuffer) -> [DumpEntry] {
        self.fixed(bytes, size: 34) { bytes in
            guard let version = bytes.readInteger(as: Int16.self), version == 0,
                let producer = bytes.readInteger(as: Int64.self), let first = bytes.readInteger(as: Int64.self),
                let last = bytes.readInteger(as: Int64.self), let stable = bytes.readInteger(as: Int64.self)
            else { return nil }
            let fields = [
                DumpField("producerId", .integer(producer)), DumpField("firstOffset", .integer(first)),
                DumpField("lastOffset", .integer(last)), DumpField("lastStableOffset", .integer(stable)),
            ]
            return (DumpEntry("aborted", fields), last)
        }
    }

    /// `.snapshot`: the idempotent producers before an offset.
    static func producers(_ bytes: ByteBuffer) -> [DumpEntry] {
        var bytes = bytes
        let size = Int64(bytes.readableBytes)
        guard let version = bytes.readInteger(as: Int16.self), let crc = bytes.readInteger(as: UInt32.self) else {
            return [.damage(at: 0, "a snapshot has at least 10 bytes", length: size)]
        }
        guard version == 1 else { return [.damage(at: 0, "version \(version) of snapshots is not known")] }
        var entries: [DumpEntry] = []
        let computed = bytes.withUnsafeReadableBytes { crc32c($0) }
        if computed != crc { entries.append(.damage(at: 2, "the checksum is \(crc) and should be \(computed)")) }
        guard let count = bytes.readInteger(as: Int32.self), count >= 0 else {
            return entries + [.damage(at: 6, "the number of producers is missing")]
        }
        for index in 0..<Int(count) {
            let position = size - Int64(bytes.readableBytes)
            guard let entry = self.producer(&bytes) else {
                return entries + [.damage(at: position, "\(count) producers are promised, and \(index) are there")]
            }
            entries.append(entry)
        }
        if bytes.readableBytes > 0 {
            entries.append(
                .damage(
                    at: size - Int64(bytes.readableBytes), "something follows the last producer",
                    length: Int64(bytes.readableBytes)))
        }
        return entries
    }

    private static func producer(_ bytes: inout ByteBuffer) -> DumpEntry? {
        guard let id = bytes.readInteger(as: Int64.self), let epoch = bytes.readInteger(as: Int16.self),
            let sequence = bytes.readInteger(as: Int32.self), let offset = bytes.readInteger(as: Int64.self),
            let delta = bytes.readInteger(as: Int32.self), let time = bytes.readInteger(as: Int64.self),
            let coordinator = bytes.readInteger(as: Int32.self), let open = bytes.readInteger(as: Int64.self)
        else { return nil }
        return DumpEntry(
            "producer",
            [
                DumpField("producerId", .integer(id)), DumpField("producerEpoch", .integer(Int64(epoch))),
                DumpField("lastSequence", .integer(Int64(sequence))), DumpField("lastOffset", .integer(offset)),
                DumpField("offsetDelta", .integer(Int64(delta))), DumpField("timestamp", .time(time)),
                DumpField("coordinatorEpoch", .integer(Int64(coordinator))),
                DumpField("currentTransactionFirstOffset", open < 0 ? .null : .integer(open)),
            ])
    }

    /// A checkpoint: a version, the number of entries, and the entries.
    static func checkpoint(_ bytes: ByteBuffer, name: Substring) -> [DumpEntry] {
        let lines = String(buffer: bytes).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 2, let version = Int64(lines[0]), let count = Int64(lines[1]), count >= 0 else {
            return [.damage(at: 0, "it begins with a version and a number of entries, and these are not there")]
        }
        var entries: [DumpEntry] = []
        if version != 0 { entries.append(.damage(at: 0, "version \(version) of checkpoints is not known")) }
        let rest = lines.dropFirst(2).filter { !$0.isEmpty }
        var position = Int64(lines[0].utf8.count + lines[1].utf8.count + 2)
        for line in rest {
            let parts = line.split(separator: " ")
            let numbers = parts.compactMap { Int64($0) }
            if name == "leader-epoch-checkpoint", numbers.count == 2, parts.count == 2 {
                entries.append(
                    DumpEntry(
                        "epoch",
                        [DumpField("epoch", .integer(numbers[0])), DumpField("startOffset", .integer(numbers[1]))]))
            } else if name.hasSuffix("offset-checkpoint"), parts.count == 3, numbers.count >= 2,
                let last = Int64(parts[2])
            {
                entries.append(
                    DumpEntry(
                        "partition",
                        [
                            DumpField("topic", .string(String(parts[0]))),
                            DumpField("partition", .integer(Int64(parts[1]) ?? -1)),
                            DumpField("offset", .integer(last)),
                        ]))
            } else if name == "damaged-ranges", numbers.count == 6 {
                entries.append(
                    DumpEntry(
                        "damagedRange",
                        [
                            DumpField("startOffset", .integer(numbers[0])),
                            DumpField("endOffset", .integer(numbers[1])),
                            DumpField("segment", .integer(numbers[2])),
                            DumpField("startPosition", .integer(numbers[3])),
                            DumpField("endPosition", .integer(numbers[4])),
                        ]))
            } else {
                entries.append(.damage(at: position, "\"\(line.prefix(80))\" is not an entry"))
            }
            position += Int64(line.utf8.count + 1)
        }
        if Int64(rest.count) != count {
            entries.append(.damage(at: 0, "it promises \(count) entries and has \(rest.count)"))
        }
        return entries
    }

    /// Lines of names and values, which are shown as they are.
    static func properties(_ bytes: ByteBuffer) -> [DumpEntry] {
        let text = String(buffer: bytes)
        return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            DumpEntry("line", [DumpField("text", .string(String(line)))])
        }
    }
}
