// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Synchronization

/// What one connection may hold of the broker's memory and time.
struct ConnectionLimits: Sendable {
    /// Bytes of one request at the most: the config `socket.request.max.bytes`.
    var maxFrameSize: Int
    /// Bytes of unanswered requests past which the socket is not read. One request may be larger.
    var maxUnansweredBytes = 16 * 1024 * 1024
    /// Unanswered requests past which the socket is not read.
    var maxUnansweredRequests = 1_000
    /// How long a connection may be silent: the config `connections.max.idle.ms`; nil for ever.
    var maxIdle: TimeAmount?
}

/// Counts the bytes of requests that are being served on all connections. Past the limit (the config
/// `queued.max.request.bytes`) a connection with a request under way is not read from; one without may always send
/// one, so that everybody gets on.
final class RequestBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    /// - Parameter limit: bytes; 0 or less for no limit, as Kafka's -1.
    init(limit: Int) {
        self.limit = limit > 0 ? limit : Int.max
    }

    var isExhausted: Bool { self.used.load(ordering: .relaxed) >= self.limit }

    func take(_ byteCount: Int) {
        self.used.add(byteCount, ordering: .relaxed)
    }

    func release(_ byteCount: Int) {
        if byteCount != 0 { self.used.subtract(byteCount, ordering: .relaxed) }
    }
}
