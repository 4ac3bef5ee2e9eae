// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DescribeTopicPartitions (key 75): the partitions of some or all topics, a page at a time (KIP-966).
///
/// Served: 0. Topics come in the order of their names. An answer has at most as many partitions as the client asks for,
/// and at most 2,000; when there are more, it ends with a cursor to go on from. An empty list of topics means all.
/// Topics that do not exist take no room in a page, and are told of only when they were named.
struct DescribeTopicPartitionsHandler: APIHandler {
    /// Partitions of one answer: Kafka's default of `max.request.partition.size.limit`.
    static let partitionsMax = 2_000

    let broker: Broker
    let context: RequestContext

    func answer(_ request: DescribeTopicPartitionsRequest) -> Answer<DescribeTopicPartitionsResponse> {
        let image = self.broker.metadata.image
        let isForAll = request.topics.isEmpty
        let names = isForAll ? image.sortedTopicNames() : Set(request.topics.map(\.name)).sorted()
        var page = Page(room: max(1, min(Int(request.responsePartitionLimit), Self.partitionsMax)))
        for name in names {
            if let cursor = request.cursor, name < cursor.topicName { continue }
            let first = request.cursor?.topicName == name ? max(0, Int(request.cursor?.partitionIndex ?? 0)) : 0
            if let topic = image.topic(named: name) {
                guard page.add(topic, from: first) else { break }
            } else {
                page.addMissing(name)
            }
        }
        return .now(page.response)
    }

    /// An answer that is being filled.
    private struct Page {
        typealias Topic = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
        typealias Partition = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition

        /// Partitions that still fit.
        var room: Int
        var response = DescribeTopicPartitionsResponse()

        init(room: Int) { self.room = room }

        /// Adds what fits of a topic; false when something is left, which the cursor then points to.
        mutating func add(_ topic: TopicImage, from first: Int) -> Bool {
            let end = min(topic.partitions.count, first + self.room)
            if self.room > 0 {
                var answer = Topic()
                answer.name = topic.name
                answer.topicID = topic.id
                answer.isInternal = topic.isInternal
                answer.topicAuthorizedOperations = AuthorizedOperations.topic
                if first < end {
                    answer.partitions = (first..<end).map { Self.describe($0, topic.partitions[$0]) }
                    self.room -= end - first
                }
                self.response.topics.append(answer)
                if end == topic.partitions.count { return true }
            }
            var cursor = DescribeTopicPartitionsResponse.Cursor()
            cursor.topicName = topic.name
            cursor.partitionIndex = Int32(clamping: end)
            self.response.nextCursor = cursor
            return false
        }

        mutating func addMissing(_ name: String) {
            var answer = Topic()
            answer.name = name
            let isPossible = (try? TopicName.validate(name)) != nil
            answer.errorCode = (isPossible ? ErrorCode.unknownTopicOrPartition : .invalidTopicException).rawValue
            self.response.topics.append(answer)
        }

        private static func describe(_ index: Int, _ partition: PartitionImage) -> Partition {
            var answer = Partition()
            answer.partitionIndex = Int32(clamping: index)
            answer.leaderID = partition.leader.rawValue
            answer.leaderEpoch = partition.leaderEpoch.rawValue
            answer.replicaNodes = partition.replicas.map(\.rawValue)
            answer.isrNodes = partition.isr.map(\.rawValue)
            answer.eligibleLeaderReplicas = []
            answer.lastKnownElr = []
            if partition.leader == .none { answer.errorCode = ErrorCode.leaderNotAvailable.rawValue }
            return answer
        }
    }
}
