// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

extension KafkaConsumer {
    /// Finds the leaders of partitions, where to begin in them, and what new leaders have, whenever that is not known.
    /// Questions do not wait for each other: a leader that does not answer delays its own partitions only.
    func lookUp() async {
        await withDiscardingTaskGroup { tasks in
            while !Task.isCancelled {
                let wakes = self.lookupWaker.wakes
                let now = self.now()
                let (due, nextLookupMs) = self.withState { $0.fetcher.takeLookups(nowMs: now) }
                let (ids, nextNamesMs) = self.withState { $0.group?.takeUnnamed(nowMs: now) ?? ([], nil) }
                for lookup in due { tasks.addTask { await self.carryOut(lookup) } }
                if !ids.isEmpty { tasks.addTask { await self.findNames(of: ids) } }
                if let nextMs = [nextLookupMs, nextNamesMs].compactMap(\.self).min() {
                    let wait = Duration.milliseconds(max(nextMs - now, 1))
                    await self.lookupWaker.wait(after: wakes, for: wait, clock: self.clock)
                } else {
                    await self.lookupWaker.wait(after: wakes)
                }
            }
        }
    }

    private func carryOut(_ lookup: Fetcher.Lookup) async {
        do {
            switch lookup.question {
            case .leaders(let partitions): try await self.findLeaders(of: partitions, lookup)
            case .committed(let starts): try await self.findCommitted(starts)
            case .starts(let starts, let leader): try await self.findStarts(starts, at: leader, lookup)
            case .checks(let checks, let leader): try await self.check(checks, at: leader, lookup)
            }
        } catch let error as KafkaClientError {
            self.failed(lookup, for: lookup.partitions, error)
        } catch {
            // Cancelled: the consumer ends.
        }
        self.withState { $0.fetcher.finished(lookup) }
    }

    /// Puts a question off, or ends the consumer when it is of no use to repeat it.
    func failed(_ lookup: Fetcher.Lookup, for partitions: [TopicPartition], _ error: KafkaClientError) {
        guard self.mayGoAway(error) || error.errorCode.map(Fetcher.meansMoved) ?? false else {
            self.fail(error)
            return
        }
        self.tell(.retrying(error))
        self.logger.debug("will look up again", metadata: [KafkaLogKey.reason: "\(error)"])
        self.withState { state in
            state.fetcher.failed(lookup, for: partitions, nowMs: self.now(), using: &state.generator)
        }
    }

    private func findNames(of ids: [TopicID]) async {
        do {
            try await self.learnNames(of: ids)
        } catch let error as KafkaClientError {
            if self.mayGoAway(error) { self.tell(.retrying(error)) } else { self.fail(error) }
        } catch {
            // Cancelled: the consumer ends.
        }
        // Whatever came of it: not again at once.
        self.withState { $0.group?.learn([:], nowMs: self.now()) }
        self.lookupWaker.wake()
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

    private func findLeaders(of partitions: [TopicPartition], _ lookup: Fetcher.Lookup) async throws {
        let names = Set(partitions.map(\.topic)).sorted()
        let response = try await self.cluster.refreshMetadata(topics: names)
        let topics = Dictionary(response.topics.map(TopicDescription.init).map { ($0.name, $0) }) { first, _ in first }
        // What others have learnt of newer leader epochs counts, too.
        let metadata = self.cluster.metadata
        for partition in partitions {
            guard let topic = topics[partition.topic], topic.errorCode == .none,
                let known = metadata.topic(partition.topic), let leader = metadata.leader(of: partition),
                let description = known.partition(partition.partition)
            else {
                let error = KafkaCluster.reasonForNoLeader(of: partition, topic: topics[partition.topic])
                self.failed(lookup, for: [partition], error)
                continue
            }
            self.withState { state in
                state.fetcher.found(
                    .init(address: leader.address, epoch: description.leaderEpoch), of: partition,
                    topicID: known.topicID)
            }
        }
        self.startFetching()
    }

    // MARK: Starts

    private func findCommitted(_ starts: [TopicPartition: Fetcher.Lookup.Start]) async throws {
        let positions = try await self.committedPositions(of: starts.keys.sorted())
        for (partition, start) in starts {
            if let position = positions[partition] {
                self.begin(partition, start, at: position, isCommitted: true)
            } else {
                try self.nothingCommitted(for: partition, start)
            }
        }
    }

    private func findStarts(
        _ starts: [TopicPartition: Fetcher.Lookup.Start], at leader: BrokerAddress, _ lookup: Fetcher.Lookup
    ) async throws {
        let connection = try await self.cluster.advertisedConnection(to: leader)
        let specifications = starts.compactMapValues { $0.start.specification }
        let (epochs, isolation) = (starts.mapValues(\.leaderEpoch), self.configuration.isolation)
        var found = try await connection.listOffsets(specifications, leaderEpochs: epochs, isolation: isolation)
        let late = specifications.filter { partition, specification in
            guard case .timestamp = specification, case .success(let listed)? = found[partition] else { return false }
            return listed.offset == nil
        }
        if !late.isEmpty {
            // No record is as late as that: on with what is written from now on.
            let ends = try await connection.listOffsets(
                late.mapValues { _ in .latest }, leaderEpochs: epochs, isolation: isolation)
            found.merge(ends) { _, end in end }
        }
        for (partition, start) in starts {
            do throws(KafkaClientError) {
                guard let listed = try found[partition]?.get(), let offset = listed.offset else {
                    throw KafkaClientError(
                        .malformedResponse, "the answer to ListOffsets has no offset for \(partition)")
                }
                self.begin(
                    partition, start, at: .init(next: offset, leaderEpoch: listed.leaderEpoch), isCommitted: false)
            } catch {
                self.failed(lookup, for: [partition], error)
            }
        }
    }

    private func begin(
        _ partition: TopicPartition, _ start: Fetcher.Lookup.Start, at position: OffsetTracker.Position,
        isCommitted: Bool
    ) {
        let reset = self.withState {
            $0.begin(partition, number: start.number, at: position, isCommitted: isCommitted)
        }
        if let from = reset { self.tell(.reset(partition, from: from, to: position.next)) }
    }

    private func nothingCommitted(
        for partition: TopicPartition, _ asked: Fetcher.Lookup.Start
    ) throws(KafkaClientError) {
        guard self.withState({ $0.fetcher.isCurrent(partition, number: asked.number) }) else { return }
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
