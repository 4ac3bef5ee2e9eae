// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

@testable import GroupCoordinator

/// Commits and fetches, each compared with what the truth is.
extension SimulatedCoordinator {
    // MARK: Commits

    func commit(_ attempt: CommitAttempt, _ envelope: Envelope) {
        let group = self.world.client(envelope.client).group
        let call = self.call(envelope.number, version: envelope.request.version, client: "c\(envelope.client)")
        let request = self.request(attempt, group: group, number: envelope.number)
        let membersBefore = self.needsCloseLook(envelope) ? self.members(of: group) : nil
        let effects = self.shard.commitOffsets(request, call, self.environment)
        guard let first = effects.answers.first, case .commit(let response) = first.answer else {
            return self.world.fail("\(envelope.request.name) was not answered at once")
        }
        self.take(effects)
        let accepted = self.accepted(response, of: attempt, group)
        if accepted.isEmpty { return }
        let name = envelope.request.name
        if effects.records.isEmpty { return self.world.fail("\(name) was accepted and not recorded") }
        if !first.waitsForWrites { return self.world.fail("\(name) is answered before it is durable") }
        self.checkFence(attempt, group, membersBefore)
        for (partition, offset) in accepted {
            let key = CommitTruth.Key(group: group, partition)
            if let before = self.truth[key], before.offset > offset {
                return self.world.fail(
                    "\(self.world.groupIDs[group]): \(attempt.memberID) of epoch \(attempt.epoch) put \(partition) "
                        + "back from \(before.offset) to \(offset): it did not own it any more, or not alone")
            }
            self.note(offset, metadata: "request \(envelope.number)", of: key)
        }
    }

    /// Offsets that an administrator sets: only when nobody is in the group.
    func reset(group: Int, _ offsets: [(partition: SimulatedPartition, offset: Int64)]) {
        let attempt = CommitAttempt(offsets: offsets)
        let number = self.world.nextRequestNumber()
        let hadMembers = !self.members(of: group).isEmpty
        let request = self.request(attempt, group: group, number: number)
        let effects = self.administer { $0.commitOffsets(request, $1, $2) }
        guard case .commit(let response)? = effects.answers.first?.answer else {
            return self.world.fail("a commit of an administrator was not answered")
        }
        let accepted = self.accepted(response, of: attempt, group)
        if !accepted.isEmpty, hadMembers {
            return self.world.fail("\(self.world.groupIDs[group]) has members, and an administrator's commit was taken")
        }
        if !accepted.isEmpty { self.world.tally.note(.reset) }
        for (partition, offset) in accepted {
            self.note(offset, metadata: "request \(number)", of: CommitTruth.Key(group: group, partition))
        }
    }

    private func note(_ offset: Int64, metadata: String, of key: CommitTruth.Key) {
        let commit = CommitTruth.Commit(offset: offset, metadata: metadata, wallMs: self.world.wallMs)
        self.truth.set(key, commit, sequence: self.log.lastSequence, durable: self.log.durableSequence)
    }

    private func request(_ attempt: CommitAttempt, group: Int, number: UInt64) -> OffsetCommitRequest {
        var request = OffsetCommitRequest()
        request.groupID = self.world.groupIDs[group]
        request.memberID = attempt.memberID
        request.generationIDOrMemberEpoch = attempt.epoch
        request.groupInstanceID = attempt.instanceID
        for (partition, offset) in attempt.offsets {
            var entry = OffsetCommitRequest.OffsetCommitRequestPartition()
            entry.partitionIndex = partition.index
            entry.committedOffset = offset
            entry.committedMetadata = "request \(number)"
            if request.topics.last?.topicID == partition.topicID {
                request.topics[request.topics.count - 1].partitions.append(entry)
            } else {
                var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
                topic.topicID = partition.topicID
                topic.partitions = [entry]
                request.topics.append(topic)
            }
        }
        return request
    }

    private func accepted(
        _ response: OffsetCommitResponse, of attempt: CommitAttempt, _ group: Int
    ) -> [(partition: SimulatedPartition, offset: Int64)] {
        var good: Set<SimulatedPartition> = []
        for topic in response.topics {
            for partition in topic.partitions where partition.errorCode == 0 {
                good.insert(SimulatedPartition(topic: topic.topicID, index: partition.partitionIndex))
            }
        }
        let accepted = attempt.offsets.filter { good.contains($0.partition) }
        if accepted.count != good.count { self.world.fail("a commit was answered for partitions that were not in it") }
        if let gone = accepted.first(where: { !self.world.topics.has($0.partition) }) {
            self.world.fail("a commit for \(gone.partition) was taken, which does not exist")
        }
        return accepted
    }

