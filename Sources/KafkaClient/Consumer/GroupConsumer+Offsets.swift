// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Synchronization

extension GroupConsumer {
    /// How often a request is repeated because the member's epoch has moved on while it was on its way.
    private static let staleEpochAttemptsMax = 20
    private static let staleEpochDelay = Duration.milliseconds(50)
    /// Of OffsetCommit and OffsetFetch: version 9 came with member epochs, later ones name topics by id.
    private static let offsetVersions: ClosedRange<Int16> = 9...9

    // MARK: Committing

    /// Asks the main task to commit every now and then. Ends when it is cancelled.
    func queueCommits() async {
        while (try? await self.sleep(for: self.configuration.commitInterval)) != nil {
            let isNew = self.state.withLock { state in
                defer { state.isCommitQueued = true }
                return !state.isCommitQueued
            }
            if isNew { self.continuation.yield(.commit) }
        }
    }

    func commitQueued() async {
        self.state.withLock { $0.isCommitQueued = false }
        await self.commit()
    }

    /// Commits everything that is done. What goes wrong is told: records will come again, to this member or another.
    func commit() async {
        do {
            try await self.tryToCommit()
        } catch let error as KafkaClientError {
            self.tell(.commitFailed(error))
        } catch {
            let message = "committing offsets of group \(self.configuration.groupID) took too long"
            self.tell(.commitFailed(KafkaClientError(.timedOut, message)))
        }
    }

