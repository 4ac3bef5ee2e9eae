// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How a broker is at one moment, as far as it matters to those who would send it work.
public struct BrokerCondition: Sendable, Hashable {
    /// Partitions that are served.
    public var partitions: Int
    /// Partitions of `__consumer_offsets`; 0 before the first group.
    public var groupShards: Int
    /// How many of them are not loaded yet, or could not be.
    public var groupShardsMissing: Int
    /// Why no records are taken; nil while there is room on the disk.
    public var noRoom: String?
}

extension Broker {
    /// How the broker is now. Linear in the topics and in the partitions of `__consumer_offsets`; does not wait for the
    /// disk.
    public var condition: BrokerCondition {
        let shards = self.groups.all
        return BrokerCondition(
            partitions: self.topics.all.reduce(0) { $0 + $1.partitions.count },
            groupShards: shards.count,
            groupShardsMissing: shards.count { !$0.isActive },
            noRoom: self.space.hasRoom ? nil : self.space.explanation
        )
    }
}
