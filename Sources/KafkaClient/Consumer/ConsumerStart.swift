// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Where to begin to read a partition, or where to go on.
public enum ConsumerStart: Hashable, Sendable {
    /// With this offset. If the partition does not have it, ``KafkaConsumerConfiguration/offsetReset`` decides.
    case offset(Offset)
    /// With the first record that is still there.
    case earliest
    /// With records that are written from now on; with read-committed, from the last stable offset.
    case latest
    /// With the first record whose timestamp is at least this, in milliseconds since 1970; with what is written from
    /// now on, if none is.
    case timestamp(Int64)
    /// Where the group has come to. ``KafkaConsumerConfiguration/offsetReset`` decides if it has committed nothing.
    case committed
}

/// Where to begin in a partition of which the group has committed nothing, or an offset that is not there any more.
/// Java: `auto.offset.reset`.
public enum OffsetReset: Sendable, Hashable {
    /// With the first record that is there.
    case earliest
    /// With records that are written from now on.
    case latest
    /// Not at all: the consumer ends with an error. Java: `none`.
    case fail

    /// Nil for ``fail``.
    var start: ConsumerStart? {
        switch self {
        case .earliest: .earliest
        case .latest: .latest
        case .fail: nil
        }
    }
}
