// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The committed offsets of all groups of a shard at one moment, to be looked through somewhere else.
///
/// It shares its memory with the shard until that changes: making one costs nothing, and while it is held the first
/// commit copies the list of the groups, and the first of each group that group's.
public struct CommittedOffsets: Sendable {
    private let groups: [String: [String: PartitionOffsets]]

    init(_ table: OffsetTable) { self.groups = table.groups }

    /// Nothing committed.
    public init() { self.groups = [:] }

    /// The groups that have committed anything, with members or without, in no order.
    public var groupIDs: some Collection<String> { self.groups.keys }

    /// Calls `body` with each offset of the group: topic by topic in no order, the partitions of each in the order of
    /// their numbers.
    public func forEach(
        of group: String, _ body: (_ topic: String, _ offset: CommittedOffset) throws -> Void
    ) rethrows {
        guard let topics = self.groups[group] else { return }
        for (topic, partitions) in topics {
            for offset in partitions.entries { try body(topic, offset) }
        }
    }
}

extension GroupShard {
    /// The committed offsets of all groups, as they are now: those whose records are not durable yet among them.
    public func committedOffsets() -> CommittedOffsets { CommittedOffsets(self.offsets) }
}
