// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes

@testable import GroupCoordinator

/// Two accounts of whose a partition is, beside the coordinator's own.
///
/// What clients believe: of two that are members of the group, never do both believe to own the same partition. And
/// what members of consumer groups may have: all that the coordinator has told them to have since they last said what
/// they had; that must be nobody else's, be it believed or not.
final class OwnershipLedger {
    private struct Place: Hashable {
        let group: Int
        let partition: SimulatedPartition
    }

    private unowned let world: GroupSimulation
    /// Which clients believe to own a partition.
    private var believers: [Place: [Int]] = [:]
    /// What a member may have, by its id, and the other way round.
    private var mayHave: [Int: [String: Set<SimulatedPartition>]] = [:]
    private var holders: [Place: [String]] = [:]

    init(world: GroupSimulation) { self.world = world }

    // MARK: What clients believe

    func change(_ client: ModelClient, from old: [SimulatedPartition], to new: [SimulatedPartition]) {
        for partition in old where !new.contains(partition) {
            let place = Place(group: client.group, partition: partition)
            self.believers[place]?.removeAll { $0 == client.number }
            if self.believers[place]?.isEmpty == true { self.believers[place] = nil }
        }
        for partition in new where !old.contains(partition) {
            let place = Place(group: client.group, partition: partition)
            self.believers[place, default: []].append(client.number)
            self.check(place)
        }
    }

    /// Looks at everything once more: members may be members again that were not.
    func checkAll() {
        for (place, clients) in self.believers where clients.count > 1 { self.check(place) }
    }

    private func check(_ place: Place) {
        guard let believers = self.believers[place], believers.count > 1 else { return }
        let members = self.world.coordinator.members(of: place.group)
        let valid = believers.map { self.world.client($0) }.filter { members[$0.memberID] != nil }
        guard Set(valid.map(\.memberID)).count > 1 else { return }
        let newest = valid.map(\.ownedSince).max() ?? 0
        let owners = valid.filter { !Self.mayLagBehind($0) || $0.ownedSince == newest }
        if owners.count < 2 { return }
        let names = owners.map { "\($0.name) (\($0.memberID), since \($0.ownedSince))" }
        self.world.fail(
            "\(self.world.groupIDs[place.group]): \(place.partition) is owned by \(names.joined(separator: " and "))")
    }

    /// A static member of the classic protocol that misses a rebalance stays in the group until its session ends, as in
    /// Kafka. It may go on believing what it had in an older generation; all that it commits is refused.
    private static func mayLagBehind(_ client: ModelClient) -> Bool {
        client is ClassicClient && client.instanceID != nil
    }

    /// The clients that believe to own a partition.
    func owners(of partition: SimulatedPartition, in group: Int) -> [Int] {
        self.believers[Place(group: group, partition: partition)] ?? []
    }

    // MARK: What members may have

    /// A member has said what it has: nothing more, for it has heard no answer since. One that leaves has nothing.
    func reported(_ request: ConsumerGroupHeartbeatRequest, by envelope: Envelope) {
        guard let partitions = request.memberEpoch < 0 ? [] : request.topicPartitions else { return }
        let group = self.world.client(envelope.client).group
        self.set(
            Set(SimulatedPartition.list(partitions.map { ($0.topicID, $0.partitions) })), of: request.memberID, group)
    }

    func handedOut(_ answer: GroupAnswer, to envelope: Envelope) {
        let client = self.world.client(envelope.client)
        guard case .consumerHeartbeat(let response) = answer, case .consumerHeartbeat = envelope.request,
            response.errorCode == 0, let assignment = response.assignment, let memberID = response.memberID
        else { return }
        let assigned = SimulatedPartition.list(assignment.topicPartitions.map { ($0.topicID, $0.partitions) })
        if let gone = assigned.first(where: { !self.world.hasExisted($0) }) {
            return self.world.fail("\(memberID) was given \(gone), which never existed")
        }
        let before = self.mayHave[client.group]?[memberID] ?? []
        let new = assigned.filter { !before.contains($0) }
        self.set(before.union(assigned), of: memberID, client.group)
        if new.isEmpty { return }
        let contested = new.filter { (self.holders[Place(group: client.group, partition: $0)]?.count ?? 0) > 1 }
        if contested.isEmpty { return }
        let members = self.world.coordinator.members(of: client.group)
        for id in (self.mayHave[client.group] ?? [:]).keys.sorted() where members[id] == nil && id != memberID {
            self.set([], of: id, client.group)
        }
        for partition in contested {
            let holders = self.holders[Place(group: client.group, partition: partition)] ?? []
            if holders.count > 1, members[memberID] != nil {
                return self.world.fail(
                    "\(self.world.groupIDs[client.group]): \(memberID) was given \(partition), which "
                        + "\(holders.filter { $0 != memberID }) may still have")
            }
        }
    }

    private func set(_ partitions: Set<SimulatedPartition>, of member: String, _ group: Int) {
        let old = self.mayHave[group]?[member] ?? []
        for partition in old where !partitions.contains(partition) {
            let place = Place(group: group, partition: partition)
            self.holders[place]?.removeAll { $0 == member }
            if self.holders[place]?.isEmpty == true { self.holders[place] = nil }
        }
        for partition in partitions where !old.contains(partition) {
            self.holders[Place(group: group, partition: partition), default: []].append(member)
        }
        self.mayHave[group, default: [:]][member] = partitions.isEmpty ? nil : partitions
    }
}
