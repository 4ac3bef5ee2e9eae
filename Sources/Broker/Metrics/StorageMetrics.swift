// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText

/// What is measured of the threads that touch the disk. They do much at a time, so that one set of numbers does for all.
final class StorageMetrics: Sendable {
    /// How the appends of a commit became durable.
    enum Way: Int, CaseIterable {
        case journal, segments, both

        var label: String {
            switch self {
            case .journal: "journal"
            case .segments: "segments"
            case .both: "both"
            }
        }
    }

    /// Where an append comes from, as the label `request` tells it.
    enum Origin: String, Sendable, CaseIterable {
        /// A producer.
        case produce = "Produce"
        /// Records of groups: commits, and what joins and heartbeats bring about.
        case groups = "Groups"
    }

    /// How long commits took, by `Way`: from the first write to the journal to the last sync.
    private let commits = Way.allCases.map { _ in StorageMetrics.times() }
    /// Logs that were made durable, by the journal and by their segments.
    let journaledLogs = Counter()
    let syncedLogs = Counter()
    /// How long appends lay in the queue of their IO thread, and how long from there until they were written and, with
    /// acks=all, durable.
    private let appendQueue = Origin.allCases.map { _ in StorageMetrics.times() }
    private let appendDisk = Origin.allCases.map { _ in StorageMetrics.times() }
    /// How long reads lay in the queue of the reader threads, and how long they took.
    let readQueue = StorageMetrics.times()
    let readDisk = StorageMetrics.times()
    /// Compactions that came to something, those that failed, and bytes.
    let compactions = Counter()
    let failedCompactions = Counter()
    let compactedBytesRead = Counter()
    let compactedBytesWritten = Counter()
    let compactedBytesFreed = Counter()
    /// Sealed segments that were read to their end in search of damage, and bytes of them.
    let scrubbedSegments = Counter()
    let scrubbedBytes = Counter()

    /// For as many threads of a kind; more of them share.
    private static let shards = 4

    private static func times() -> Histogram {
        Histogram(bounds: Histogram.latencyBounds, unit: Histogram.nanoseconds, shards: Self.shards)
    }

    func commit(_ way: Way) -> Histogram { self.commits[way.rawValue] }

    func queue(of origin: Origin) -> Histogram { self.appendQueue[origin == .produce ? 0 : 1] }

    func disk(of origin: Origin) -> Histogram { self.appendDisk[origin == .produce ? 0 : 1] }

    /// One commit cycle.
    func committed(journaled: Int, synced: Int, nanoseconds: Int64) {
        if journaled + synced == 0 { return }
        let way: Way = synced == 0 ? .journal : journaled == 0 ? .segments : .both
        self.commit(way).record(Int(nanoseconds))
        if journaled > 0 { self.journaledLogs.add(journaled) }
        if synced > 0 { self.syncedLogs.add(synced) }
    }
}
