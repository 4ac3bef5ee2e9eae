// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import NIOCore

/// The requests of one connection that have no answer yet, in the order in which they came: answers leave in that
/// order (protocol guide, "Network").
///
/// A value without IO, owned by the connection.
struct AnswerQueue {
    /// Names a request until it is answered.
    struct ID: Equatable {
        fileprivate let sequence: Int
    }

    enum Answer {
        case send(ResponseFrame)
        /// The protocol has no answer to this request.
        case skip
        case close(reason: String)
    }

    private struct Slot {
        let byteCount: Int
        var answer: Answer?
    }

    private var slots = CircularBuffer<Slot>()
    private var firstSequence = 0
    /// Bytes of the requests in the queue.
    private(set) var byteCount = 0

    var isEmpty: Bool { self.slots.isEmpty }
    var count: Int { self.slots.count }

    /// Takes a place at the end for a request of that size.
    mutating func reserve(byteCount: Int) -> ID {
        self.slots.append(Slot(byteCount: byteCount, answer: nil))
        self.byteCount += byteCount
        return ID(sequence: self.firstSequence + self.slots.count - 1)
    }

    /// Puts an answer in its place. Ignored when the queue has been emptied since.
    mutating func fill(_ id: ID, with answer: Answer) {
        let position = id.sequence - self.firstSequence
        guard position >= 0, position < self.slots.count else { return }
        self.slots[self.slots.index(self.slots.startIndex, offsetBy: position)].answer = answer
    }

    /// Takes out the answer at the head; nil when it is not there yet.
    mutating func takeDue() -> (answer: Answer, byteCount: Int)? {
        guard let slot = self.slots.first, let answer = slot.answer else { return nil }
        self.slots.removeFirst()
        self.firstSequence += 1
        self.byteCount -= slot.byteCount
        return (answer, slot.byteCount)
    }

    /// Forgets everything and returns how many bytes that was.
    mutating func removeAll() -> Int {
        let released = self.byteCount
        self.firstSequence += self.slots.count
        self.slots.removeAll()
        self.byteCount = 0
        return released
    }
}
