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
        /// The connection is closed, for what the client sent.
        case close(reason: String)
        /// The connection is closed, for what went wrong here.
        case fail(reason: String)
    }

    /// A request whose answer is due.
    struct Due {
        let answer: Answer
        let byteCount: Int
        let timing: RequestTiming
        /// Where the request is counted; nil for an API that is not served.
        let api: RequestMetrics.API?
    }

    private struct Slot {
        let byteCount: Int
        let timing: RequestTiming
        let api: RequestMetrics.API?
        var answer: Answer?
    }

    private var slots = CircularBuffer<Slot>()
    private var firstSequence = 0
    /// Bytes of the requests in the queue.
    private(set) var byteCount = 0

    var isEmpty: Bool { self.slots.isEmpty }
    var count: Int { self.slots.count }

    /// Takes a place at the end for a request of that size.
    ///
    /// - Parameters:
    ///   - timing: when it came; goes along with it.
    ///   - api: where it is counted; goes along with it.
    mutating func reserve(byteCount: Int, _ timing: RequestTiming, _ api: RequestMetrics.API?) -> ID {
        self.slots.append(Slot(byteCount: byteCount, timing: timing, api: api, answer: nil))
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
    mutating func takeDue() -> Due? {
        guard let slot = self.slots.first, let answer = slot.answer else { return nil }
        self.slots.removeFirst()
        self.firstSequence += 1
        self.byteCount -= slot.byteCount
        return Due(answer: answer, byteCount: slot.byteCount, timing: slot.timing, api: slot.api)
    }

    /// Forgets everything and returns how many bytes each of the requests had.
    mutating func removeAll() -> [Int] {
        let released = self.slots.map(\.byteCount)
        self.firstSequence += self.slots.count
        self.slots.removeAll()
        self.byteCount = 0
        return released
    }
}
