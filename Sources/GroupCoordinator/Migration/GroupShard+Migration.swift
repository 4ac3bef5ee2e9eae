// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// The passage of a group from one protocol to the other while it has members (KIP-848).
///
/// A classic group of consumers becomes a consumer group when the first member comes that uses the consumer protocol. Who
/// is in it stays in it, keeps its partitions, and goes on with the classic protocol (`ConsumerGroup+ClassicMembers`).
/// The way back is taken when the last member goes that uses the consumer protocol. `group.consumer.migration.policy`
/// allows either. Without members a group is whatever comes next.
extension GroupShard {
    // MARK: To the consumer protocol

    /// A consumer member joins a classic group that has members: the group becomes a consumer group first.
    ///
    /// - Throws: GROUP_ID_NOT_FOUND when it cannot; what `ConsumerGroup.admit` throws. Nothing has changed then.
    mutating func upgrade(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ step: inout Step
    ) throws(ConsumerRefusal) {
        let id = request.groupID
        guard let classic = self.classicGroups[id] else { return }
        let records = try Self.consumerRecords(of: classic, step)
        var group = ConsumerGroup(id: id)
        for record in records { group.replay(record) }
        let admission = try group.admit(request, call, step.environment)

        self.classicGroups[id]?.refuseParked(.rebalanceInProgress, &step)
        for record in classic.tombstones() + records { step.effects.append(record) }
        step.effects.note(
            id, "the group goes on with the consumer protocol",
            ["generation": "\(classic.generation)", "members": "\(group.members.count)"])
        self.classicGroups[id] = nil
        self.consumerGroups[id] = group
        for memberID in group.members.keys.sorted() { self.consumerGroups[id]?.keepAlive(memberID, step) }
        self.consumerGroups[id]?.heartbeat(request, as: admission, call, &step)
    }

    /// The classic group as a consumer group: its generation as the epoch of everything, what each member was last
    /// assigned as what it has and is to have. That is also true of a rebalance under way: cooperative members go on
    /// with what they have, eager ones have given it up and will say so.
    ///
    /// What a member owned when it last joined and was not assigned again it may still be giving up. So nobody gets it
    /// before the member says that it is done, which Kafka does not wait for.
    private static func consumerRecords(
        of classic: ClassicGroup, _ step: Step
    ) throws(ConsumerRefusal) -> [CoordinatorRecord] {
        if let obstacle = Self.obstacle(to: classic, step.settings) { throw Self.notUpgradable(classic.id, obstacle) }
        let group = ConsumerGroup(id: classic.id)
        let epoch = classic.generation
        var (members, targets, currents): ([CoordinatorRecord], [CoordinatorRecord], [CoordinatorRecord]) = ([], [], [])
        var owners = PartitionOwners()
        var settled: [(id: String, current: CurrentAssignment, owned: PartitionSet)] = []
        for member in classic.membersThatKnowTheirID {
            let (subscription, partitions) = try Self.standing(of: member, in: classic, step.topics)
            var current = CurrentAssignment()
            current.epoch = epoch
            current.previousEpoch = epoch
            // A leader that gives a partition to two members is not believed the second time.
            current.assigned = partitions.filtered { owners.owner(of: $0, $1) == nil }
            owners.move(member.id, from: CurrentAssignment(), to: current)
            let owned = subscription.ownedPartitions.map { ($0.topic, $0.partitions) }
            settled.append((member.id, current, Self.partitions(owned, step.topics)))
            members.append(group.memberRecord(member.id, member.details(subscription), classic: member.classicMetadata))
            targets.append(group.targetRecord(member.id, current.assigned))
        }
        for (id, assigned, owned) in settled {
            var current = assigned
            current.pendingRevocation = owned.filtered { owners.owner(of: $0, $1) == nil }
            if !current.pendingRevocation.isEmpty { current.state = .unrevokedPartitions }
            owners.move(id, from: assigned, to: current)
            currents.append(group.currentRecord(id, current))
        }
        return members + [group.epochRecord(epoch)] + targets + [group.targetEpochRecord(epoch)] + currents
    }

    /// What keeps a classic group from becoming a consumer group; nil when nothing does.
    private static func obstacle(to classic: ClassicGroup, _ settings: GroupSettings) -> String? {
        if !settings.migrationPolicy.allowsUpgrade {
            return "group.consumer.migration.policy is \(settings.migrationPolicy.rawValue)"
        }
        if !classic.usesConsumerProtocol { return "its protocol type is \(classic.protocolType ?? "none")" }
        if classic.members.count > Int(settings.consumerMaxSize) {
            return "it has \(classic.members.count) members, and group.consumer.max.size is \(settings.consumerMaxSize)"
        }
        return nil
    }

    /// What a classic member wants and has, as far as there are such partitions.
    private static func standing(
        of member: ClassicMember, in classic: ClassicGroup, _ topics: any TopicsView
    ) throws(ConsumerRefusal) -> (ConsumerProtocolSubscription, PartitionSet) {
        // Before the first generation is shared out there is no protocol yet, and any will do.
        let metadata = member.metadata(of: classic.protocolName ?? member.protocols.first?.name)
        guard let subscription = ConsumerProtocol.subscription(metadata),
            let assignment = ConsumerProtocol.assignment(member.assignment)
        else {
            throw Self.notUpgradable(classic.id, "what its member \(member.id) says cannot be understood")
        }
        let assignor = classic.protocolName ?? ""
        if let data = assignment.userData, data.readableBytes > 0, !ConsumerProtocol.plainAssignors.contains(assignor) {
            // It means something to the members that the coordinator could not say in the leader's place.
            throw Self.notUpgradable(classic.id, "its assignor \(assignor) sends data of its own")
        }
        return (subscription, Self.partitions(assignment.assignedPartitions.map { ($0.topic, $0.partitions) }, topics))
    }

