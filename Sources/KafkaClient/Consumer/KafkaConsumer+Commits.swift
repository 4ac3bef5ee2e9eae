// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaRecords
import KafkaWire
import Logging
import Synchronization

extension KafkaConsumer {
    typealias CommitWaiter = Waiter<Void>
    private typealias Positions = [TopicPartition: OffsetTracker.Position]
    private typealias Request = CommitQueue<CommitWaiter>.Request

    /// How often a commit is repeated because the member's epoch has moved on while it was on its way.
    private static let staleEpochAttemptsMax = 20
    private static let staleEpochDelay = Duration.milliseconds(50)
    /// How long the last commit may take, when nobody may be there to take it.
    private static let lastCommitTimeout = Duration.seconds(10)

    // MARK: Marking

    /// Says that a batch, or what of it comes before `end`, was processed before the next one is asked for. Does
    /// nothing when its partition was sought or taken away since. Whoever asks for the next batch says that all of this
    /// one was.
    public func markProcessed(_ batch: ConsumedBatch, upTo end: Offset? = nil) {
        let next = min(end ?? batch.next, batch.next)
        let epoch = batch.leaderEpoch(upTo: next)
        self.withState {
            $0.offsets.processed(batch.partition, number: batch.number, upTo: next, leaderEpoch: epoch)
        }
    }

    /// Says that a record, and all before it in its partition, was processed before the next one is asked for. Does
    /// nothing when its partition was sought or taken away since.
    public func markProcessed(_ record: ConsumedRecord) {
        self.withState {
            $0.offsets.processed(
                record.partition, number: record.number, upTo: Offset(record.record.offset) + 1,
                leaderEpoch: record.leaderEpoch)
        }
    }

    // MARK: Committing

    /// Commits what was processed, and returns when that is done. The batch or record in hand is not processed yet,
    /// unless `markProcessed` says so.
    ///
    /// Throws `invalidRequest` without a group, `connectionClosed` after the consumer has ended, `CancellationError`,
    /// and `brokerError`: `staleMemberEpoch`, `illegalGeneration`, `unknownMemberID` or `rebalanceInProgress` when the
    /// group has given the partitions to others, or is about to; what is read then is no longer this member's to
    /// commit.
    public func commit() async throws {
        try await self.commit(positions: nil)
    }

    /// Commits these offsets, each the first that is not processed, and returns when that is done. Throws as
    /// ``commit()`` does.
    public func commit(_ offsets: [TopicPartition: Offset]) async throws {
        try await self.commit(positions: offsets.mapValues { OffsetTracker.Position(next: $0) })
    }

    /// Has ``run()`` commit what was processed, soon, and does not wait for it. When it fails, ``events`` say so. Does
    /// nothing without a group.
    public func commitSoon() {
        guard self.configuration.subscription.groupID != nil else { return }
        _ = self.commits.withLock { $0.add(nil, waiter: nil) }
        self.commitWaker.wake()
    }

    private func commit(positions: Positions?) async throws {
        guard self.configuration.subscription.groupID != nil else {
            throw KafkaClientError(.invalidRequest, "offsets are committed in the name of a group, and there is none")
        }
        let waiter = CommitWaiter()
        guard let id = self.commits.withLock({ $0.add(positions, waiter: waiter) }) else {
            throw KafkaClientError(.connectionClosed, "the consumer has ended")
        }
        self.commitWaker.wake()
        do {
            try await waiter.value()
        } catch {
            // Whoever gives up wants nothing committed any more; when it is on its way, that cannot be helped.
            self.commits.withLock { $0.remove(id) }
            throw error
        }
    }

    // MARK: Carrying out

    /// Commits when somebody asks for it, and every now and then.
    func sendCommits() async {
        while !Task.isCancelled {
            let wakes = self.commitWaker.wakes
            let now = self.now()
            switch self.commits.withLock({ $0.step(nowMs: now) }) {
            case .wait(let untilMs?):
                let wait = Duration.milliseconds(max(untilMs - now, 1))
                await self.commitWaker.wait(after: wakes, for: wait, clock: self.clock)
            case .wait:
                await self.commitWaker.wait(after: wakes)
            case .commit(let requests, let isDue):
                let isCutShort = await self.carryOut(requests, includesProcessed: isDue)
                self.commits.withLock { $0.done(isCutShort ? requests : []) }
            }
        }
    }

    /// The last commit, of what was asked for and, if the consumer commits by itself, of what was processed.
    func commitFinally() async {
        let requests = self.commits.withLock { $0.end() }
        guard self.configuration.subscription.groupID != nil else { return }
        await self.carryOut(
            requests, includesProcessed: self.configuration.autoCommitInterval != nil,
            timeout: Self.lastCommitTimeout)
    }

    /// True when it was cut short by the end of the consumer, and nobody was told yet: the last commit does it again.
    @discardableResult
    private func carryOut(_ requests: [Request], includesProcessed: Bool, timeout: Duration? = nil) async -> Bool {
        var positions: Positions = [:]
        if includesProcessed || requests.contains(where: { $0.positions == nil }) {
            positions = self.withState { $0.uncommitted() }
        }
        for request in requests { positions.merge(request.positions ?? [:]) { _, explicit in explicit } }
        var failure: KafkaClientError?
        let startMs = self.now()
        do {
            try await self.send(positions, timeout: timeout)
        } catch let error as KafkaClientError {
            failure = error
        } catch {
            // A time limit is the last commit's only.
            guard timeout != nil else { return true }
            failure = KafkaClientError(
                .timedOut, "the last commit of offsets was cut short by the end of the consumer", cause: error)
        }
        if let groupID = self.configuration.subscription.groupID, !positions.isEmpty {
            self.cluster.telemetry.metrics?.committed(
                group: groupID, partitionCount: positions.count, after: .milliseconds(self.now() - startMs),
                error: failure)
        }
        for request in requests { request.waiter?.settle(failure.map { .failure($0) } ?? .success(())) }
        guard let failure, requests.isEmpty || requests.contains(where: { $0.waiter == nil }) else { return false }
        self.logger.warning(
            "offsets were not committed",
            metadata: [
                KafkaLogKey.group: "\(self.configuration.subscription.groupID ?? "")", KafkaLogKey.reason: "\(failure)",
            ])
        self.tell(.commitFailed(failure))
        return false
    }

