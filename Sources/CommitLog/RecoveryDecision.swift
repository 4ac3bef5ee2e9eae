// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides what becomes of bytes that should be a batch and are not, when a log is recovered. Pure.
///
/// A crash and a bad disk look alike at first: a batch whose checksum is wrong. What tells them apart is what was
/// known to be on stable storage, and how the bytes look.
///
/// | the damage begins | behind it comes | its bytes | it is | and so |
/// | --- | --- | --- | --- | --- |
/// | at or after the recovery point | nothing valid | any | a torn tail | the log is cut there |
/// | at or after the recovery point | valid batches | never written | a lost write | the log is cut there |
/// | at or after the recovery point | valid batches | something else | bit rot | a damaged range up to them |
/// | before the recovery point | valid batches | any | bit rot | a damaged range up to them |
/// | before the recovery point | nothing valid | any | bit rot | a damaged range up to the recovery point |
///
/// Why a lost write is cut although batches follow: a flush covers a log from its beginning, so if bytes of it never
/// reached the disk, no flush has succeeded since they were written, and nothing behind them was acknowledged as
/// durable. Left in place they would be a hole that no consumer gets past. "Never written" means that the file is too
/// short, or that what the batch has in one of its sectors reads as zeros.
///
/// Why offsets of a damaged range are not given out again: their records were acknowledged. Consumers that ask for
/// them get an error that names the range, and go on behind it.
enum RecoveryDecision: Hashable, Sendable {
    case cut
    /// The log goes on at this offset and position.
    case damaged(endOffset: Int64, endPosition: Int64)

    /// A place where bytes are no batch.
    struct Site: Hashable, Sendable {
        /// The offset that should begin here.
        var offset: Int64
        var recoveryPoint: Int64
        /// The next valid batch of the same segment.
        var follower: Follower?
        /// The base of the next segment, if one with batches follows.
        var nextSegmentBase: Int64?
        var looksUnwritten: Bool
        /// The size of the segment.
        var fileEnd: Int64
    }

    struct Follower: Hashable, Sendable {
        var offset: Int64
        var position: Int64
    }

    static func decide(_ site: Site) -> RecoveryDecision {
        let mayBeLost = site.offset >= site.recoveryPoint
        if let follower = site.follower {
            if mayBeLost && site.looksUnwritten { return .cut }
            return .damaged(endOffset: follower.offset, endPosition: follower.position)
        }
        if let next = site.nextSegmentBase {
            if mayBeLost && site.looksUnwritten { return .cut }
            return .damaged(endOffset: next, endPosition: site.fileEnd)
        }
        if mayBeLost { return .cut }
        return .damaged(endOffset: site.recoveryPoint, endPosition: site.fileEnd)
    }
}
