// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The position of a record in its partition: 0 is the first ever written. Never reused, never negative in a log.
public struct Offset: StrongInteger {
    /// The number on the wire and on disk. Counted from 0.
    public var rawValue: Int64
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// No offset: the wire's -1.
    public static let none = Offset(-1)

    /// The offset `count` records later.
    public static func + (lhs: Offset, count: Int64) -> Offset { Offset(lhs.rawValue &+ count) }

    /// The number of offsets from `rhs` up to, not including, `lhs`.
    public static func - (lhs: Offset, rhs: Offset) -> Int64 { lhs.rawValue &- rhs.rawValue }
}

/// The number of a partition in its topic, from 0.
public struct PartitionIndex: StrongInteger {
    /// The number on the wire and on disk. Counted from 0.
    public var rawValue: Int32
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int32) { self.rawValue = rawValue }
}

/// Counts the leaders that a partition has had. It is written into every batch (KIP-101), so that replicas and
/// consumers can tell which leader wrote it.
public struct LeaderEpoch: StrongInteger {
    /// The number on the wire and on disk. 0 or more, or -1 for none.
    public var rawValue: Int32
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The epoch is not known: the wire's -1.
    public static let none = LeaderEpoch(-1)
}

/// The number of a broker in its cluster, from 0.
public struct NodeID: StrongInteger {
    /// The number on the wire and on disk. 0 or more, or -1 for none.
    public var rawValue: Int32
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// No node: the wire's -1.
    public static let none = NodeID(-1)
}

/// The identity of an idempotent or transactional producer (KIP-98), handed out once per cluster.
public struct ProducerID: StrongInteger {
    /// The number on the wire and on disk. 0 or more, or -1 for none.
    public var rawValue: Int64
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// A producer without idempotence: the wire's -1.
    public static let none = ProducerID(-1)
}

/// Counts the incarnations of one producer id: a producer with an older epoch is fenced off.
public struct ProducerEpoch: StrongInteger {
    /// The number on the wire and on disk. 0 or more, or -1 for none.
    public var rawValue: Int16
    /// Wraps any number; ranges are checked by whoever reads it from outside.
    public init(rawValue: Int16) { self.rawValue = rawValue }

    /// No epoch: the wire's -1.
    public static let none = ProducerEpoch(-1)
}
