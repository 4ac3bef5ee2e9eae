// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes

/// How records and answers write partitions: by topic, each time in a struct of their own that all look alike.
protocol TopicPartitionsStruct {
    var topicID: UUID128 { get set }
    var partitions: [Int32] { get set }
    init()
}

extension ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions: TopicPartitionsStruct {}
extension ConsumerGroupTargetAssignmentMemberValue.TopicPartition: TopicPartitionsStruct {}
extension ConsumerGroupHeartbeatResponse.TopicPartitions: TopicPartitionsStruct {}

extension PartitionSet {
    /// From a record or a request: topics may repeat, indexes be in any order.
    init(_ topics: [some TopicPartitionsStruct]) { self.init(topics.map { ($0.topicID, $0.partitions) }) }

    /// Topics by ascending id.
    func written<Topic: TopicPartitionsStruct>(as _: Topic.Type = Topic.self) -> [Topic] {
        self.sorted.map { entry in
            var topic = Topic()
            topic.topicID = entry.topic
            topic.partitions = entry.indexes
            return topic
        }
    }
}
