// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

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
    /// Bytes of a read between frames at the most.
    var maxReadAhead = ReceiveBuffers.maxReadAhead
    /// How long a large request may stand still while others wait for the memory that it was promised.
    var maxStall = TimeAmount.seconds(10)
    /// Bytes of a large request that must come within `maxStall` while others wait.
    var minProgress = 64 << 10
}
