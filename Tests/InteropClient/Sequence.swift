// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import Synchronization

/// Numbered records, as Tests/InteropTests/clients/sequence.py makes and checks them: record i goes to partition
/// i % partitions, and its bytes follow from i.
enum NumberedRecord {
    static let numberBytes = 8
    /// Problems beyond these say nothing new.
    static let problemsShown = 10
    /// How many records leave between two looks at the clock and the stop file.
    static let paceRecords = 50

    static func bytes(_ number: Int, size: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(size)
        buffer.writeInteger(UInt64(number))
        let filler = UInt32(truncatingIfNeeded: UInt64(number) &* 2_654_435_761)
        buffer.writeInteger(filler)
        // Twice as much with each step: a debug build would take most of a test's time for one number after the other.
        while buffer.readableBytes < size {
            let written = buffer.readableBytes - Self.numberBytes
            let missing = size - buffer.readableBytes
            guard let copy = buffer.getSlice(at: Self.numberBytes, length: min(written, missing)) else { break }
            buffer.writeImmutableBuffer(copy)
        }
        return buffer.getSlice(at: 0, length: size) ?? buffer
    }

    static func number(of value: ByteBuffer?) -> Int? {
        value?.getInteger(at: value?.readerIndex ?? 0, as: UInt64.self).flatMap { Int(exactly: $0) }
    }
}

/// Counts what was acknowledged, and tells how far it has come.
final class SendingProgress: Sendable {
    private struct State {
        var acknowledged = 0
        var failures: [String] = []
    }

    private let state = Mutex(State())
    private let file: String?

    init(file: String?) { self.file = file }

    func succeeded() throws {
        let count = self.state.withLock { state in
            state.acknowledged += 1
            return state.acknowledged
        }
        guard let file, count % NumberedRecord.paceRecords == 0 else { return }
        try Data("\(count)".utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    }

    func failed(_ error: any Error) {
        self.state.withLock { state in
            if state.failures.count < NumberedRecord.problemsShown { state.failures.append("\(error)") }
        }
    }

    func result(sent: Int) -> Answer {
        self.state.withLock { state in
            .object([
                "sent": .number(Int64(sent)), "acknowledged": .number(Int64(state.acknowledged)),
                "failures": .list(state.failures.map { .text($0) }),
            ])
        }
    }
}

/// Checks each record against the one that has to come next in its partition.
struct SequenceCheck {
    private let partitions: Int
    private let size: Int
    private var next: [Int]
    private(set) var count = 0
    private var problems: [String] = []

    init(partitions: Int, size: Int) {
        self.partitions = partitions
        self.size = size
        self.next = Array(0..<partitions)
    }

    mutating func receive(partition: Int, offset: Int64, value: ByteBuffer?) {
        self.count += 1
        let expected = self.next[partition]
        guard let number = NumberedRecord.number(of: value) else {
            return self.problem("partition \(partition) offset \(offset): no number")
        }
        if number != expected {
            let kind = number < expected ? "doubled or late" : "missing before it"
            self.problem("partition \(partition) offset \(offset): record \(number), not \(expected) (\(kind))")
        } else if value != NumberedRecord.bytes(number, size: self.size) {
            self.problem("partition \(partition) offset \(offset): record \(number) has other bytes than were sent")
        }
        self.next[partition] = max(expected, number + self.partitions)
    }

    private mutating func problem(_ text: String) {
        if self.problems.count < NumberedRecord.problemsShown { self.problems.append(text) }
    }

    var result: Answer {
        .object(["count": .number(Int64(self.count)), "problems": .list(self.problems.map { .text($0) })])
    }
}
