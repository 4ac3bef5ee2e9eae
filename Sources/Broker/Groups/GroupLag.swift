// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How far all groups were behind at one moment: what metrics export under the names of kafka_exporter.
///
/// | Metric                               | Here                                                   |
/// | ------------------------------------ | ------------------------------------------------------ |
/// | `kafka_consumergroup_current_offset` | `PartitionLag.currentOffset`                           |
/// | `kafka_consumergroup_lag`            | `PartitionLag.offsetsBehind`                           |
/// | `kafka_consumergroup_lag_sum`        | `GroupLag.offsetsBehindSum`                            |
/// | `kafka_consumergroup_lag_seconds`    | `PartitionLag.millisecondsBehind(now:)`, divided by 1000 |
public struct GroupLagSnapshot: Sendable {
    /// Wall-clock milliseconds: when the look began.
    public var takenAtMs: Int64 = 0
    /// Groups that have committed anything, with members or without, by id.
    public var groups: [GroupLag] = []

    /// No look was taken yet.
    public init() {}
}

/// How far one group is behind.
public struct GroupLag: Sendable, Hashable {
    /// The group's id.
    public var groupID: String
    /// The partitions in which it has committed an offset, by topic and number.
    public var partitions: [PartitionLag]

    /// Offsets behind in all partitions for which that is known. Linear in the partitions.
    public var offsetsBehindSum: Int64 {
        self.partitions.reduce(0) { sum, partition in
            let (total, overflow) = sum.addingReportingOverflow(partition.offsetsBehind ?? 0)
            return overflow ? .max : total
        }
    }
}

/// How far a group is behind in one partition.
public struct PartitionLag: Sendable, Hashable {
    /// The topic's name.
    public var topic: String
    /// The partition's number in it.
    public var partition: Int32
    /// What the group has committed.
    public var currentOffset: Int64
    /// Offsets from the committed one up to the high watermark; from the log start if the committed one is no longer in
    /// the log. Offsets are not records: compaction leaves gaps. 0 when the committed offset is past the high watermark,
    /// nil when the partition is gone or the committed offset is negative.
    public var offsetsBehind: Int64?
    /// The first record that the group has not consumed.
    public var firstUnread: FirstUnread

    /// Milliseconds that the first record which the group has not consumed has been waiting, by its timestamp: 0 when
    /// there is none or it is from the future, nil when it is not known.
    public func millisecondsBehind(now wallMs: Int64) -> Int64? {
        switch self.firstUnread {
        case .none: return 0
        case .unknown: return nil
        case .writtenAt(let timestampMs):
            let (age, overflow) = wallMs.subtractingReportingOverflow(timestampMs)
            return overflow ? nil : max(age, 0)
        }
    }
}

/// When the first record was written that a group has not consumed.
public enum FirstUnread: Sendable, Hashable {
    /// Every record has been consumed.
    case none
    /// Its timestamp: milliseconds since 1970, from 0.
    case writtenAt(Int64)
    /// It has no timestamp, cannot be read, or nobody has looked yet.
    case unknown
}
