// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// What the leader of a classic group does: shares out partitions among the members whose subscriptions it was sent.
enum ClassicAssignors {
    struct Member {
        let id: String
        let topics: Set<Int>
        /// What the member says it has, and since which generation.
        let owned: [SimulatedPartition]
        let generation: Int32
    }

    /// Neighbouring partitions of each topic to each subscriber.
    static func range(_ members: [Member], _ topics: SimulatedTopics) -> [String: [SimulatedPartition]] {
        var result: [String: [SimulatedPartition]] = [:]
        for slot in SimulatedTopics.names.indices {
            let subscribers = members.filter { $0.topics.contains(slot) }.sorted { $0.id < $1.id }
            if subscribers.isEmpty { continue }
            let partitions = topics.partitions(of: slot)
            for (number, member) in subscribers.enumerated() {
                let start = partitions.count * number / subscribers.count
                let end = partitions.count * (number + 1) / subscribers.count
                result[member.id, default: []] += partitions[start..<end]
            }
        }
        return result
    }

    /// Members keep what they have, unless another one would have less even after it got one more. What moves is given
    /// to nobody as long as another member has it: that one gives it up, and everybody joins again.
    static func cooperativeSticky(_ members: [Member], _ topics: SimulatedTopics) -> [String: [SimulatedPartition]] {
        let members = members.sorted { $0.id < $1.id }
        var owner: [SimulatedPartition: (id: String, generation: Int32)] = [:]
        var claims: [SimulatedPartition: [String]] = [:]
        for member in members {
            for partition in member.owned {
                claims[partition, default: []].append(member.id)
                if let known = owner[partition], known.generation >= member.generation { continue }
                if member.topics.contains(partition.slot) { owner[partition] = (member.id, member.generation) }
            }
        }
        let partitions = SimulatedTopics.names.indices.flatMap { topics.partitions(of: $0) }
        var target: [SimulatedPartition: String] = [:]
        var count: [String: Int] = [:]
        func least(_ partition: SimulatedPartition) -> String? {
            let subscribers = members.filter { $0.topics.contains(partition.slot) }
            return subscribers.min { count[$0.id, default: 0] < count[$1.id, default: 0] }?.id
        }
        for partition in partitions {
            guard let id = owner[partition]?.id else { continue }
            target[partition] = id
            count[id, default: 0] += 1
        }
        for partition in partitions where target[partition] == nil {
            guard let id = least(partition) else { continue }
            target[partition] = id
            count[id, default: 0] += 1
        }
        for partition in partitions {
            guard let id = target[partition], let other = least(partition) else { continue }
            if count[id, default: 0] <= count[other, default: 0] + 1 { continue }
            target[partition] = other
            count[id, default: 0] -= 1
            count[other, default: 0] += 1
        }
        var result: [String: [SimulatedPartition]] = [:]
        for partition in partitions {
            guard let id = target[partition] else { continue }
            let othersHaveIt = (claims[partition] ?? []).contains { $0 != id }
            if !othersHaveIt { result[id, default: []].append(partition) }
        }
        return result
    }
}
