// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import Synchronization

extension GroupConsumer {
    /// How long it is waited before something that failed is tried again, beside what the retry policy waits.
    private static let resumeDelay = Duration.milliseconds(500)
    /// The same while only the member's epoch has to arrive.
    private static let staleEpochDelay = Duration.milliseconds(50)

    // MARK: The assignment

    /// Goes from what is read to what is to be read. What is taken away is committed before the coordinator hears that
    /// it is free; reading of the rest stops for no longer than that takes to begin.
    func reconcile(_ reconciliation: MembershipReconciliation) async {
        let number = reconciliation.number
        guard self.state.withLock({ $0.membership.isUnderWay(number) }) else { return }
        if !reconciliation.revoked.isEmpty {
            await self.stopReading()
            await self.commit()
            let revoked = self.state.withLock { state in
                let revoked = Set(reconciliation.revoked.compactMap(state.name)).intersection(state.offsets.reading)
                state.offsets.end(revoked)
                state.pending.subtract(reconciliation.revoked)
                return revoked.sorted()
            }
            if !revoked.isEmpty { self.tell(.revoked(revoked)) }
            self.startReading()
        }
        self.react { state in
            // The member may have been fenced meanwhile, and what it was given is not its any more.
            guard state.membership.isUnderWay(number) else { return .none }
            state.pending.formUnion(reconciliation.added)
            return state.membership.released(number, nowMs: self.nowMs)
        }
        self.wake()
        await self.startPending()
    }

    func lose(_ partitions: [TopicPartition], _ error: KafkaClientError) async {
        await self.stopReading()
        self.tell(partitions.isEmpty ? .retrying(error) : .lost(partitions, error))
        // Partitions may have been given back already.
        self.startReading()
    }

    func resume() async {
        self.state.withLock { $0.isResumeScheduled = false }
        do {
            if self.state.withLock({ $0.reader == nil }) {
                // What has no leader, or no topic any more, must not hold up the rest: it begins again later.
                await self.commit()
                let missing = try await self.checkPositions()
                self.state.withLock { state in
                    for (id, name) in state.names {
                        for partition in missing where partition.topic == name {
                            state.pending.insert(.init(topicID: id, index: partition.partition))
                        }
                    }
                    state.offsets.end(missing)
                }
                self.startReading()
            }
            await self.startPending()
        } catch {
            self.putOff(error)
        }
    }

    /// Begins to read partitions that were assigned, as far as everything is known about them.
    private func startPending() async {
        let pending = self.state.withLock(\.pending)
        guard !pending.isEmpty else { return }
        do {
            try await self.learnNames(of: Set(pending.compactMap(\.topicID)))
            let named = self.state.withLock { state in
                var named: [TopicPartition: GroupPartition] = [:]
                for partition in pending { if let name = state.name(partition) { named[name] = partition } }
                return named
            }
            let beginnings = named.isEmpty ? [:] : try await self.beginnings(of: named.keys.sorted())
            if !beginnings.isEmpty { await self.begin(beginnings, named) }
            if self.state.withLock({ !$0.pending.isEmpty }) { self.resumeLater(Self.resumeDelay) }
        } catch {
            self.putOff(error)
        }
    }

    private func begin(
        _ beginnings: [TopicPartition: Beginning], _ named: [TopicPartition: GroupPartition]
    ) async {
        await self.stopReading()
        let begun = self.state.withLock { state in
            var begun: [TopicPartition] = []
            for (partition, beginning) in beginnings {
                // Unless it was lost meanwhile.
                guard let id = named[partition], state.pending.remove(id) != nil else { continue }
                state.offsets.begin(partition, at: beginning.position, isCommitted: beginning.isCommitted)
                begun.append(partition)
            }
            return begun.sorted()
        }
        for partition in begun {
            if let beginning = beginnings[partition], let from = beginning.resetFrom {
                self.tell(.reset(partition, from: from, to: beginning.position.next))
            }
        }
        if !begun.isEmpty { self.tell(.assigned(begun)) }
        self.startReading()
    }

