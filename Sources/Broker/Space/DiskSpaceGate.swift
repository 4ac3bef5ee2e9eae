// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Decides whether there is room for records. A value without IO; `DiskSpaceWatch` asks the disk and does what it says.
///
/// | state | event | becomes |
/// | --- | --- | --- |
/// | open | a look: less than the mark is left, counting what has been accepted and not been written yet | closed |
/// | open, closed | a write found no room | closed, for a while at least |
/// | closed | a look: the mark and some more is left, and the while is over | open |
/// | any | any other look | the same |
///
/// Invariants:
/// - It tells of a change once, when it happens.
/// - Between two looks no more is accepted than what was left above the mark, but for the last request.
/// - A write that finds no room although the disk seems to have some, as with a quota, closes it for longer and longer,
///   so that it does not open and close all the time.
struct DiskSpaceGate: Sendable, Hashable {
    /// What the disk said.
    struct Look: Sendable, Hashable {
        /// Bytes of the file system.
        var total: Int64
        /// Bytes left on it, without what the reserve still has to take.
        var free: Int64
        /// Bytes accepted from producers and not written yet.
        var inFlight: Int64
        /// `log.dir.min.free.bytes`.
        var configuredMark: Int64
        /// Nanoseconds of the monotonic clock.
        var now: Int64
    }

    /// What follows from a look.
    struct Verdict: Sendable, Hashable {
        /// Whether the gate has just closed or opened.
        var change: Change?
        /// Bytes that may be accepted before the next look; 0 while closed.
        var budget: Int64
        /// Nanoseconds until the next look.
        var nextLook: Int64
        /// It is time to have retention make room.
        var makesRoom = false
    }

    enum Change: Sendable, Hashable {
        case closed
        case opened
    }

    /// Time between looks while nothing hurries.
    static let lookInterval: Int64 = 1_000_000_000
    /// Time between looks at the least: so often that a disk at 1 GB/s writes 20 MB in between.
    static let lookIntervalMin: Int64 = 20_000_000
    /// How long a write that found no room keeps the gate closed, the first time and at most.
    static let closedAfterFailure: Int64 = 1_000_000_000
    static let closedAfterFailureMax: Int64 = 32_000_000_000
    /// So long after that without another failure, and they are forgotten.
    static let failuresForgottenAfter: Int64 = 60_000_000_000
    /// Time between rounds of retention while there is no room.
    static let makeRoomInterval: Int64 = 5_000_000_000

    private(set) var isOpen = true
    /// What the last look found; nil before the first.
    private(set) var last: Look?
    /// What a write failed with that closed the gate, or keeps it closed.
    private(set) var failure: String?
    /// When the failure that closed the gate last has had its time; nil without one.
    private var closedUntil: Int64?
    private var nextClosedTime = Self.closedAfterFailure
    private var lastRoomMade: Int64?

    /// Takes note of a look at the disk.
    mutating func looked(_ look: Look) -> Verdict {
        let before = self.last
        self.last = look
        let mark = self.mark
        let left = look.free.subtractingReportingOverflow(look.inFlight).partialValue
        var change: Change?
        if self.isOpen, left < mark {
            self.isOpen = false
            change = .closed
        } else if !self.isOpen, look.now >= self.closedUntil ?? .min, left >= self.openingMark {
            self.isOpen = true
            self.failure = nil
            change = .opened
        }
        guard self.isOpen else {
            return Verdict(
                change: change, budget: 0, nextLook: Self.lookInterval, makesRoom: self.isTimeToMakeRoom(look.now))
        }
        if let closedUntil, look.now - closedUntil >= Self.failuresForgottenAfter {
            self.closedUntil = nil
            self.nextClosedTime = Self.closedAfterFailure
        }
        // More than nothing while open: a mark of 0 on a disk that has nothing left is for the writes to find out.
        return Verdict(change: change, budget: max(left - mark, 1), nextLook: self.nextLook(look, before, left - mark))
    }

    /// Takes note of a write that found no room. Returns `closed` if that closes the gate.
    mutating func writeFailed(_ reason: String, now: Int64) -> Change? {
        self.failure = reason
        // Writes that were under way together fail together; that is one failure.
        if now >= self.closedUntil ?? .min {
            self.closedUntil = now + self.nextClosedTime
            self.nextClosedTime = min(self.nextClosedTime * 2, Self.closedAfterFailureMax)
        }
        guard self.isOpen else { return nil }
        self.isOpen = false
        return .closed
    }

    /// When to look again: in time, at the speed at which space has been going since the look before.
    private func nextLook(_ look: Look, _ before: Look?, _ left: Int64) -> Int64 {
        guard let before, before.free > look.free, look.now > before.now else { return Self.lookInterval }
        let bytesPerSecond = Double(before.free - look.free) / (Double(look.now - before.now) / 1e9)
        let half = Double(left) / bytesPerSecond / 2 * 1e9
        return half >= Double(Self.lookInterval) ? Self.lookInterval : max(Int64(half), Self.lookIntervalMin)
    }

    private mutating func isTimeToMakeRoom(_ now: Int64) -> Bool {
        if let lastRoomMade, now - lastRoomMade < Self.makeRoomInterval { return false }
        self.lastRoomMade = now
        return true
    }
}

// MARK: - Marks

extension DiskSpaceGate {
    /// Where the mark is not configured: 5 % of the file system, 64 MiB at the least and 1 GiB at most; but never more
    /// than a quarter of it, so that small volumes stay usable.
    static func automaticMark(total: Int64) -> Int64 {
        min(1 << 30, max(total / 20, min(64 << 20, total / 4)))
    }

    /// Bytes that have to be left for records to be taken.
    static func mark(configured: Int64, total: Int64) -> Int64 {
        configured >= 0 ? configured : self.automaticMark(total: total)
    }

    /// Once closed, more than the mark has to be left, so that every freed block does not open and close the gate: an
    /// eighth more, 1 MiB at the least and 128 MiB at most.
    static func openingMark(_ mark: Int64) -> Int64 {
        let (sum, overflow) = mark.addingReportingOverflow(min(128 << 20, max(1 << 20, mark / 8)))
        return overflow ? .max : sum
    }

    /// By the last look.
    var mark: Int64 { self.last.map { Self.mark(configured: $0.configuredMark, total: $0.total) } ?? 0 }
    var openingMark: Int64 { Self.openingMark(self.mark) }

    /// Why records are refused, and what to do: a sentence for those who send them.
    func explanation(directory: String) -> String {
        let advice = "delete topics or records, lower retention, enlarge the volume or lower log.dir.min.free.bytes"
        let after = "records are taken again by themselves when there is room"
        if let failure {
            return "the disk of \(directory) is full (\(failure)): \(advice); \(after)"
        }
        guard let last else { return "the disk of \(directory) has no room: \(advice); \(after)" }
        let kind = last.configuredMark < 0 ? "automatic" : "configured"
        return "the disk of \(directory) is nearly full: \(last.free) bytes are free, and log.dir.min.free.bytes is "
            + "\(self.mark) (\(kind)): \(advice); \(after), from \(self.openingMark) bytes on"
    }
}