    private static func notUpgradable(_ id: String, _ why: String) -> ConsumerRefusal {
        ConsumerRefusal(
            .groupIDNotFound, "Group \(id) is not a consumer group, and cannot become one: \(why)."
        )
    }

    /// Partitions by the names of their topics, as far as there are such.
    private static func partitions(_ named: [(String, [Int32])], _ topics: any TopicsView) -> PartitionSet {
        PartitionSet(
            named.compactMap { name, indexes in
                topics.topic(named: name).map { facts in
                    (facts.id, indexes.filter { (0..<facts.partitionCount).contains($0) })
                }
            }
        )
    }

    // MARK: To the classic protocol

    /// Makes a consumer group a classic one if all of its members use the classic protocol, and has it rebalance: what
    /// was the last consumer member's belongs to nobody. Constant time when it does not.
    mutating func downgradeIfDue(_ id: String, _ step: inout Step) {
        guard let consumer = self.consumerGroups[id], !consumer.isEmpty,
            consumer.classicMembers.count == consumer.members.count,
            step.settings.migrationPolicy.allowsDowngrade, consumer.members.count <= Int(step.settings.maxSize),
            var classic = Self.classicGroup(of: consumer, step)
        else { return }
        step.effects.note(
            id, "the group goes on with the classic protocol",
            ["generation": "\(classic.generation)", "members": "\(classic.members.count)"])
        for record in consumer.tombstones() { step.effects.append(record) }
        self.consumerGroups[id] = nil
        // Without a leader: a coordinator that loads this knows that the group is to rebalance.
        classic.writeGroup(&step)
        for memberID in classic.members.keys { classic.renewSession(memberID, step.now) }
        classic.prepareRebalance("the last member of the consumer protocol is gone", &step)
        self.classicGroups[id] = classic
    }

    /// A group whose members all use the classic protocol, as a classic group in which everybody has what it has; nil
    /// when they share no protocol, or what one of them has cannot be written.
    private static func classicGroup(of consumer: ConsumerGroup, _ step: Step) -> ClassicGroup? {
        var classic = ClassicGroup(id: consumer.id)
        // The epoch that the farthest members have reached; the others may go by their own until they join.
        classic.generation = consumer.targetEpoch
        classic.protocolType = ConsumerProtocol.type
        for member in consumer.members.values {
            guard let metadata = member.classicMemberMetadata, let spoken = metadata.supportedProtocols.first,
                let assignment = try? ConsumerProtocol.assignment(
                    of: member.current.assigned, answering: spoken.metadata, step.topics
                )
            else { return nil }
            var classicMember = ClassicMember(
                id: member.id, details: member.details, classic: metadata, assignment: assignment
            )
            classicMember.epochBefore = member.current.epoch
            classic.insert(classicMember)
        }
        guard let protocolName = classic.selectProtocol() else { return nil }
        classic.protocolName = protocolName
        classic.transition(to: .stable, step.now)
        return classic
    }

    /// A classic member comes to a consumer group that nobody is in: it gives way.
    mutating func deleteIfEmptyConsumerGroup(_ id: String, _ step: inout Step) {
        if self.consumerGroups[id]?.isEmpty == true { self.deleteEmptyGroup(id, &step) }
    }
}

// MARK: Parts of a classic group

extension ClassicGroup {
    /// Answers everybody who waits with an error.
    fileprivate mutating func refuseParked(_ error: ErrorCode, _ step: inout Step) {
        for (id, join) in self.joins.sorted(by: { $0.key < $1.key }) {
            step.effects.answer(join.token, .join(Self.refusal(error, id, join.version)))
        }
        for (_, token) in self.syncs.sorted(by: { $0.key < $1.key }) {
            step.effects.answer(token, .sync(Self.refusalOfSync(error)))
        }
        self.joins = [:]
        self.syncs = [:]
    }

    /// All members by ascending id, but those whose only request waits here and who will come back as somebody else.
    fileprivate var membersThatKnowTheirID: [ClassicMember] {
        self.members.values.filter { member in
            self.joins[member.id].map { $0.knowsItsID || member.instanceID != nil } ?? true
        }.sorted { $0.id < $1.id }
    }
}

extension ClassicMember {
    fileprivate func details(_ subscription: ConsumerProtocolSubscription) -> ConsumerMember.Details {
        var details = ConsumerMember.Details()
        details.instanceID = self.instanceID
        details.rackID = subscription.rackID
        details.clientID = self.clientID
        details.clientHost = self.clientHost
        details.subscription = Subscription(names: subscription.topics, pattern: nil)
        details.rebalanceTimeoutMs = self.rebalanceTimeoutMs
        return details
    }

    fileprivate var classicMetadata: ConsumerGroup.ClassicMetadata {
        var metadata = ConsumerGroup.ClassicMetadata()
        metadata.sessionTimeoutMs = self.sessionTimeoutMs
        metadata.supportedProtocols = self.protocols.map { spoken in
            var written = ConsumerGroupMemberMetadataValue.ClassicProtocol()
            written.name = spoken.name
            written.metadata = spoken.metadata
            return written
        }
        return metadata
    }
}

extension PartitionSet {
    fileprivate func filtered(_ keeps: (TopicID, Int32) -> Bool) -> PartitionSet {
        var result = PartitionSet()
        for topic in self.topics { result[topic] = self[topic].filter { keeps(topic, $0) } }
        return result
    }
}
