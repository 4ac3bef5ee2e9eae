// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// What has to be found out before partitions can be fetched: their leaders, then where they begin, and whether a new
/// leader has what was read from the one before.
///
/// Each question goes to one broker, so that one that does not answer delays its own partitions only. A partition is
/// part of one question at a time: ``takeLookups(nowMs:)`` hands it out, and ``finished(_:)`` allows it to be asked
/// about again. A seek, and a leader that is gone, take the partition out of its question; what is still answered then
/// counts for nothing.
extension Fetcher {
    /// One question, which was handed out and has to be reported as ``finished(_:)``.
    struct Lookup: Sendable {
        struct Start: Sendable {
            var start: ConsumerStart
            var number: Int
            /// Of the leader that is asked; `none` when not known.
            var leaderEpoch = LeaderEpoch.none
        }

        enum Question: Sendable {
            /// Who leads these? Any broker knows.
            case leaders([TopicPartition])
            /// What has the group committed for these? Its coordinator knows.
            case committed([TopicPartition: Start])
            /// Where do these begin? Their leader knows.
            case starts([TopicPartition: Start], leader: BrokerAddress)
            /// Where do the records of an epoch end? Their leader knows.
            case checks([TopicPartition: Check], leader: BrokerAddress)
        }

        var number: Int
        var question: Question

        var partitions: [TopicPartition] {
            switch self.question {
            case .leaders(let partitions): partitions
            case .committed(let starts), .starts(let starts, _): starts.keys.sorted()
            case .checks(let checks, _): checks.keys.sorted()
            }
        }

        /// The leader that is asked; nil when it is somebody else.
        var leader: BrokerAddress? {
            switch self.question {
            case .leaders, .committed: nil
            case .starts(_, let leader), .checks(_, let leader): leader
            }
        }
    }

    /// What has to be found out now, and when to come back if nothing changes before: nil for not at all. Linear in all
    /// partitions.
    mutating func takeLookups(nowMs: Int64) -> (due: [Lookup], nextMs: Int64?) {
        var leaderless: [TopicPartition] = []
        var committed: [TopicPartition: Lookup.Start] = [:]
        var starts: [BrokerAddress: [TopicPartition: Lookup.Start]] = [:]
        var checks: [BrokerAddress: [TopicPartition: Check]] = [:]
        var nextMs: Int64?
        for (partition, state) in self.partitions
        where state.isAnnounced && state.lookup == nil && state.lacksSomething {
            guard state.nextLookupMs <= nowMs else {
                nextMs = min(nextMs ?? Int64.max, state.nextLookupMs)
                continue
            }
            guard let leader = state.leader else {
                leaderless.append(partition)
                continue
            }
            guard let start = state.start else {
                checks[leader.address, default: [:]][partition] = state.check
                continue
            }
            let asked = Lookup.Start(start: start, number: state.number, leaderEpoch: leader.epoch)
            if start == .committed {
                committed[partition] = asked
            } else {
                starts[leader.address, default: [:]][partition] = asked
            }
        }
        var due: [Lookup] = []
        if !leaderless.isEmpty { due.append(self.lookup(.leaders(leaderless))) }
        if !committed.isEmpty { due.append(self.lookup(.committed(committed))) }
        for (leader, starts) in starts { due.append(self.lookup(.starts(starts, leader: leader))) }
        for (leader, checks) in checks { due.append(self.lookup(.checks(checks, leader: leader))) }
        return (due, nextMs)
    }

    private mutating func lookup(_ question: Lookup.Question) -> Lookup {
        self.lastLookup += 1
        let lookup = Lookup(number: self.lastLookup, question: question)
        for partition in lookup.partitions { self.partitions[partition]?.lookup = lookup.number }
        return lookup
    }

    /// A question has come to its end: what it did not bring is asked for again.
    mutating func finished(_ lookup: Lookup) {
        for partition in lookup.partitions where self.partitions[partition]?.lookup == lookup.number {
            self.partitions[partition]?.lookup = nil
        }
        self.hasLookups = true
    }

    /// A question has failed for some of its partitions: they are asked about again, later each time, and if it went to
    /// their leader, that is looked up before.
    mutating func failed(
        _ lookup: Lookup, for partitions: [TopicPartition], nowMs: Int64,
        using generator: inout some RandomNumberGenerator
    ) {
        let concerned = partitions.filter { self.partitions[$0]?.lookup == lookup.number }
        if lookup.leader != nil {
            self.lookUpAgain(concerned, nowMs: nowMs, using: &generator)
        } else {
            for partition in concerned { self.postpone(partition, nowMs: nowMs, using: &generator) }
        }
    }

    /// The leader of a partition was found.
    mutating func found(_ leader: FetchedPartitionState.Leader, of partition: TopicPartition, topicID: TopicID?) {
        guard let state = self.partitions[partition] else { return }
        if state.leader?.address != leader.address {
            self.detach(partition)
            self.order[leader.address, default: []].append(partition)
        }
        self.partitions[partition]?.leader = leader
        self.partitions[partition]?.topicID = topicID
        self.hasRoom = true
    }

    /// Where to begin was found; the leader epoch is that of the record before, where it is known. False when somebody
    /// has sought meanwhile, or the partition is gone.
    mutating func found(
        start offset: Int64, leaderEpoch: LeaderEpoch = .none, of partition: TopicPartition, number: Int
    ) -> Bool {
        guard let state = self.partitions[partition], state.number == number, state.start != nil else { return false }
        self.partitions[partition]?.begin(at: offset, leaderEpoch: leaderEpoch)
        self.hasRoom = true
        return true
    }

    /// These are looked up again, later each time.
    mutating func lookUpAgain(
        _ partitions: [TopicPartition], nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) {
        for partition in partitions {
            self.detach(partition)
            self.postpone(partition, nowMs: nowMs, using: &generator)
        }
    }

    /// Not everything about this partition could be found out: it is tried again, later each time.
    private mutating func postpone(
        _ partition: TopicPartition, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) {
        guard let state = self.partitions[partition] else { return }
        let attempt = min(state.failures + 1, max(self.retry.attemptsMax - 1, 1))
        let delay = self.retry.delay(afterAttempt: attempt, using: &generator) ?? self.retry.delayMax
        self.partitions[partition]?.failures = attempt
        self.partitions[partition]?.nextLookupMs = nowMs + delay.milliseconds
        self.hasLookups = true
    }

    /// Takes a partition away from its leader.
    mutating func detach(_ partition: TopicPartition) {
        guard let leader = self.partitions[partition]?.leader else { return }
        self.partitions[partition]?.leader = nil
        // What its leader is asked is of no use any more.
        self.partitions[partition]?.lookup = nil
        self.order[leader.address]?.removeAll { $0 == partition }
        if self.order[leader.address]?.isEmpty == true { self.order[leader.address] = nil }
    }
}
