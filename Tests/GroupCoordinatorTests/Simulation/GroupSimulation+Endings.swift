// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

@testable import GroupCoordinator

/// How a simulation ends: all is well again, and then all is gone.
extension GroupSimulation {
    /// For how long all must be as it should be before it counts, in checks: an assignor may go on by itself a little
    /// after it was as good as done.
    private static let settledChecks = 3

    /// Nothing is done any more: in the end everybody has what they should have, and the coordinator knows it.
    func settle() {
        guard self.violation == nil else { return }
        self.calmDown()
        let limit = self.now + self.plan.settleMsMax
        var settled = 0
        while settled < Self.settledChecks {
            self.advance(to: self.now + 2_000)
            guard self.violation == nil else { return }
            let wrong = self.unsettled()
            settled = wrong == nil ? settled + 1 : 0
            if let wrong, self.now >= limit {
                return self.fail("\(self.plan.settleMsMax) ms after the last harm: \(wrong)")
            }
        }
        self.coordinator.checkReplay(isQuiet: true)
    }

    /// Why it is not yet as it should be; nil when it is.
    private func unsettled() -> String? {
        guard self.coordinator.isUp else { return "the coordinator is down" }
        for group in self.groupIDs.indices {
            if let wrong = self.unsettled(group) { return "\(self.groupIDs[group]): \(wrong)" }
        }
        return nil
    }

    private func unsettled(_ group: Int) -> String? {
        let clients = self.alive.map { self.client($0) }.filter { $0.group == group }
        let members = self.coordinator.members(of: group)
        for client in clients where members[client.memberID] == nil { return "\(client.name) is no member" }
        if members.count != clients.count {
            let known = Set(clients.map(\.memberID))
            return "members that nobody is: \(members.keys.filter { !known.contains($0) }.sorted())"
        }
        let state = self.coordinator.state(of: group)
        if clients.isEmpty { return ["Empty", "Dead"].contains(state) ? nil : "nobody is in it, and it is \(state)" }
        if state != "Stable" { return "it is \(state)" }
        for client in clients {
            guard let member = members[client.memberID] else { continue }
            if member.assigned != client.ownedPartitions {
                return "\(client.name) has \(client.ownedPartitions), the coordinator knows of \(member.assigned)"
            }
            if let epoch = member.epoch, epoch != client.epoch {
                return "\(client.name) is at epoch \(client.epoch), the coordinator at \(epoch)"
            }
            if let other = client.ownedPartitions.first(where: { !client.subscription.contains($0.slot) }) {
                return "\(client.name) has \(other) and did not subscribe to it"
            }
            if client.owned.contains(where: { $0.next == nil }) { return "\(client.name) does not know where to begin" }
        }
        return self.unowned(group, clients)
    }

    /// A partition that somebody subscribed to and that has not exactly one owner.
    private func unowned(_ group: Int, _ clients: [ModelClient]) -> String? {
        let slots = clients.reduce(into: Set<Int>()) { $0.formUnion($1.subscription) }
        for slot in slots.sorted() {
            for partition in self.topics.partitions(of: slot) {
                let owners = self.ledger.owners(of: partition, in: group)
                if owners.count != 1 { return "\(partition) is owned by clients \(owners)" }
            }
        }
        return nil
    }

    /// All leave or die: of the groups nothing is left but their offsets, and when those are deleted nothing at all.
    func disband() {
        guard self.violation == nil else { return }
        for number in self.alive {
            let client = self.client(number)
            self.oneIn(2) ? client.leave() : client.die()
        }
        let settings = self.plan.settings
        let longest = max(
            Int64(self.plan.sessionTimeoutMs) + Int64(self.plan.rebalanceTimeoutMs),
            Int64(settings.newMemberJoinTimeoutMs))
        self.advance(to: self.now + 2 * longest + 5_000)
        guard self.violation == nil else { return }
        if let request = self.coordinator.outstanding.values.min(by: { $0.number < $1.number }) {
            return self.fail("\(request.number) was never answered: \(request.request.name)")
        }
        for group in self.groupIDs.indices {
            let members = self.coordinator.members(of: group)
            if !members.isEmpty { return self.fail("all are gone, and \(members.keys.sorted()) are still members") }
            self.coordinator.reset(group: group, self.topics.partitions(of: 0).map { ($0, self.random(0...50)) })
        }
        // Groups that nobody is in end by themselves, when all of their offsets are too old, or are deleted.
        if self.oneIn(2) {
            self.advance(to: self.now + settings.offsetsRetentionMs + 1)
            if self.violation == nil { self.coordinator.expireOffsets() }
        } else {
            for group in self.groupIDs.indices {
                let code = self.coordinator.deleteGroup(group)
                // Kafka's code for a group that is not there.
                if code != 0, code != 69 { return self.fail("an empty group cannot be deleted: \(code)") }
            }
        }
        self.advance(to: self.now + 2 * longest)
        guard self.violation == nil else { return }
        self.checkNothingIsLeft()
    }

    private func checkNothingIsLeft() {
        let shard = self.coordinator.shard
        if !shard.classicGroups.isEmpty || !shard.consumerGroups.isEmpty || !shard.listGroups().isEmpty {
            return self.fail(
                "groups are left: \(shard.classicGroups.keys.sorted()) \(shard.consumerGroups.keys.sorted()) "
                    + "\(shard.listGroups())")
        }
        if !shard.offsets.groups.isEmpty { return self.fail("offsets are left: \(shard.offsets.groups)") }
        if let next = shard.nextWakeUp { return self.fail("nobody is there, and there is a wake-up at \(next)") }
    }
}
