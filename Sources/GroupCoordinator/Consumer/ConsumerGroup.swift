// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

/// A group of the consumer protocol (KIP-848): the coordinator makes the assignment, members follow it step by step.
struct ConsumerGroup: Sendable {
    let id: String
    /// When `expire` wants to be called, at the latest; `.max` for never. May be too early, never too late.
    private(set) var wakeAt: Int64 = .max

    init(id: String) { self.id = id }

    mutating func expire(_ step: inout Step) {}

    /// After loading: everybody has a whole session from now.
    mutating func resume(_ step: inout Step) {}

    /// Whether an offset commit is from a member of this epoch; nil when it is.
    func refusalOfCommit(_ request: OffsetCommitRequest) -> ErrorCode? { nil }

    /// Nobody is in it: its offsets grow old, it may be deleted.
    var isEmpty: Bool { true }
}
