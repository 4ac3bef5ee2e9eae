// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The assignors that the coordinator has.
public enum Assignors {
    /// All of them; `group.consumer.assignors` says which of them groups may use.
    public static let all: [any PartitionAssignor.Type] = [
        UniformAssignor.self, RangeAssignor.self, WeightedAssignor.self,
    ]

    /// The assignor of that name; nil when there is none. Names are case-sensitive, as in Kafka.
    public static func named(_ name: String) -> (any PartitionAssignor.Type)? {
        self.all.first { $0.name == name }
    }
}
