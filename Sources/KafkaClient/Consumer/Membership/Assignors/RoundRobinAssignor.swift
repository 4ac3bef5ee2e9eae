// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// `roundrobin`: all partitions of all topics are dealt out like cards, passing over members that are not subscribed.
///
/// Members are in the order of their instance ids, then those without one by member id; topics by name. When all
/// subscribe to the same topics, they differ by one partition at most. The result is Java's.
public struct RoundRobinAssignor: ClassicAssignor {
    /// An assignor without state.
    public init() {}

    /// `roundrobin`
    public var name: String { "roundrobin" }

    /// O(n log n) in members and partitions, and linear in the topics of all members.
    public func assign(_ problem: ClassicAssignmentProblem) -> [String: [TopicPartition]] {
        let ranks = Dictionary(
            problem.membersInJavasOrder().enumerated().map { ($0.element.memberID, $0.offset) }
        ) { first, _ in first }
        var shares: [String: [TopicPartition]] = [:]
        // The rank whose turn it is; the first subscriber from there on gets the partition.
        var turn = 0
        let (topics, subscribers) = problem.subscribersInJavasOrder()
        for (topic, members) in zip(topics, subscribers) {
            let places = members.map { ranks[$0] ?? 0 }
            var place = places.partitioningIndex { $0 >= turn }
            for index in 0..<topic.count {
                if place == places.count { place = 0 }
                shares[members[place], default: []].append(topic.partition(index))
                turn = places[place] + 1
                place += 1
            }
        }
        return shares
    }
}