    private func tryToCommit() async throws {
        for _ in 0..<Self.staleEpochAttemptsMax {
            let (positions, member) = self.state.withLock { state in (state.offsets.uncommitted, state.member) }
            guard !positions.isEmpty, let member else { return }
            let request = self.commitRequest(positions, member)
            let groupID = self.configuration.groupID
            let results = try await self.coordination.atCoordinator(of: groupID) { connection in
                let response = try await connection.send(request, versions: Self.offsetVersions)
                var results = PartitionResults<Void>(missing: Array(positions.keys), api: "OffsetCommit")
                for topic in response.topics {
                    for entry in topic.partitions {
                        let partition = TopicPartition(
                            topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                        results[partition] = try KafkaCluster.partitionResult(
                            entry.errorCode, partition, groupID, isMember: true)
                    }
                }
                return results
            }
            guard let failure = self.noteCommitted(positions, results) else { return }
            guard failure.errorCode == .staleMemberEpoch else { throw failure }
            try await self.sleep(for: Self.staleEpochDelay)
        }
        throw KafkaClientError(.staleMemberEpoch, subject: "group \(self.configuration.groupID)")
    }

    /// Remembers what was committed; returns an error if there is one.
    private func noteCommitted(
        _ positions: [TopicPartition: OffsetTracker.Position], _ results: PartitionResults<Void>
    ) -> KafkaClientError? {
        self.state.withLock { state in
            var failure: KafkaClientError?
            for (partition, result) in results {
                switch result {
                case .success:
                    if let position = positions[partition] { state.offsets.committed(partition, position) }
                case .failure(let error):
                    failure = error
                }
            }
            return failure
        }
    }

    private func commitRequest(
        _ positions: [TopicPartition: OffsetTracker.Position], _ member: (id: String, epoch: Int32)
    ) -> OffsetCommitRequest {
        var request = OffsetCommitRequest()
        request.groupID = self.configuration.groupID
        request.generationIDOrMemberEpoch = member.epoch
        request.memberID = member.id
        request.groupInstanceID = self.configuration.instanceID
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

    // MARK: Beginning

    /// Where reading begins.
    struct Beginning: Sendable {
        var position: OffsetTracker.Position
        var isCommitted: Bool
        /// The offset that was committed, when it is not the one to begin with; nil inside for none.
        var resetFrom: Offset??
    }

    /// Where to begin in these partitions: where the group has come to, as far as that is still there. Partitions whose
    /// leader does not answer are missing.
    ///
    /// Throws when the group's offsets are not to be had, or when `offsetReset` says so.
    func beginnings(of partitions: [TopicPartition]) async throws -> [TopicPartition: Beginning] {
        let committed = try await self.committedOffsets(of: partitions)
        let bounds = try await self.bounds(of: partitions)
        var beginnings: [TopicPartition: Beginning] = [:]
        for partition in partitions {
            guard let bounds = bounds[partition] else { continue }
            if let offset = committed[partition], bounds.contains(offset.next) {
                beginnings[partition] = Beginning(position: offset, isCommitted: true)
            } else {
                let old = committed[partition]?.next
                let start = try self.resetOffset(of: partition, from: old, bounds)
                beginnings[partition] = Beginning(
                    position: OffsetTracker.Position(next: start), isCommitted: false, resetFrom: .some(old))
            }
        }
        return beginnings
    }

    /// Moves what lies outside of its partition now to where `offsetReset` says; throws when that is nowhere. Returns
    /// the partitions whose leaders do not answer.
    func checkPositions() async throws -> [TopicPartition] {
        let reading = self.state.withLock(\.offsets.reading)
        let bounds = try await self.bounds(of: reading)
        for (partition, bounds) in bounds {
            guard let old = self.state.withLock({ $0.offsets.position(of: partition) }), !bounds.contains(old) else {
                continue
            }
            let new = try self.resetOffset(of: partition, from: old, bounds)
            self.state.withLock { $0.offsets.reset(partition, to: OffsetTracker.Position(next: new)) }
            self.tell(.reset(partition, from: old, to: new))
        }
        return reading.filter { bounds[$0] == nil }
    }

    private func resetOffset(
        of partition: TopicPartition, from old: Offset?, _ bounds: ClosedRange<Offset>
    ) throws(KafkaClientError) -> Offset {
        switch self.configuration.offsetReset {
        case .earliest: return bounds.lowerBound
        case .latest: return bounds.upperBound
        case .fail:
            let groupID = self.configuration.groupID
            var error = KafkaClientError(.offsetOutOfRange, subject: "\(partition)")
            if let old {
                error.message = "\(partition) has no offset \(old), where group \(groupID) was"
            } else {
                error.message = "group \(groupID) has committed nothing for \(partition)"
            }
            error.message += ": it has \(bounds.lowerBound) up to \(bounds.upperBound)"
            throw error
        }
    }

    /// The first offset that is there, and the end.
    private func bounds(of partitions: [TopicPartition]) async throws -> [TopicPartition: ClosedRange<Offset>] {
        let found = try await self.listEnds(of: partitions)
        var bounds: [TopicPartition: ClosedRange<Offset>] = [:]
        for partition in partitions {
            guard let first = found.first[partition], let last = found.last[partition] else { continue }
            switch (first, last) {
            case (.success(let first), .success(let last)):
                if let first = first.offset, let last = last.offset { bounds[partition] = first...max(first, last) }
            case (.failure(let error), _), (_, .failure(let error)):
                guard Self.mayGoAway(error) else { throw error }
                self.tell(.retrying(error))
            }
        }
        return bounds
    }

    private func listEnds(
        of partitions: [TopicPartition]
    ) async throws -> (first: PartitionResults<ListedOffset>, last: PartitionResults<ListedOffset>) {
        func offsets(_ specification: OffsetSpecification) async throws -> PartitionResults<ListedOffset> {
            try await self.coordination.listOffsets(
                Dictionary(partitions.map { ($0, specification) }) { first, _ in first })
        }
        async let first = offsets(.earliest)
        async let last = offsets(.latest)
        return try await (first: first, last: last)
    }

    /// What the group has committed for these partitions; those without are missing.
    private func committedOffsets(
        of partitions: [TopicPartition]
    ) async throws -> [TopicPartition: OffsetTracker.Position] {
        let groupID = self.configuration.groupID
        guard let member = self.state.withLock(\.member) else {
            throw KafkaClientError(.unknownMemberID, subject: "group \(groupID)")
        }
        var group = OffsetFetchRequest.OffsetFetchRequestGroup()
        group.groupID = groupID
        group.memberID = member.id
        group.memberEpoch = member.epoch
        group.topics = partitions.sorted().groupedByTopic { name, partitions in
            var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
            topic.name = name
            topic.partitionIndexes = partitions.map(\.partition.rawValue)
            return topic
        }
        var request = OffsetFetchRequest()
        request.groups = [group]
        // What a transaction has not decided yet is waited for.
        request.requireStable = true
        let fetch = request
        return try await self.coordination.atCoordinator(of: groupID) { connection in
            let response = try await connection.send(fetch, versions: Self.offsetVersions)
            guard let group = response.groups.first(where: { $0.groupID == groupID }) else {
                throw KafkaCluster.missing(groupID, api: "OffsetFetch")
            }
            let errorCode = ErrorCode(rawValue: group.errorCode)
            guard errorCode == .none else { throw KafkaCluster.groupError(errorCode, groupID) }
            var positions: [TopicPartition: OffsetTracker.Position] = [:]
            for topic in group.topics {
                for entry in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                    let errorCode = ErrorCode(rawValue: entry.errorCode)
                    guard errorCode == .none else {
                        throw KafkaClientError(errorCode, subject: "\(partition) of group \(groupID)")
                    }
                    guard entry.committedOffset >= 0 else { continue }
                    positions[partition] = OffsetTracker.Position(
                        next: Offset(entry.committedOffset), leaderEpoch: LeaderEpoch(entry.committedLeaderEpoch))
                }
            }
            return positions
        }
    }

    /// Errors that pass: of the network, of brokers that change roles, of a membership that changes meanwhile, of topics
    /// that are just being made or deleted.
    static func mayGoAway(_ error: KafkaClientError) -> Bool {
        if error.isRetriable || error.isUnreachable || error.code == .invalidRequest { return true }
        switch error.errorCode {
        case .staleMemberEpoch, .fencedMemberEpoch, .unknownMemberID, .unknownTopicID, .unknownTopicOrPartition:
            return true
        default:
            return false
        }
    }
}

extension GroupConsumer.State {
    /// In whose name offsets are fetched and committed; nil while there is no membership.
    var member: (id: String, epoch: Int32)? {
        self.membership.isMember ? (self.membership.memberID, self.membership.epoch) : nil
    }
}