    private func send(_ positions: Positions, timeout: Duration?) async throws {
        var positions = positions
        let assignments = self.assignmentNumbers(of: positions)
        for _ in 0..<Self.staleEpochAttemptsMax {
            guard !positions.isEmpty, let groupID = self.configuration.subscription.groupID else { return }
            let member = try self.commitIdentity()
            let request = Self.commitRequest(positions, groupID: groupID, member)
            let partitions = positions.keys.sorted()
            let results = try await self.cluster.atCoordinator(of: groupID) { connection in
                let response = try await connection.send(
                    request, versions: member.offsetVersions, timeout: timeout)
                var results = PartitionResults<Void>(missing: partitions, api: "OffsetCommit")
                for topic in response.topics {
                    for entry in topic.partitions {
                        let partition = TopicPartition(
                            topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                        results[partition] = try KafkaCluster.partitionResult(
                            entry.errorCode, partition, groupID, isMember: member.isMember)
                    }
                }
                return results
            }
            guard let failure = self.note(results, of: &positions) else { return }
            self.checkMembership(after: failure)
            // The next heartbeat brings the epoch.
            guard failure.errorCode == .staleMemberEpoch else { throw failure }
            try await self.clock.sleep(for: Self.staleEpochDelay)
            // What was given up or lost meanwhile is another member's, who may have committed more: under the new epoch
            // this would take it back.
            guard self.assignmentNumbers(of: positions).allSatisfy({ assignments[$0.key] == $0.value }) else {
                throw failure
            }
        }
        throw KafkaClientError(
            .staleMemberEpoch, subject: "group \(self.configuration.subscription.groupID ?? "")")
    }

    /// By which assignments of this consumer the partitions are read; nil for those that it does not read.
    private func assignmentNumbers(of positions: Positions) -> [TopicPartition: Int?] {
        self.withState { state in
            Dictionary(uniqueKeysWithValues: positions.keys.map { ($0, state.fetcher.partitions[$0]?.number) })
        }
    }

    /// Remembers what was committed, and leaves the rest in `positions`. Returns an error if there is one.
    private func note(_ results: PartitionResults<Void>, of positions: inout Positions) -> KafkaClientError? {
        var failure: KafkaClientError?
        var committed: Positions = [:]
        for (partition, result) in results {
            switch result {
            case .success: committed[partition] = positions.removeValue(forKey: partition)
            case .failure(let error): failure = error
            }
        }
        self.withState { [committed] state in
            for (partition, position) in committed { state.offsets.committed(partition, position) }
        }
        return failure
    }

    private static func commitRequest(
        _ positions: Positions, groupID: String, _ member: CommitIdentity
    ) -> OffsetCommitRequest {
        var request = OffsetCommitRequest()
        request.groupID = groupID
        request.generationIDOrMemberEpoch = member.epoch
        request.memberID = member.memberID
        request.groupInstanceID = member.instanceID
        request.topics = positions.keys.sorted().groupedByTopic { name, partitions in
            var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
            topic.name = name
            topic.partitions = partitions.compactMap { partition in
                guard let position = positions[partition] else { return nil }
                var entry = OffsetCommitRequest.OffsetCommitRequestPartition()
                entry.partitionIndex = partition.partition.rawValue
                entry.committedOffset = position.next.rawValue
                entry.committedLeaderEpoch = position.leaderEpoch.rawValue
                entry.committedMetadata = ""
                return entry
            }
            return topic
        }
        return request
    }
}

/// In whose name offsets are committed.
struct CommitIdentity: Sendable {
    /// Empty without a membership.
    var memberID = ""
    /// The member epoch, or the generation; -1 without a membership.
    var epoch: Int32 = -1
    var instanceID: String?
    /// Of OffsetCommit and OffsetFetch. Later ones name topics by id.
    var offsetVersions = KafkaCluster.namedTopicVersions

    var isMember: Bool { self.epoch >= 0 }
}

extension KafkaConsumer {
    /// In whose name offsets are committed and asked for now. Throws while the consumer has no place in its group.
    func commitIdentity() throws(KafkaClientError) -> CommitIdentity {
        guard case .group(let group) = self.configuration.subscription else { return CommitIdentity() }
        guard let identity = self.withState({ $0.group?.identity }) else {
            throw KafkaClientError(
                .unknownMemberID, subject: "group \(group.groupID)",
                message: "this consumer has no place in group \(group.groupID) at present; it is about to join")
        }
        return identity
    }

    /// Commits what was processed, and waits for that; events tell what goes wrong.
    func commitProcessed() async {
        do {
            try await self.commit()
        } catch let error as KafkaClientError {
            self.tell(.commitFailed(error))
        } catch {
            // Cancelled: the last commit is still to come.
        }
    }

    /// The coordinator has refused a commit in a way that says something about the membership: it is asked soon.
    private func checkMembership(after error: KafkaClientError) {
        switch error.errorCode {
        case .staleMemberEpoch, .fencedMemberEpoch, .unknownMemberID, .illegalGeneration, .rebalanceInProgress,
            .fencedInstanceID:
            self.withState { $0.group?.membership.checkSoon(nowMs: self.now()) }
            self.membershipWaker.wake()
        default:
            break
        }
    }
}
