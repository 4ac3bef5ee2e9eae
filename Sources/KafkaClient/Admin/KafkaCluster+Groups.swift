// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

extension KafkaCluster {
    /// The groups of all brokers, ascending by name; only those in one of these states and of one of these types,
    /// unless that is empty.
    ///
    /// One request to each broker: ListGroups 0; with states 4, Kafka 2.6. Throws `unsupportedVersion` when states are
    /// asked for and a broker is older, and what a broker could not answer: the list would have gaps.
    public func listGroups(states: [GroupState] = [], types: [GroupType] = []) async throws -> [GroupListing] {
        try await self.retrying {
            let brokers = ClusterDescription(try await self.refreshMetadata(topics: [])).brokers
            let groups = try await withThrowingTaskGroup(of: [GroupListing].self) { tasks in
                for broker in brokers {
                    tasks.addTask { try await self.listGroups(of: broker, states: states, types: types) }
                }
                return try await tasks.reduce(into: []) { $0 += $1 }
            }
            return groups.sorted { $0.groupID < $1.groupID }
        }
    }

    private func listGroups(
        of broker: BrokerDescription, states: [GroupState], types: [GroupType]
    ) async throws -> [GroupListing] {
        let connection = try await self.advertisedConnection(to: broker.address)
        var request = ListGroupsRequest()
        request.statesFilter = states.map(\.rawValue)
        // Brokers without types have classic groups only, which needs no question.
        let asksForTypes = try connection.version(of: ListGroupsRequest.self) >= 5
        request.typesFilter = asksForTypes ? types.map(\.rawValue) : []
        let response = try await connection.send(request, versions: (states.isEmpty ? 0 : 4)...Int16.max)
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else {
            throw KafkaClientError(errorCode, subject: "the groups of broker \(broker.nodeID)")
        }
        return response.groups
            .map { group in
                GroupListing(
                    groupID: group.groupID, protocolType: group.protocolType,
                    state: group.groupState.isEmpty ? nil : GroupState(rawValue: group.groupState),
                    type: group.groupType.isEmpty ? nil : GroupType(rawValue: group.groupType))
            }
            .filter { types.isEmpty || types.contains($0.type ?? .classic) }
    }

    /// These groups and their members, in the order of the names, of whatever protocol. Groups fail on their own, with
    /// `groupIDNotFound` for one that does not exist.
    ///
    /// A request to find the coordinators that are not known, and up to two to each of these: ConsumerGroupDescribe 0
    /// (Kafka 4.0) where it is served, DescribeGroups 0 for the rest.
    public func describeGroups(_ groupIDs: [String]) async throws -> [ItemResult<GroupDescription>] {
        let results = try await self.atCoordinators(of: groupIDs) { connection, coordinator, groupIDs in
            try await Self.describe(groupIDs, connection, coordinator)
        }
        return groupIDs.map { groupID in
            ItemResult(
                name: groupID, result: results[groupID] ?? .failure(Self.missing(groupID, api: "DescribeGroups")))
        }
    }

    /// Only the coordinator knows which protocol a group speaks: what is no consumer group is asked for as a classic
    /// one.
    private static func describe(
        _ groupIDs: [String], _ connection: KafkaConnection, _ coordinator: BrokerDescription
    ) async throws -> GroupResults<GroupDescription> {
        var results: GroupResults<GroupDescription> = [:]
        var classic = groupIDs
        if connection.versions[.consumerGroupDescribe] != nil {
            var request = ConsumerGroupDescribeRequest()
            request.groupIDs = groupIDs
            for group in try await connection.send(request).groups {
                let errorCode = ErrorCode(rawValue: group.errorCode)
                switch errorCode {
                case .none:
                    results[group.groupID] = .success(GroupDescription(group, coordinator: coordinator))
                case .groupIDNotFound, .unsupportedVersion:
                    break
                default:
                    results[group.groupID] = .failure(
                        Self.groupError(errorCode, group.groupID, message: group.errorMessage))
                }
            }
            classic.removeAll { results[$0] != nil }
        }
        guard !classic.isEmpty else { return results }
        var request = DescribeGroupsRequest()
        request.groups = classic
        for group in try await connection.send(request).groups {
            var errorCode = ErrorCode(rawValue: group.errorCode)
            // So brokers before 3.8 call a group that does not exist.
            if errorCode == .none, group.groupState == GroupState.dead.rawValue { errorCode = .groupIDNotFound }
            results[group.groupID] =
                errorCode == .none
                ? .success(GroupDescription(group, coordinator: coordinator))
                : .failure(Self.groupError(errorCode, group.groupID, message: group.errorMessage))
        }
        for groupID in classic where results[groupID] == nil {
            results[groupID] = .failure(Self.missing(groupID, api: "DescribeGroups"))
        }
        return results
    }

    /// Deletes groups with the offsets they have committed; each succeeds or fails on its own, with `nonEmptyGroup` for
    /// one that has members.
    ///
    /// A request to find the coordinators that are not known, and one to each of these: DeleteGroups 0, Kafka 1.1.
    public func deleteGroups(_ groupIDs: [String]) async throws -> [ItemResult<Void>] {
        let results = try await self.atCoordinators(of: groupIDs, isRepeatable: false) { connection, _, groupIDs in
            var request = DeleteGroupsRequest()
            request.groupsNames = groupIDs
            var results: GroupResults<Void> = [:]
            for group in try await connection.send(request).results {
                let errorCode = ErrorCode(rawValue: group.errorCode)
                results[group.groupID] =
                    errorCode == .none ? .success(()) : .failure(Self.groupError(errorCode, group.groupID))
            }
            return results
        }
        return groupIDs.map { groupID in
            ItemResult(name: groupID, result: results[groupID] ?? .failure(Self.missing(groupID, api: "DeleteGroups")))
        }
    }

