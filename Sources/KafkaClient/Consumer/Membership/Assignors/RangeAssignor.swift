// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// `range`: each topic is cut into as many runs of partitions as it has subscribers, the longer runs first.
///
/// Members are in the order of their instance ids, then those without one by member id. So topics with the same number
/// of partitions and the same subscribers are cut alike: partition 3 of both goes to the same member (co-partitioning,
/// for joins). With many topics the first members get more than the last. The result is Java's, except that racks
/// (KIP-881) are not looked at.
public struct RangeAssignor: ClassicAssignor {
    /// An assignor without state.
    public init() {}

    /// `range`
    public var name: String { "range" }

    /// O(n log n) in members, and linear in the partitions and in the topics of all members.
    public func assign(_ problem: ClassicAssignmentProblem) -> [String: [TopicPartition]] {
        var shares: [String: [TopicPartition]] = [:]
        let (topics, subscribers) = problem.subscribersInJavasOrder()
        for (topic, members) in zip(topics, subscribers) {
            let (least, rest) = topic.count.quotientAndRemainder(dividingBy: members.count)
            var next = 0
            for (place, member) in members.enumerated() {
                let end = next + least + (place < rest ? 1 : 0)
                for index in next..<end { shares[member, default: []].append(topic.partition(index)) }
                next = end
            }
        }
        return shares
    }
}
