// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

// Requests that the coordinators of groups answer.

extension JoinGroupRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<JoinGroupResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = JoinGroupResponse()
        (refused.errorCode, refused.memberID) = (error.rawValue, self.memberID)
        return .all(refused)
    }

    func waitsFor(_ refusals: Refusals) -> [RefusalTarget] { [.group(self.groupID)] }
}

extension SyncGroupRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<SyncGroupResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = SyncGroupResponse()
        refused.errorCode = error.rawValue
        return .all(refused)
    }

    func waitsFor(_ refusals: Refusals) -> [RefusalTarget] { [.group(self.groupID)] }
}

extension HeartbeatRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<HeartbeatResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = HeartbeatResponse()
        refused.errorCode = error.rawValue
        return .all(refused)
    }
}

extension LeaveGroupRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<LeaveGroupResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = LeaveGroupResponse()
        refused.errorCode = error.rawValue
        return .all(refused)
    }
}

extension ConsumerGroupHeartbeatRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<ConsumerGroupHeartbeatResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = ConsumerGroupHeartbeatResponse()
        refused.errorCode = error.rawValue
        return .all(refused)
    }
}

extension OffsetCommitRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<OffsetCommitResponse> {
        let groupError = refusals.error(.group(self.groupID))
        var refused = OffsetCommitResponse()
        for index in self.topics.indices {
            let topic = self.topics[index]
            var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
            (answer.name, answer.topicID) = (topic.name, topic.topicID)
            answer.partitions = self.topics[index].partitions.extract { partition in
                let target = refusals.partition(topic.name, topic.topicID, partition.partitionIndex)
                guard let error = groupError ?? refusals.error(.item(target)) else { return nil }
                var answer = OffsetCommitResponse.OffsetCommitResponsePartition()
                (answer.partitionIndex, answer.errorCode) = (partition.partitionIndex, error.rawValue)
                return answer
            }
            if !answer.partitions.isEmpty { refused.topics.append(answer) }
        }
        if refused.topics.isEmpty { return .nothing }
        self.topics.removeAll { $0.partitions.isEmpty }
        return self.topics.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: OffsetCommitResponse, into answer: inout OffsetCommitResponse) {
        answer.topics.merge(
            refused.topics, by: { TopicKey(name: $0.name, id: $0.topicID) }, \.partitions)
    }
}

extension OffsetFetchRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<OffsetFetchResponse> {
        var refused = OffsetFetchResponse()
        if self.groups.isEmpty {
            // Before version 8 there is one group.
            guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
            refused.errorCode = error.rawValue
            return .all(refused)
        }
        refused.groups = self.groups.extract { group in
            guard let error = refusals.error(.group(group.groupID)) else { return nil }
            var answer = OffsetFetchResponse.OffsetFetchResponseGroup()
            (answer.groupID, answer.errorCode) = (group.groupID, error.rawValue)
            return answer
        }
        if refused.groups.isEmpty { return .nothing }
        return self.groups.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: OffsetFetchResponse, into answer: inout OffsetFetchResponse) {
        answer.groups += refused.groups
    }
}

extension DescribeGroupsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<DescribeGroupsResponse> {
        var refused = DescribeGroupsResponse()
        refused.groups = self.groups.extract { group in
            guard let error = refusals.error(.group(group)) else { return nil }
            var answer = DescribeGroupsResponse.DescribedGroup()
            (answer.groupID, answer.errorCode) = (group, error.rawValue)
            return answer
        }
        if refused.groups.isEmpty { return .nothing }
        return self.groups.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: DescribeGroupsResponse, into answer: inout DescribeGroupsResponse) {
        answer.groups += refused.groups
    }
}

extension ConsumerGroupDescribeRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<ConsumerGroupDescribeResponse> {
        var refused = ConsumerGroupDescribeResponse()
        refused.groups = self.groupIDs.extract { group in
            guard let error = refusals.error(.group(group)) else { return nil }
            var answer = ConsumerGroupDescribeResponse.DescribedGroup()
            (answer.groupID, answer.errorCode) = (group, error.rawValue)
            return answer
        }
        if refused.groups.isEmpty { return .nothing }
        return self.groupIDs.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: ConsumerGroupDescribeResponse, into answer: inout ConsumerGroupDescribeResponse) {
        answer.groups += refused.groups
    }
}

extension DeleteGroupsRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<DeleteGroupsResponse> {
        var refused = DeleteGroupsResponse()
        refused.results = self.groupsNames.extract { group in
            guard let error = refusals.error(.group(group)) else { return nil }
            var answer = DeleteGroupsResponse.DeletableGroupResult()
            (answer.groupID, answer.errorCode) = (group, error.rawValue)
            return answer
        }
        if refused.results.isEmpty { return .nothing }
        return self.groupsNames.isEmpty ? .all(refused) : .part(refused)
    }

    static func merge(_ refused: DeleteGroupsResponse, into answer: inout DeleteGroupsResponse) {
        answer.results += refused.results
    }
}

extension OffsetDeleteRequest: RefusableRequest {
    mutating func refuse(_ refusals: Refusals) -> Refused<OffsetDeleteResponse> {
        guard let error = refusals.error(.group(self.groupID)) else { return .nothing }
        var refused = OffsetDeleteResponse()
        refused.errorCode = error.rawValue
        return .all(refused)
    }
}
