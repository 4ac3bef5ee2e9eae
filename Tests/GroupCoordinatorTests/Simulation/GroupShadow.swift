// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

@testable import GroupCoordinator

/// The groups as the records of the log tell of them, read by other code than the coordinator's: whose partitions are
/// whose, and of which generation.
struct GroupShadow {
    private struct Classic {
        var generation: Int32
    }

    fileprivate struct Consumer {
        var epoch: Int32 = 0
        /// What members have, or have not given back yet.
        var held: [String: [SimulatedPartition]] = [:]
        var holders: [SimulatedPartition: [String]] = [:]
    }

    private var classic: [String: Classic] = [:]
    private var consumer: [String: Consumer] = [:]

    /// The generation of a classic group as it is in the log; nil when there is no such group.
    func generation(of group: String) -> Int32? { self.classic[group]?.generation }

    /// Takes in a batch.
    ///
    /// - Returns: What is wrong about it; nil when nothing is.
    mutating func apply(_ batch: [CoordinatorRecord]) -> String? {
        var touched: [(String, SimulatedPartition)] = []
        for record in batch {
            switch record {
            case .classicGroup(let key, let value):
                if let wrong = self.apply(key.group, value) { return wrong }
            case .consumerGroup(let key, let value):
                guard let value else {
                    self.consumer[key.groupID] = nil
                    continue
                }
                var group = self.consumer[key.groupID] ?? Consumer()
                if value.epoch < group.epoch {
                    return "\(key.groupID) goes back from epoch \(group.epoch) to \(value.epoch)"
                }
                group.epoch = value.epoch
                self.consumer[key.groupID] = group
            case .consumerMemberCurrent(let key, let value):
                var held: [SimulatedPartition] = []
                if let value {
                    let all = value.assignedPartitions + value.partitionsPendingRevocation
                    held = SimulatedPartition.list(all.map { ($0.topicID, $0.partitions) })
                    if Set(held).count != held.count {
                        return "\(key.memberID) is recorded with a partition twice: \(held)"
                    }
                }
                touched += held.map { (key.groupID, $0) }
                self.consumer[key.groupID, default: Consumer()].set(held, of: key.memberID)
            default: break
            }
        }
        for (group, partition) in touched {
            let holders = self.consumer[group]?.holders[partition] ?? []
            if holders.count > 1 { return "\(group): \(partition) is recorded as held by \(holders)" }
        }
        return nil
    }

    private mutating func apply(_ group: String, _ value: GroupMetadataValue?) -> String? {
        guard let value else {
            self.classic[group] = nil
            return nil
        }
        if let old = self.classic[group], value.generation < old.generation {
            return "\(group) goes back from generation \(old.generation) to \(value.generation)"
        }
        self.classic[group] = Classic(generation: value.generation)
        var holders: [String: String] = [:]
        for member in value.members {
            guard let assigned = ClassicBytes.assignment(member.assignment) else {
                return "\(group): the recorded assignment of \(member.memberID) is not what a leader sent"
            }
            for (topic, index) in assigned {
                if let other = holders.updateValue(member.memberID, forKey: "\(topic)-\(index)") {
                    return "\(group): generation \(value.generation) is recorded with \(topic)-\(index) at \(other) "
                        + "and at \(member.memberID)"
                }
            }
        }
        return nil
    }
}

extension GroupShadow.Consumer {
    fileprivate mutating func set(_ partitions: [SimulatedPartition], of member: String) {
        for old in self.held[member] ?? [] {
            self.holders[old]?.removeAll { $0 == member }
            if self.holders[old]?.isEmpty == true { self.holders[old] = nil }
        }
        self.held[member] = partitions.isEmpty ? nil : partitions
        for new in partitions { self.holders[new, default: []].append(member) }
    }
}
