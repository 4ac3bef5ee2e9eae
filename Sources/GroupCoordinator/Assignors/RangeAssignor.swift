// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// `range`: of each topic every subscriber gets one range of partitions, in the order of the members.
///
/// Topics with as many partitions and the same subscribers are cut at the same places, so that their partitions meet at
/// one member, as joins of streams need it. The first members of the order get one partition more where it does not come
/// out even. Like Kafka's since 4.0 it starts afresh each time, since ranges that line up and partitions that stay exclude
/// each other; the order begins with the static members by their instance ids, and so one that comes back under a new
/// member id finds its partitions again.
public enum RangeAssignor: PartitionAssignor {
    /// `range`
    public static let name = "range"

    /// O(n log n) in the members, linear in partitions and topics of members.
    public static func assign(_ input: AssignmentInput) -> [String: PartitionSet] {
        let members = input.members.sorted { Self.isBefore($0, $1) }
        let topics = input.topics.values.filter { $0.partitionCount > 0 }.sorted { $0.id < $1.id }
        let subscribers = Self.subscribers(of: topics, members)
        var sets = [PartitionSet](repeating: PartitionSet(), count: members.count)
        for (topic, numbers) in zip(topics, subscribers) where !numbers.isEmpty {
            let count = Int(topic.partitionCount)
            let (share, rest) = count.quotientAndRemainder(dividingBy: numbers.count)
            var start = 0
            for (place, number) in numbers.enumerated() {
                let end = start + share + (place < rest ? 1 : 0)
                if start == end { break }
                sets[number][topic.id] = Array(Int32(start)..<Int32(end))
                start = end
            }
        }
        return Dictionary(uniqueKeysWithValues: zip(members.map { $0.key }, sets))
    }

    /// The places of each topic's subscribers among `members`, ascending. Members one after the other mostly want the same.
    private static func subscribers(of topics: [TopicFacts], _ members: [Entry]) -> [[Int]] {
        let places = Dictionary(topics.enumerated().map { ($0.element.id, $0.offset) }) { one, _ in one }
        var subscribers = [[Int]](repeating: [], count: topics.count)
        var last: (set: Set<TopicID>, topics: [Int]) = ([], [])
        for (number, member) in members.enumerated() {
            let set = member.value.subscribed
            if set != last.set { last = (set, set.compactMap { places[$0] }) }
            for topic in last.topics { subscribers[topic].append(number) }
        }
        return subscribers
    }

    private typealias Entry = (key: String, value: AssignmentInput.Member)

    private static func isBefore(_ left: Entry, _ right: Entry) -> Bool {
        switch (left.value.instanceID, right.value.instanceID) {
        case (let one?, let other?): one == other ? left.key < right.key : one < other
        case (_?, nil): true
        case (nil, _?): false
        case (nil, nil): left.key < right.key
        }
    }
}
