// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

/// Where a group has got to in one partition.
public struct CommittedOffset: Sendable, Hashable {
    /// The partition's number in its topic.
    public var partition: Int32
    /// The offset of the next record to be read. Whatever the client sent: it need not be in the log, nor positive.
    public var offset: Int64
    /// The leader epoch of the last record that was read; -1 when the client did not say.
    public var leaderEpoch: Int32
    /// Wall-clock milliseconds: when it was committed.
    public var commitTimestampMs: Int64
    /// Wall-clock milliseconds: when it is too old, if the client said so (OffsetCommit 2 to 4); else -1.
    public var expireTimestampMs: Int64
    /// The client's own text.
    public var metadata: String
}

/// The committed offsets of one topic: each partition once, in the order of the numbers.
///
/// Nearly always the partitions are 0 up to some number, all of them, and then the number is the place. Where some are
/// missing a binary search finds the place; a number from a damaged record costs no more than any other.
struct PartitionOffsets: Sendable {
    private(set) var entries: [CommittedOffset] = []

    subscript(partition: Int32) -> CommittedOffset? {
        let place = self.place(of: partition)
        return place.isTaken ? self.entries[place.index] : nil
    }

    mutating func set(_ entry: CommittedOffset) {
        let place = self.place(of: entry.partition)
        if place.isTaken {
            self.entries[place.index] = entry
        } else {
            self.entries.insert(entry, at: place.index)
        }
    }

    mutating func remove(_ partition: Int32) {
        let place = self.place(of: partition)
        if place.isTaken { self.entries.remove(at: place.index) }
    }

    /// Where the partition is, or belongs.
    private func place(of partition: Int32) -> (index: Int, isTaken: Bool) {
        let guess = Int(partition)
        if self.entries.indices.contains(guess), self.entries[guess].partition == partition { return (guess, true) }
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].partition < partition { low = middle + 1 } else { high = middle }
        }
        return (low, low < self.entries.count && self.entries[low].partition == partition)
    }
}

/// The committed offsets of the groups of a shard: group, topic, partition.
///
/// A group or a topic without offsets is not in it. A commit to a partition that has one changes a few words in place.
struct OffsetTable: Sendable {
    private(set) var groups: [String: [String: PartitionOffsets]] = [:]
    /// The groups that retention has yet to look at in the round that is under way, the next one last.
    var retentionRound: [String] = []

    /// Takes in a record: a value is set, no value removes.
    mutating func replay(_ key: OffsetCommitKey, _ value: OffsetCommitValue?) {
        guard let value else {
            self.remove(key)
            return
        }
        let entry = CommittedOffset(
            partition: key.partition,
            offset: value.offset,
            leaderEpoch: value.leaderEpoch,
            commitTimestampMs: value.commitTimestamp,
            expireTimestampMs: value.expireTimestamp,
            metadata: value.metadata
        )
        self.groups[key.group, default: [:]][key.topic, default: PartitionOffsets()].set(entry)
    }

    private mutating func remove(_ key: OffsetCommitKey) {
        self.groups[key.group]?[key.topic]?.remove(key.partition)
        if self.groups[key.group]?[key.topic]?.entries.isEmpty == true { self.groups[key.group]?[key.topic] = nil }
        if self.groups[key.group]?.isEmpty == true { self.groups[key.group] = nil }
    }

    /// Whether the group has committed any offset.
    func contains(group: String) -> Bool { self.groups[group] != nil }

    /// What the group has committed for a topic; nil for nothing.
    func offsets(of group: String, topic: String) -> PartitionOffsets? { self.groups[group]?[topic] }

    /// The keys of the group's offsets in order of topic and partition, no more than `limit`: those that `matching` says
    /// yes to, of topics that `topicMatching`, asked once for each, says yes to.
    func keys(
        of group: String,
        limit: Int = .max,
        topics topicMatching: (_ topic: String) -> Bool = { _ in true },
        where matching: (_ offset: CommittedOffset) -> Bool = { _ in true }
    ) -> [OffsetCommitKey] {
        var keys: [OffsetCommitKey] = []
        guard let topics = self.groups[group] else { return keys }
        var key = OffsetCommitKey()
        key.group = group
        for (topic, partitions) in topics.sorted(by: { $0.key < $1.key }) where topicMatching(topic) {
            key.topic = topic
            for entry in partitions.entries where matching(entry) {
                if keys.count == limit { return keys }
                key.partition = entry.partition
                keys.append(key)
            }
        }
        return keys
    }
}