    /// Finds out the names of topics; those that the brokers do not know yet, or not any more, stay unknown.
    private func learnNames(of ids: Set<TopicID>) async throws {
        let unknown = self.state.withLock { state in ids.filter { state.names[$0] == nil } }
        guard !unknown.isEmpty else { return }
        let response = try await self.coordination.refreshMetadata(topics: [], ids: unknown.sorted())
        self.state.withLock { state in
            for topic in response.topics where topic.errorCode == ErrorCode.none.rawValue {
                if let name = topic.name, unknown.contains(topic.topicID) { state.names[topic.topicID] = name }
            }
        }
    }

    /// Tries again later, or ends when that is of no use.
    private func putOff(_ error: any Error) {
        guard let error = error as? KafkaClientError, Self.mayGoAway(error) else {
            self.continuation.yield(.failed(error))
            return
        }
        if error.errorCode == .staleMemberEpoch {
            self.resumeLater(Self.staleEpochDelay)
        } else {
            self.tell(.retrying(error))
            self.resumeLater(Self.resumeDelay)
        }
    }

    private func resumeLater(_ delay: Duration) {
        let isNew = self.state.withLock { state in
            defer { state.isResumeScheduled = true }
            return !state.isResumeScheduled
        }
        guard isNew else { return }
        Task {
            try await self.sleep(for: delay)
            self.continuation.yield(.resume)
        }
    }

    // MARK: Reading

    /// What the receiver threw, apart from what reading throws.
    private struct ProcessingFailure: Error {
        var cause: any Error
    }

    /// Begins to read everything that there is to be read, from where it was left.
    func startReading() {
        self.state.withLock { state in
            guard state.reader == nil else { return }
            let ranges = state.offsets.reading.compactMap { partition in
                state.offsets.position(of: partition).map { ReadRange(partition, from: $0) }
            }
            guard !ranges.isEmpty else { return }
            state.readings += 1
            let number = state.readings
            state.reader = Task { await self.read(ranges, number: number) }
        }
    }

    /// Returns when nothing is read and no batch is being processed any more.
    func stopReading() async {
        let reader = self.state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.cancel()
        await reader?.value
    }

    private func read(_ ranges: [ReadRange], number: Int) async {
        var reading = self.configuration.reading
        reading.outOfRangePolicy = .fail
        do {
            try await self.cluster.read(ranges, configuration: reading) { try await self.deliver($0) }
        } catch let failure as ProcessingFailure {
            self.continuation.yield(.failed(failure.cause))
        } catch let error as KafkaClientError {
            if Self.mayGoAway(error) || error.errorCode == .offsetOutOfRange {
                self.continuation.yield(.readingFailed(error, number))
            } else {
                self.continuation.yield(.failed(error))
            }
        } catch {
            // It was stopped.
        }
    }

    func readingFailed(_ error: KafkaClientError, _ number: Int) {
        let isCurrent = self.state.withLock { state in
            guard state.readings == number, state.reader != nil else { return false }
            state.reader = nil
            return true
        }
        guard isCurrent else { return }
        if error.errorCode == .offsetOutOfRange {
            self.resumeLater(.zero)
        } else {
            self.tell(.retrying(error))
            self.resumeLater(Self.resumeDelay)
        }
    }

    private func deliver(_ batch: ReadBatch) async throws -> ReadDecision {
        guard !Task.isCancelled, let process = self.state.withLock(\.handlers)?.process else { return .stop }
        let decision: GroupConsumerDecision
        do {
            // A task of its own: what has begun is finished, whatever becomes of the assignment.
            decision = try await Task { try await process(batch) }.value
        } catch {
            throw ProcessingFailure(cause: error)
        }
        let header = batch.batch.header
        let next: Offset
        switch decision {
        case .more: next = Offset(header.nextOffset)
        case .stop(let offset): next = min(offset, Offset(header.nextOffset))
        }
        self.state.withLock { state in
            state.offsets.processed(
                batch.partition, upTo: next, leaderEpoch: LeaderEpoch(header.partitionLeaderEpoch))
        }
        guard decision == .more else {
            self.stop()
            return .stop
        }
        return Task.isCancelled ? .stop : .more
    }
}

extension GroupConsumer.State {
    /// The partition by name; nil while that is not known.
    func name(_ partition: GroupPartition) -> TopicPartition? {
        if let named = partition.named { return named }
        return partition.topicID.flatMap { self.names[$0] }.map {
            TopicPartition(topic: $0, partition: partition.index)
        }
    }
}
