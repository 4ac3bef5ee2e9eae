// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// When a committed offset is too old to be kept.
///
/// As in Kafka, with one difference. Offsets grow old
/// - of an empty group: from the moment when it became empty, or from their own commit if that was later or the moment
///   is not known. Kafka does not look for the later one: in a classic group it takes the former, so that an offset
///   which an administrator sets in a group that has long been empty is gone with the next look; in a consumer group
///   the latter, so that a group which commits seldom loses its offsets as it stops;
/// - of a group with consumers that are not rebalancing: from their commit, but only for topics that none of them reads;
/// - of a simple group: from their commit.
/// An offset that came with its own time of expiry (OffsetCommit 2 to 4) goes by that instead, under the same conditions.
struct OffsetRetention: Sendable {
    /// Wall-clock milliseconds.
    let nowMs: Int64
    /// `offsets.retention.minutes`, in milliseconds.
    let retentionMs: Int64

    /// Whether the offset of a group that stands so is to go. Of a group with consumers only offsets of topics that none
    /// of them reads may be asked about.
    func hasExpired(_ offset: CommittedOffset, of group: GroupStanding) -> Bool {
        switch group {
        case .rebalancing, .foreign: false
        case .simple, .consuming: self.isOver(offset, since: offset.commitTimestampMs)
        case .empty(let sinceMs): self.isOver(offset, since: max(sinceMs ?? .min, offset.commitTimestampMs))
        }
    }

    private func isOver(_ offset: CommittedOffset, since startMs: Int64) -> Bool {
        if offset.expireTimestampMs != -1 { return self.nowMs >= offset.expireTimestampMs }
        let (age, overflow) = self.nowMs.subtractingReportingOverflow(startMs)
        return overflow ? startMs < 0 : age >= self.retentionMs
    }
}
