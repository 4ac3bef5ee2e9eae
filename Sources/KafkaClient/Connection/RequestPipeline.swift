// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Which requests of a connection are on their way and which wait, without any IO.
///
/// A broker answers the requests of a connection in their order, so the answer that comes belongs to the oldest. At most
/// `inFlightMax` requests are on their way; up to `waitingMax` more wait for them in order of arrival.
struct RequestPipeline<Request> {
    struct Entry {
        var correlationID: Int32
        /// A Produce with acks=0 has none.
        var expectsAnswer: Bool
        var request: Request
    }

    enum SubmitAction {
        /// Send it now.
        case write(Entry)
        /// It will be among the requests that a later `received` lets go.
        case wait
        /// Too many wait already.
        case reject(Request)
    }

    enum ReceiveAction {
        /// Hand the answer to `request`, then send `next`.
        case answer(request: Request, next: [Entry])
        /// The answer is not that of the oldest request: the connection is of no use any more.
        case unexpected(expectedCorrelationID: Int32?)
    }

    private let inFlightMax: Int
    private let waitingMax: Int
    private var inFlight = CircularBuffer<Entry>()
    private var waiting = CircularBuffer<Entry>()

    init(inFlightMax: Int, waitingMax: Int) {
        self.inFlightMax = max(inFlightMax, 1)
        self.waitingMax = max(waitingMax, 0)
    }

    mutating func submit(_ entry: Entry) -> SubmitAction {
        if self.waiting.isEmpty, self.inFlight.count < self.inFlightMax {
            if entry.expectsAnswer { self.inFlight.append(entry) }
            return .write(entry)
        }
        guard self.waiting.count < self.waitingMax else { return .reject(entry.request) }
        self.waiting.append(entry)
        return .wait
    }

    mutating func received(correlationID: Int32) -> ReceiveAction {
        guard let oldest = self.inFlight.first, oldest.correlationID == correlationID else {
            return .unexpected(expectedCorrelationID: self.inFlight.first?.correlationID)
        }
        self.inFlight.removeFirst()
        var next: [Entry] = []
        while self.inFlight.count < self.inFlightMax, let entry = self.waiting.popFirst() {
            if entry.expectsAnswer { self.inFlight.append(entry) }
            next.append(entry)
        }
        return .answer(request: oldest.request, next: next)
    }

    /// All requests, the oldest first: the connection has ended.
    mutating func removeAll() -> [Request] {
        let all = self.inFlight.map(\.request) + self.waiting.map(\.request)
        self.inFlight.removeAll()
        self.waiting.removeAll()
        return all
    }
}
