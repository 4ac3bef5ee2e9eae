// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import GroupCoordinator
import KafkaMessages
import KafkaTypes
import Logging
import NIOCore
import Synchronization

/// Knows how far every group is behind, also those that nobody is in, and keeps that fresh without anybody asking.
///
/// It looks at all groups once every `lookInterval`, on the reader threads: high watermarks cost nothing, and the
/// timestamp of the first record that a group has not consumed is read once for each place in a log
/// (`GroupLagBook`). A look is cut into steps, between which fetches get their turn. May be called from any thread.
final class GroupLagKeeper: Sendable {
    /// From the beginning of one look to the next. Half of the shortest interval at which metrics are usually scraped.
    static let lookInterval = TimeAmount.seconds(10)
    /// Searches of one step: a millisecond or two from the page cache, and a second on a slow disk, for which one of the
    /// reader threads is taken.
    static let searchesPerStepMax = 64
    /// Partitions that one step looks at, whether they need a search or not: some milliseconds.
    static let partitionsPerStepMax = 10_000
    /// Searches for one group of one OffsetFetch. A group with more partitions that moved since the last look is told -1
    /// for the rest.
    static let searchesPerFetchMax = 1_000

    /// The committed offsets of all shards, asked for on a reader thread.
    typealias Source = @Sendable () -> [CommittedOffsets]

    private struct State {
        var book = GroupLagBook()
        var latest = GroupLagSnapshot()
        var isLooking = false
        var searchCount = 0
    }

    /// A look under way.
    private struct Look: Sendable {
        var snapshot = GroupLagSnapshot()
        /// Groups that are still to be looked at, the next one last.
        var pending: [(offsets: CommittedOffsets, group: String)]
    }

    private let topics: TopicTable
    let readers: WorkerPool
    private let clock: BrokerClock
    private let logger: Logger
    private let source: Source
    private let state = Mutex(State())

    init(topics: TopicTable, readers: WorkerPool, clock: BrokerClock, logger: Logger, source: @escaping Source) {
        self.topics = topics
        self.readers = readers
        self.clock = clock
        self.logger = logger
        self.source = source
    }

    /// What the last look has found; empty before the first one.
    var latest: GroupLagSnapshot { self.state.withLock { $0.latest } }

    /// How often a log was searched for a first unread record since the start.
    var searchCount: Int { self.state.withLock { $0.searchCount } }

    /// Looks at all groups from now on, as long as the timer is not cancelled.
    func start(on eventLoop: any EventLoop) -> BrokerTimer {
        self.clock.scheduleRepeatedly(after: Self.lookInterval, every: Self.lookInterval, on: eventLoop) { self.look() }
    }

    // MARK: All groups

    /// Begins a look at all groups, unless one is under way.
    ///
    /// - Parameter finished: called on a reader thread when the look is over; not at all when the broker ends before.
    func look(finished: @escaping @Sendable () -> Void = {}) {
        let isFirst = self.state.withLock { state in
            defer { state.isLooking = true }
            return !state.isLooking
        }
        guard isFirst else { return }
        self.onReader {
            var pending = self.source().flatMap { shard in shard.groupIDs.map { (offsets: shard, group: $0) } }
            pending.sort { $0.group > $1.group }
            var look = Look(pending: pending)
            look.snapshot.takenAtMs = self.clock.wallMilliseconds()
            self.goOn(look, finished)
        }
    }

    private func goOn(_ look: Look, _ finished: @escaping @Sendable () -> Void) {
        self.onReader {
            var look = look
            self.step(&look)
            if !look.pending.isEmpty { return self.goOn(look, finished) }
            self.state.withLock { state in
                state.book.endRound()
                state.latest = look.snapshot
                state.isLooking = false
            }
            finished()
        }
    }

    private func onReader(_ work: @escaping @Sendable () -> Void) {
        if !self.readers.submit(work) { self.state.withLock { $0.isLooking = false } }
    }

    /// Looks at some groups. One that needs more searches than are left is looked at again in the next step, which then
    /// finds in the book what this one has searched for.
    private func step(_ look: inout Look) {
        var searchesLeft = Self.searchesPerStepMax
        var partitionsLeft = Self.partitionsPerStepMax
        while partitionsLeft > 0, let (offsets, group) = look.pending.last {
            var lag = GroupLag(groupID: group, partitions: [])
            offsets.forEach(of: group) { topic, offset in
                lag.partitions.append(
                    self.lag(topic, offset.partition, committed: offset.offset, searchesLeft: &searchesLeft)
                )
            }
            if searchesLeft < 0 { return }
            lag.partitions.sort { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
            look.snapshot.groups.append(lag)
            look.pending.removeLast()
            partitionsLeft -= lag.partitions.count
        }
    }

    // MARK: One group

    /// Fills in how far a group is behind in the partitions of an answer to OffsetFetch; -1 stays where it is not known.
    /// Topics go by their names. Waits for the disk: reader threads only.
    func addLag(to answer: inout OffsetFetchResponse.OffsetFetchResponseGroup) {
        let now = self.clock.wallMilliseconds()
        var searchesLeft = Self.searchesPerFetchMax
        for topic in answer.topics.indices {
            let name = answer.topics[topic].name
            for index in answer.topics[topic].partitions.indices {
                let partition = answer.topics[topic].partitions[index]
                let lag = self.lag(
                    name, partition.partitionIndex, committed: partition.committedOffset, searchesLeft: &searchesLeft
                )
                answer.topics[topic].partitions[index].offsetLag = lag.offsetsBehind ?? -1
                answer.topics[topic].partitions[index].timeLagMs = lag.millisecondsBehind(now: now) ?? -1
            }
        }
    }

    // MARK: One partition

    /// - Parameter searchesLeft: how often the log may be read; below 0 afterwards when that was not enough.
    private func lag(
        _ topic: String, _ index: Int32, committed offset: Int64, searchesLeft: inout Int
    ) -> PartitionLag {
        var lag = PartitionLag(
            topic: topic, partition: index, currentOffset: offset, offsetsBehind: nil, firstUnread: .unknown
        )
        guard case .success((_, let partition)) = self.topics.partition(name: topic, id: .zero, index: index) else {
            return lag
        }
        let reach = LogReach(
            topicID: partition.topicID, start: partition.log.logStartOffset, end: partition.log.highWatermark
        )
        guard let unread = reach.unread(after: offset) else { return lag }
        lag.offsetsBehind = unread.count
        let place = GroupLagBook.Place(topicID: reach.topicID, partition: index, offset: unread.from)
        while true {
            switch self.state.withLock({ $0.book.outlook(at: place, end: reach.end) }) {
            case .known(let firstUnread):
                lag.firstUnread = firstUnread
                return lag
            case .search(let from):
                searchesLeft -= 1
                if searchesLeft < 0 { return lag }
                let finding = self.search(partition, from: from, upTo: reach.end)
                self.state.withLock { $0.book.note(finding, at: place) }
            }
        }
    }

    private func search(_ partition: Partition, from offset: Int64, upTo end: Int64) -> GroupLagBook.Finding {
        self.state.withLock { $0.searchCount += 1 }
        do throws(LogError) {
            return try GroupLagSearch.firstRecord(in: partition.log, from: offset, upTo: end)
        } catch {
            self.logger.warning(
                "cannot tell how long records have been waiting for consumer groups; it is tried again in some minutes",
                metadata: [
                    "partition": "\(partition.topicPartition)", "offset": "\(offset)", "error": "\(error)",
                ]
            )
            return .unreadable
        }
    }
}
