// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

extension KafkaConsumer {
    /// Finds the leaders of partitions and where to begin in them, whenever that is not known.
    func lookUp() async {
        while !Task.isCancelled {
            let wakes = self.lookupWaker.wakes
            let now = self.now()
            let (due, nextLookupMs) = self.withState { $0.fetcher.lookups(nowMs: now) }
            let (ids, nextNamesMs) = self.withState { $0.group?.unnamed(nowMs: now) ?? ([], nil) }
            if !ids.isEmpty {
                await self.attempt(for: []) { try await self.learnNames(of: ids) }
                // Whatever came of it: not again at once.
                self.withState { $0.group?.learn([:], nowMs: self.now()) }
            }
            guard !due.isEmpty || !ids.isEmpty else {
                if let nextMs = [nextLookupMs, nextNamesMs].compactMap(\.self).min() {
                    let wait = Duration.milliseconds(max(nextMs - now, 1))
                    await self.lookupWaker.wait(after: wakes, for: wait, clock: self.clock)
                } else {
                    await self.lookupWaker.wait(after: wakes)
                }
                continue
            }
            if !due.leaderless.isEmpty {
                await self.attempt(for: due.leaderless) { try await self.findLeaders(of: due.leaderless) }
            }
            if !due.starts.isEmpty {
                await self.attempt(for: due.starts.keys.sorted()) { try await self.findStarts(due.starts) }
            }
        }
    }

    /// Tries something for partitions, and puts it off or ends the consumer when it fails.
    private func attempt(for partitions: [TopicPartition], _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch let error as KafkaClientError {
            guard self.mayGoAway(error) else {
                self.fail(error)
                return
            }
            self.putOff(partitions, error)
        } catch {
            // Cancelled: the consumer ends.
        }
    }

    private func putOff(_ partitions: [TopicPartition], _ error: KafkaClientError) {
        self.tell(.retrying(error))
        self.logger.debug("will look up again", metadata: [KafkaLogKey.reason: "\(error)"])
        self.withState { state in
            for partition in partitions {
                state.fetcher.postpone(partition, nowMs: self.now(), using: &state.generator)
            }
        }
    }

    /// Errors that pass: of the network once the cluster was reached, of brokers that change roles, of a membership
    /// that changes meanwhile, of topics that are just being made or deleted.
    func mayGoAway(_ error: KafkaClientError) -> Bool {
        if error.isUnreachable { return error.isRetriable || self.cluster.wasReached }
        if error.isRetriable { return true }
        switch error.errorCode {
        case .staleMemberEpoch, .fencedMemberEpoch, .unknownMemberID, .illegalGeneration, .rebalanceInProgress,
            .unknownTopicID, .unknownTopicOrPartition, .unstableOffsetCommit:
            return true
        default:
            // A partition that is not there may come.
            return error.code == .invalidRequest
        }
    }

    // MARK: Leaders

    private func findLeaders(of partitions: [TopicPartition]) async throws {
        let names = Set(partitions.map(\.topic)).sorted()
        let response = try await self.cluster.refreshMetadata(topics: names)
        let topics = Dictionary(response.topics.map(TopicDescription.init).map { ($0.name, $0) }) { first, _ in first }
        var missing: [TopicPartition: KafkaClientError] = [:]
        for partition in partitions {
            guard let topic = topics[partition.topic], topic.errorCode == .none,
                let description = topic.partition(partition.partition),
                let leader = self.cluster.cachedLeader(of: partition)
            else {
                missing[partition] = KafkaCluster.reasonForNoLeader(of: partition, topic: topics[partition.topic])
                continue
            }
            self.withState { state in
                state.fetcher.found(
                    .init(address: leader.address, epoch: description.leaderEpoch), of: partition,
                    topicID: topic.topicID)
            }
        }
        self.startFetching()
        for (partition, error) in missing {
            guard self.mayGoAway(error) else { throw error }
            self.putOff([partition], error)
        }
    }

    // MARK: Starts

    private typealias Starts = [TopicPartition: Fetcher.Lookups.Start]

    private func findStarts(_ starts: Starts) async throws {
        var open = starts
        let ofGroup = starts.filter { $0.value.start == .committed }
        if !ofGroup.isEmpty {
            for (partition, position) in try await self.committedPositions(of: ofGroup.keys.sorted()) {
                guard let start = open.removeValue(forKey: partition) else { continue }
                self.begin(partition, start, at: position, isCommitted: true)
            }
            for partition in ofGroup.keys where open[partition] != nil {
                open[partition] = nil
                // It is looked up in the next round.
                try self.nothingCommitted(for: partition)
            }
        }
        guard !open.isEmpty else { return }
        let specifications = open.compactMapValues { $0.start.specification }
        var found = try await self.cluster.listOffsets(specifications, isolation: self.configuration.isolation)
        let late = specifications.filter { partition, specification in
            guard case .timestamp = specification, case .success(let listed)? = found[partition] else { return false }
            return listed.offset == nil
        }
        if !late.isEmpty {
            // No record is as late as that: on with what is written from now on.
            let ends = try await self.cluster.listOffsets(
                late.mapValues { _ in .latest }, isolation: self.configuration.isolation)
            found.merge(ends) { _, end in end }
        }
        for (partition, result) in found {
            guard let start = open[partition] else { continue }
            do throws(KafkaClientError) {
                let listed = try result.get()
                guard let offset = listed.offset else {
                    throw KafkaClientError(
                        .malformedResponse, "the answer to ListOffsets has no offset for \(partition)")
                }
                self.begin(partition, start, at: .init(next: offset), isCommitted: false)
            } catch {
                guard self.mayGoAway(error) else { throw error }
                self.putOff([partition], error)
            }
        }
    }

    private func begin(
        _ partition: TopicPartition, _ start: Fetcher.Lookups.Start, at position: OffsetTracker.Position,
        isCommitted: Bool
    ) {
        let reset = self.withState {
            $0.begin(partition, number: start.number, at: position, isCommitted: isCommitted)
        }
        if let from = reset { self.tell(.reset(partition, from: from, to: position.next)) }
    }

    private func nothingCommitted(for partition: TopicPartition) throws(KafkaClientError) {
        guard let start = self.configuration.offsetReset.start else {
            var error = KafkaClientError(.offsetOutOfRange, subject: "\(partition)")
            let group =
                self.configuration.subscription.groupID.map { "group \($0)" } ?? "this consumer, without a group,"
            error.message = "\(group) has committed nothing for \(partition), and offsetReset is .fail"
            throw error
        }
        self.interrupt { $0.reset(partition, from: nil, to: start) }
    }
}

extension ConsumerStart {
    /// How the leader is asked for it; nil when it need not be.
    fileprivate var specification: OffsetSpecification? {
        switch self {
        case .earliest: .earliest
        case .latest: .latest
        case .timestamp(let time): .timestamp(time)
        case .offset, .committed: nil
        }
    }
}