    /// Looking at the members costs something: it is done for clients that may have been thrown out, and now and then.
    private func needsCloseLook(_ envelope: Envelope) -> Bool {
        let client = self.world.client(envelope.client)
        return self.world.now - client.lastTroubleAt < 20_000 || !client.isAlive || self.world.oneIn(10)
    }

    /// A commit was taken: it must have come from a member of this generation.
    private func checkFence(_ attempt: CommitAttempt, _ group: Int, _ members: [String: MemberFacts]?) {
        let id = self.world.groupIDs[group]
        if let generation = self.generations[id], !self.isConsumer(group), attempt.epoch < generation,
            self.downgrades[id] != generation
        {
            return self.world.fail(
                "\(id) is at generation \(generation) and took a commit of \(attempt.memberID), generation "
                    + "\(attempt.epoch)")
        }
        guard let members else { return }
        guard let member = members[attempt.memberID] else {
            return self.world.fail("\(id) took a commit of \(attempt.memberID), who is no member")
        }
        if let epoch = member.epoch, epoch != attempt.epoch {
            self.world.fail(
                "\(id) took a commit of \(attempt.memberID) of epoch \(attempt.epoch), which is at \(epoch)")
        }
        if let instance = attempt.instanceID, instance != member.instanceID {
            self.world.fail("\(id) took a commit of \(attempt.memberID) as \(instance)")
        }
    }

    // MARK: Fetches

    func fetch(_ attempt: FetchAttempt, _ envelope: Envelope) {
        let group = self.world.client(envelope.client).group
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = self.world.groupIDs[group]
        request.memberID = attempt.memberID
        request.memberEpoch = attempt.epoch
        var topics: [OffsetFetchRequest.OffsetFetchRequestTopics] = []
        for partition in attempt.partitions {
            if topics.last?.topicID == partition.topicID {
                topics[topics.count - 1].partitionIndexes.append(partition.index)
            } else {
                var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
                topic.topicID = partition.topicID
                topic.partitionIndexes = [partition.index]
                topics.append(topic)
            }
        }
        request.topics = topics
        let call = self.call(envelope.number, version: envelope.request.version, client: "c\(envelope.client)")
        let response = self.shard.fetchOffsets(request, call, self.environment)
        if response.errorCode == 0 {
            for topic in response.topics {
                for found in topic.partitions where found.errorCode == 0 {
                    let partition = SimulatedPartition(topic: topic.topicID, index: found.partitionIndex)
                    self.compare(found, with: self.truth[CommitTruth.Key(group: group, partition)], partition, group)
                }
            }
        }
        var effects = GroupEffects()
        effects.answer(RequestToken(envelope.number), .fetch(response))
        self.take(effects)
    }

    private func compare(
        _ found: OffsetFetchResponse.OffsetFetchResponsePartitions, with truth: CommitTruth.Commit?,
        _ partition: SimulatedPartition, _ group: Int
    ) {
        if found.committedOffset == truth?.offset ?? -1, found.metadata == truth?.metadata ?? "" { return }
        let expected = truth.map { "\($0.offset) of \($0.metadata)" } ?? "nothing"
        self.world.fail(
            "\(self.world.groupIDs[group]) has \(expected) for \(partition), and answers \(found.committedOffset) of "
                + "\(found.metadata ?? "nil")")
    }

    /// All offsets of the group, nothing more and nothing less.
    func checkAllOffsets(of group: Int, in shard: GroupShard) {
        var request = OffsetFetchRequest.OffsetFetchRequestGroup()
        request.groupID = self.world.groupIDs[group]
        request.topics = nil
        let call = self.call(self.world.nextRequestNumber(), version: 9, client: "admin")
        let response = shard.fetchOffsets(request, call, self.environment)
        var found = 0
        for topic in response.topics {
            guard let slot = SimulatedTopics.slot(named: topic.name) else {
                return self.world.fail("there are offsets for \(topic.name), which nobody committed")
            }
            for offset in topic.partitions {
                found += 1
                let partition = SimulatedPartition(slot: slot, life: 0, index: offset.partitionIndex)
                self.compare(offset, with: self.truth[CommitTruth.Key(group: group, partition)], partition, group)
            }
        }
        let expected = self.truth.keys.filter { $0.group == group }.count
        if found != expected {
            self.world.fail("\(self.world.groupIDs[group]) has \(found) offsets, and \(expected) were committed")
        }
    }

