// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The assignor `range`.
public enum RangeAssignor: PartitionAssignor {
    /// `range`
    public static let name = "range"

    /// Deals the partitions of each topic out in turn.
    public static func assign(_ input: AssignmentInput) -> [String: PartitionSet] {
        var result = input.members.mapValues { _ in PartitionSet() }
        for (id, topic) in input.topics {
            let subscribers = input.members.filter { $0.value.subscribed.contains(id) }.keys.sorted()
            if subscribers.isEmpty { continue }
            for partition in 0..<topic.partitionCount {
                result[subscribers[Int(partition) % subscribers.count]]?.formUnion(id, [partition])
            }
        }
        return result
    }
}
