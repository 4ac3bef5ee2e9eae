// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire
import NIOCore

/// OffsetFetch (key 9): how far groups have read.
///
/// Served: 1-10. From version 2 on a request may ask for all topics, from 5 on the answer has leader epochs (KIP-320), from 8
/// on a request asks for many groups (KIP-709), from 9 on a member of a consumer group says which epoch it is in
/// (KIP-848), from 10 on topics go by id.
///
/// Offsets that are committed but not durable yet are waited for, so no answer is ever taken back. `RequireStable` has
/// nothing to wait for while there are no transactions. Martlet's own tagged field `IncludeLag` asks for what each partition
/// is behind.
struct OffsetFetchHandler: APIHandler {
    typealias AskedGroup = OffsetFetchRequest.OffsetFetchRequestGroup
    typealias FoundGroup = OffsetFetchResponse.OffsetFetchResponseGroup

    let broker: Broker
    let context: RequestContext

    /// The first version that asks for groups in the plural.
    private static let firstBatchedVersion: Int16 = 8
    /// The first version whose answer has an error of its own, beside those of partitions.
    private static let firstVersionWithError: Int16 = 2

    func answer(_ request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
        let version = self.context.apiVersion
        if version < Self.firstBatchedVersion {
            let asked = AskedGroup(request)
            return self.find(asked).map { Self.response(with: $0, to: asked, version: version) }
        }
        let repeated = RepeatedItems(request.groups.lazy.map(\.groupID))
        let answers = request.groups.map { group in
            repeated.contains(group.groupID) ? .now(Self.refusing(group.groupID, .invalidRequest)) : self.find(group)
        }
        return Answer.all(answers, on: self.context.eventLoop).map { groups in
            var response = OffsetFetchResponse()
            response.groups = groups
            return response
        }
    }

    private func find(_ asked: AskedGroup) -> Answer<FoundGroup> {
        let found = self.findOffsets(asked)
        return asked.includeLag ? self.broker.groupLag.addLag(to: found, on: self.context.eventLoop) : found
    }

    private func findOffsets(_ asked: AskedGroup) -> Answer<FoundGroup> {
        self.broker.ask(
            asked.groupID,
            self.context,
            unwrap: { if case .fetch(let group) = $0 { group } else { nil } },
            refuse: { Self.refusing(asked.groupID, $0) }
        ) { shard, call, environment in
            GroupEffects(answering: call, .fetch(shard.fetchOffsets(asked, call, environment)))
        }
    }

    private static func refusing(_ group: String, _ errorCode: ErrorCode) -> FoundGroup {
        var found = FoundGroup()
        found.groupID = group
        found.errorCode = errorCode.rawValue
        return found
    }

    /// The answer in the form that it had before there were groups in it.
    private static func response(with found: FoundGroup, to asked: AskedGroup, version: Int16) -> OffsetFetchResponse {
        var response = OffsetFetchResponse()
        if version >= Self.firstVersionWithError { response.errorCode = found.errorCode }
        if found.errorCode != ErrorCode.none.rawValue {
            if version < Self.firstVersionWithError { response.topics = Self.refusing(asked, found.errorCode) }
            return response
        }
        response.topics = found.topics.map { topic in
            var answer = OffsetFetchResponse.OffsetFetchResponseTopic()
            answer.name = topic.name
            answer.partitions = topic.partitions.map { partition in
                var answer = OffsetFetchResponse.OffsetFetchResponsePartition()
                answer.partitionIndex = partition.partitionIndex
                answer.committedOffset = partition.committedOffset
                answer.committedLeaderEpoch = partition.committedLeaderEpoch
                answer.metadata = partition.metadata
                answer.errorCode = partition.errorCode
                return answer
            }
            return answer
        }
        return response
    }

    /// An error of the whole, said for each partition.
    private static func refusing(
        _ asked: AskedGroup, _ errorCode: Int16
    ) -> [OffsetFetchResponse.OffsetFetchResponseTopic] {
        (asked.topics ?? []).map { topic in
            var answer = OffsetFetchResponse.OffsetFetchResponseTopic()
            answer.name = topic.name
            answer.partitions = topic.partitionIndexes.map { index in
                var answer = OffsetFetchResponse.OffsetFetchResponsePartition()
                answer.partitionIndex = index
                answer.committedOffset = -1
                answer.errorCode = errorCode
                return answer
            }
            return answer
        }
    }
}

extension OffsetFetchRequest.OffsetFetchRequestGroup {
    /// The one group that a request of the older form asks for.
    fileprivate init(_ request: OffsetFetchRequest) {
        self.init()
        self.groupID = request.groupID
        self.topics = request.topics?.map { topic in
            var asked = OffsetFetchRequest.OffsetFetchRequestTopics()
            asked.name = topic.name
            asked.partitionIndexes = topic.partitionIndexes
            return asked
        }
    }
}