    // MARK: Deletion

    func deleteOffsets(group: Int, slot: Int) {
        var request = OffsetDeleteRequest()
        request.groupID = self.world.groupIDs[group]
        var topic = OffsetDeleteRequest.OffsetDeleteRequestTopic()
        topic.name = SimulatedTopics.names[slot]
        topic.partitions = self.world.topics.partitions(of: slot).map {
            var entry = OffsetDeleteRequest.OffsetDeleteRequestPartition()
            entry.partitionIndex = $0.index
            return entry
        }
        request.topics = [topic]
        let effects = self.administer { $0.deleteOffsets(request, $1, $2) }
        guard case .deleteOffsets(let response)? = effects.answers.first?.answer else {
            return self.world.fail("OffsetDelete was not answered")
        }
        for partition in response.topics.flatMap(\.partitions) where partition.errorCode == 0 {
            self.world.tally.note(.deletedOffsets)
            self.forget(CommitTruth.Key(group: group, slot: slot, index: partition.partitionIndex))
        }
    }

    /// - Returns: The error; 0 for none.
    @discardableResult
    func deleteGroup(_ group: Int) -> Int16 {
        let hadMembers = !self.members(of: group).isEmpty
        let effects = self.administer { $0.deleteGroup(self.world.groupIDs[group], $1, $2) }
        guard case .deleteGroup(let response)? = effects.answers.first?.answer else {
            self.world.fail("DeleteGroups was not answered")
            return -1
        }
        if response.errorCode != 0 { return response.errorCode }
        self.world.tally.note(.deletedGroup)
        if hadMembers { self.world.fail("\(self.world.groupIDs[group]) was deleted with members in it") }
        for key in self.truth.keys where key.group == group { self.forget(key) }
        return 0
    }

    /// Offsets that are too old go, but not those of topics that members read.
    func expireOffsets() {
        let effects = self.administer { $0.expireOffsets($2) }
        for case .offsetCommit(let key, let value) in effects.records {
            guard value == nil, let group = self.world.groupIDs.firstIndex(of: key.group),
                let slot = SimulatedTopics.slot(named: key.topic)
            else { return self.world.fail("expireOffsets wrote an offset for \(key.group), \(key.topic)") }
            let truth = CommitTruth.Key(group: group, slot: slot, index: key.partition)
            let retention = self.world.plan.settings.offsetsRetentionMs
            guard let commit = self.truth[truth], commit.wallMs + retention <= self.world.wallMs else {
                return self.world.fail(
                    "the offset of \(key.topic)-\(key.partition) in \(key.group) went before its time")
            }
            let members = self.members(of: group)
            if let reader = self.world.validReader(of: slot, in: group, members) {
                return self.world.fail(
                    "the offset of \(key.topic)-\(key.partition) in \(key.group) expired, and \(reader) reads the topic"
                )
            }
            self.world.tally.note(.expiredOffsets)
            self.forget(truth)
        }
    }

    private func forget(_ key: CommitTruth.Key) {
        self.truth.set(key, nil, sequence: self.log.lastSequence, durable: self.log.durableSequence)
    }

    /// Forgets the offsets of the topics that were deleted, as far as that is not done for good.
    func forgetTopics() {
        let due = self.unforgotten.filter { $0.value == .max }.keys.sorted()
        if due.isEmpty || !self.isUp { return }
        _ = self.administer { shard, _, environment in
            shard.forgetTopics(due.map { SimulatedTopics.names[$0] }, environment)
        }
        for key in self.truth.keys where due.contains(key.slot) { self.forget(key) }
        self.world.tally.note(.forgottenTopic)
        for slot in due { self.noteForgotten(slot) }
    }
}

extension CommitTruth.Key {
    init(group: Int, _ partition: SimulatedPartition) {
        self.init(group: group, slot: partition.slot, index: partition.index)
    }
}
