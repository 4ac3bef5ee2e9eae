// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// Which requests of a connection are on their way and which wait, without any IO.
///
/// A broker answers the requests of a connection in their order, so the answer that comes belongs to the oldest. At most
/// `inFlightMax` requests are on their way; up to `waitingMax` more wait for them in order of arrival. While the client
/// logs in, the requests of the login are all that is sent; the others wait.
struct RequestPipeline<Request> {
    struct Entry {
        var correlationID: Int32
        /// A Produce with acks=0 has none.
        var expectsAnswer: Bool
        /// Part of a login: nothing but more of it may follow until ``endLogin()``.
        var isLogin = false
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
    private var isLoggingIn = false

    /// Nothing is on its way, and nothing waits.
    var isEmpty: Bool { self.inFlight.isEmpty && self.waiting.isEmpty }

    init(inFlightMax: Int, waitingMax: Int) {
        self.inFlightMax = max(inFlightMax, 1)
        self.waitingMax = max(waitingMax, 0)
    }

    mutating func submit(_ entry: Entry) -> SubmitAction {
        if entry.isLogin {
            self.isLoggingIn = true
            self.inFlight.append(entry)
            return .write(entry)
        }
        if !self.isLoggingIn, self.waiting.isEmpty, self.inFlight.count < self.inFlightMax {
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
        return .answer(request: oldest.request, next: self.nextToSend())
    }

    /// The login is over: returns what has waited for it and is to be sent now.
    mutating func endLogin() -> [Entry] {
        self.isLoggingIn = false
        return self.nextToSend()
    }

    private mutating func nextToSend() -> [Entry] {
        var next: [Entry] = []
        while !self.isLoggingIn, self.inFlight.count < self.inFlightMax, let entry = self.waiting.popFirst() {
            if entry.expectsAnswer { self.inFlight.append(entry) }
            next.append(entry)
        }
        return next
    }

    /// All requests, the oldest first: the connection has ended.
    mutating func removeAll() -> [Request] {
        let all = self.inFlight.map(\.request) + self.waiting.map(\.request)
        self.inFlight.removeAll()
        self.waiting.removeAll()
        return all
    }
}
