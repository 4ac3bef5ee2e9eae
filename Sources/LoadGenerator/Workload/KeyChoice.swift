// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which keys records have, and so which partitions they go to.
///
/// As text: `none`, `random:N`, `round-robin:N` and `partition`.
public enum KeyChoice: Sendable, Hashable, CustomStringConvertible {
    /// No key: a partition gets records until its batch is full, then another one does.
    case none
    /// One of so many keys by chance; the partition is that of the key's hash, as in Kafka's clients.
    case random(Int)
    /// So many keys in turn.
    case roundRobin(Int)
    /// No key, and the partitions in turn.
    case partition

    /// How many different keys there may be: they are made beforehand.
    public static let countMax = 1_000_000

    /// How many there are where a workload does not say: as many as OpenMessaging Benchmark has.
    public static let countDefault = 10_000

    /// Reads the text form; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let count = parts.count == 2 ? Int(parts[1]) : Self.countDefault
        guard let count, (1...Self.countMax).contains(count) else { return nil }
        switch parts[0] {
        case "none" where parts.count == 1: self = .none
        case "partition" where parts.count == 1: self = .partition
        case "random": self = .random(count)
        case "round-robin": self = .roundRobin(count)
        default: return nil
        }
    }

    /// The text form.
    public var description: String {
        switch self {
        case .none: "none"
        case .random(let count): "random:\(count)"
        case .roundRobin(let count): "round-robin:\(count)"
        case .partition: "partition"
        }
    }

    /// How many keys there are.
    var count: Int {
        switch self {
        case .none, .partition: 0
        case .random(let count), .roundRobin(let count): count
        }
    }
}