    /// Takes members out of a group of the classic protocol, whether they are still there or not; who is will join again,
    /// unless it is a static member. Members fail on their own, with `unknownMemberID` for one that is not in the group.
    ///
    /// A request to find the coordinator, if it is not known, and one to it: LeaveGroup 3, Kafka 2.4 (KIP-345).
    public func removeMembers(
        _ members: [GroupMemberReference], of groupID: String, reason: String? = nil
    ) async throws -> [GroupMemberReference: Result<Void, KafkaClientError>] {
        guard !members.isEmpty else { return [:] }
        var request = LeaveGroupRequest()
        request.groupID = groupID
        request.members = members.map { member in
            var identity = LeaveGroupRequest.MemberIdentity()
            identity.reason = reason
            switch member {
            case .memberID(let id): identity.memberID = id
            case .instanceID(let id): identity.groupInstanceID = id
            }
            return identity
        }
        return try await self.atCoordinator(of: groupID, isRepeatable: false) { [request] connection in
            let response = try await connection.send(request, versions: 3...Int16.max)
            let errorCode = ErrorCode(rawValue: response.errorCode)
            guard errorCode == .none else { throw Self.groupError(errorCode, groupID) }
            var results: [GroupMemberReference: Result<Void, KafkaClientError>] = [:]
            for member in members {
                results[member] = .failure(
                    KafkaClientError(.malformedResponse, "the answer to LeaveGroup lacks the \(member)"))
            }
            for result in response.members {
                let member: GroupMemberReference =
                    result.groupInstanceID.map { .instanceID($0) } ?? .memberID(result.memberID)
                results[member] = Self.outcome((), result.errorCode, subject: "\(member) of group \(groupID)")
            }
            return results
        }
    }
}

extension GroupDescription {
    init(_ group: ConsumerGroupDescribeResponse.DescribedGroup, coordinator: BrokerDescription) {
        self.groupID = group.groupID
        self.type = .consumer
        self.state = GroupState(rawValue: group.groupState)
        self.protocolType = "consumer"
        self.coordinator = coordinator
        self.assignor = group.assignorName
        self.groupEpoch = group.groupEpoch
        self.assignmentEpoch = group.assignmentEpoch
        self.members = group.members.map(GroupMember.init).sortedForDisplay()
    }

    init(_ group: DescribeGroupsResponse.DescribedGroup, coordinator: BrokerDescription) {
        self.groupID = group.groupID
        self.type = .classic
        self.state = GroupState(rawValue: group.groupState)
        self.protocolType = group.protocolType
        self.coordinator = coordinator
        self.assignor = group.protocolData
        self.members = group.members
            .map { GroupMember($0, isConsumer: group.protocolType == "consumer") }
            .sortedForDisplay()
    }
}

extension [GroupMember] {
    fileprivate func sortedForDisplay() -> [GroupMember] {
        self.sorted { ($0.clientID, $0.memberID) < ($1.clientID, $1.memberID) }
    }
}

extension GroupMember {
    init(_ member: ConsumerGroupDescribeResponse.Member) {
        self.memberID = member.memberID
        self.instanceID = member.instanceID
        self.rackID = member.rackID
        self.clientID = member.clientID
        self.clientHost = member.clientHost
        self.memberEpoch = member.memberEpoch
        self.usesClassicProtocol = member.memberType < 0 ? nil : member.memberType == 0
        self.subscribedTopics = member.subscribedTopicNames.sorted()
        // Brokers say the empty text where there is none.
        self.subscribedRegex = member.subscribedTopicRegex.flatMap { $0.isEmpty ? nil : $0 }
        self.assignment = Self.partitions(member.assignment)
        self.targetAssignment = Self.partitions(member.targetAssignment)
    }

    private static func partitions(_ assignment: ConsumerGroupDescribeResponse.Assignment) -> [TopicPartition] {
        assignment.topicPartitions.flatMap { topic in
            topic.partitions.map { TopicPartition(topic: topic.topicName, partition: PartitionIndex($0)) }
        }.sorted()
    }

    init(_ member: DescribeGroupsResponse.DescribedGroupMember, isConsumer: Bool) {
        self.memberID = member.memberID
        self.instanceID = member.groupInstanceID
        self.clientID = member.clientID
        self.clientHost = member.clientHost
        self.usesClassicProtocol = true
        self.subscribedTopics = []
        self.assignment = []
        guard isConsumer else { return }
        do throws(WireError) {
            if let subscription = try ConsumerProtocolSubscription.parse(member.memberMetadata) {
                self.subscribedTopics = subscription.topics.sorted()
                self.rackID = subscription.rackID
            }
            if let assignment = try ConsumerProtocolAssignment.parse(member.memberAssignment) {
                self.assignment = assignment.assignedPartitions.flatMap { topic in
                    topic.partitions.map { TopicPartition(topic: topic.topic, partition: PartitionIndex($0)) }
                }.sorted()
            }
        } catch {
            self.isUnreadable = true
        }
    }
}

extension KafkaMessage {
    /// Reads what consumers put into the opaque bytes of the classic protocol: a version, and behind it the message. A
    /// version that is newer is read as the newest known one, which it begins with. Nil for no bytes at all: the member
    /// has nothing yet.
    static func parse(_ bytes: ByteBuffer) throws(WireError) -> Self? {
        guard bytes.readableBytes > 0 else { return nil }
        var reader = WireReader(bytes)
        let version = try reader.readInt16()
        return try Self(from: &reader, version: min(version, Self.validVersions.upperBound))
    }
}
