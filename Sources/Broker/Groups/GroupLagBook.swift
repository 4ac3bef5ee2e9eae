// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// From where to where a log can be read at one moment.
struct LogReach: Sendable {
    /// Tells a topic from another one that had its name before.
    let topicID: TopicID
    /// The log start offset.
    let start: Int64
    /// The high watermark.
    let end: Int64

    /// Where a group that has committed `offset` reads on, and how many offsets that is from the end; nil for a negative
    /// offset, which is none.
    func unread(after offset: Int64) -> (from: Int64, count: Int64)? {
        if offset < 0 { return nil }
        let from = max(offset, self.start)
        return (from, max(0, self.end - from))
    }
}

/// What has been found out about the first records that groups have not consumed, so that nothing has to be read again
/// while neither log nor group has moved.
///
/// A value type without IO: it says what has to be looked up, somebody else does so and notes the result. Findings go by
/// partition and offset, so groups at the same place share them. The timestamp of a record stays what it is, so a
/// finding is good for as long as somebody stands at its offset. The book holds no more findings than there are committed
/// offsets: what nobody has asked for during a whole round is dropped at its end.
struct GroupLagBook: Sendable {
    /// A place in a log where a group stands: the first offset that it has not consumed and that may still be there.
    struct Place: Hashable, Sendable {
        let topicID: TopicID
        let partition: Int32
        let offset: Int64
    }

    /// What a search for the first record from a place on came to.
    enum Finding: Sendable, Hashable {
        /// The timestamp of the first record; negative when it has none.
        case record(timestampMs: Int64)
        /// There is no record up to that offset, excluded: only gaps, markers and damage.
        case nothing(before: Int64)
        /// The log could not be read there.
        case unreadable
    }

    /// What is known of the first unread record at a place.
    enum Outlook: Sendable, Hashable {
        case known(FirstUnread)
        /// It has to be searched for from that offset on.
        case search(from: Int64)
    }

    private struct Entry {
        var finding: Finding
        /// The round in which it was last asked for.
        var usedIn: Int
        /// For what cannot be read: the round in which it was tried.
        var triedIn: Int
    }

    /// Rounds after which what could not be read is tried again: with a round every 10 seconds, 5 minutes. A disk that
    /// fails is not made better by asking it, and every attempt is logged.
    static let retryAfterRounds = 30

    private var entries: [Place: Entry] = [:]
    private var round = 0

    /// Findings that are kept.
    var count: Int { self.entries.count }

    /// What is known at a place of a log that ends at `end`, its high watermark.
    mutating func outlook(at place: Place, end: Int64) -> Outlook {
        if place.offset >= end { return .known(.none) }
        guard let finding = self.use(place) else { return .search(from: place.offset) }
        return switch finding {
        case .record(let timestampMs): .known(timestampMs < 0 ? .unknown : .writtenAt(timestampMs))
        case .nothing(let next): next >= end ? .known(.none) : .search(from: next)
        case .unreadable: .known(.unknown)
        }
    }

    private mutating func use(_ place: Place) -> Finding? {
        guard let index = self.entries.index(forKey: place) else { return nil }
        self.entries.values[index].usedIn = self.round
        let entry = self.entries.values[index]
        if entry.finding == .unreadable, self.round - entry.triedIn >= Self.retryAfterRounds { return nil }
        return entry.finding
    }

    /// Keeps what a search has come to.
    mutating func note(_ finding: Finding, at place: Place) {
        self.entries[place] = Entry(finding: finding, usedIn: self.round, triedIn: self.round)
    }

    /// All groups have been looked at once: forgets the findings that nobody asked for.
    mutating func endRound() {
        let round = self.round
        self.entries = self.entries.filter { $0.value.usedIn == round }
        self.round += 1
    }
}
