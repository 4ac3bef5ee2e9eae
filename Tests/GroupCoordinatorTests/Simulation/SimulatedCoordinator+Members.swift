// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

@testable import GroupCoordinator

/// What the coordinator says of a member when it is asked.
struct MemberFacts {
    var instanceID: String?
    /// Nil where the answer does not tell it: of classic groups.
    var epoch: Int32?
    var assigned: [SimulatedPartition]
}

/// What the coordinator tells about its groups, and whether another one would tell the same.
extension SimulatedCoordinator {
    func isConsumer(_ group: Int) -> Bool { self.shard.consumerGroups[self.world.groupIDs[group]] != nil }

    /// The members of a group by their ids; empty when there is no such group.
    func members(of group: Int) -> [String: MemberFacts] {
        let id = self.world.groupIDs[group]
        var members: [String: MemberFacts] = [:]
        if self.isConsumer(group) {
            for member in self.shard.describeConsumer(id, self.environment).members {
                let topics = member.assignment.topicPartitions.map { ($0.topicID, $0.partitions) }
                members[member.memberID] = MemberFacts(
                    instanceID: member.instanceID, epoch: member.memberEpoch, assigned: SimulatedPartition.list(topics))
            }
            return members
        }
        for member in self.shard.describeClassic(id).members {
            let assigned = ClassicBytes.assignment(member.memberAssignment) ?? []
            members[member.memberID] = MemberFacts(
                instanceID: member.groupInstanceID, epoch: nil,
                assigned: assigned.compactMap { self.world.partition(named: $0.topic, $0.index) }.sorted())
        }
        return members
    }

    func state(of group: Int) -> String {
        let id = self.world.groupIDs[group]
        return self.shard.listGroups().first { $0.groupID == id }?.groupState ?? "Dead"
    }

    /// An administrator takes a member out, by the name of its instance if it has one.
    func removeMember(of group: Int, _ pick: Int) {
        let members = self.members(of: group).sorted { $0.key < $1.key }
        guard !members.isEmpty else { return }
        let (id, facts) = members[pick % members.count]
        var identity = LeaveGroupRequest.MemberIdentity()
        identity.memberID = facts.instanceID == nil ? id : ""
        identity.groupInstanceID = facts.instanceID
        var request = LeaveGroupRequest()
        request.groupID = self.world.groupIDs[group]
        request.members = [identity]
        self.world.trace { "an administrator takes \(facts.instanceID ?? id) out of \(request.groupID)" }
        let effects = self.administer { $0.leaveGroup(request, $1, $2) }
        self.world.tally.note(.removedMember)
        guard effects.answers.contains(where: { if case .leave = $0.answer { true } else { false } }) else {
            return self.world.fail("LeaveGroup was not answered")
        }
    }

    /// A shard of the same log must tell the same of groups of the consumer protocol and of all offsets: at any moment,
    /// for of them everything is in records. With `isQuiet`, of classic groups as well, and after the log was cleaned.
    func checkReplay(isQuiet: Bool = false) {
        self.compare(self.log, isQuiet: isQuiet)
        if isQuiet {
            var cleaned = self.log
            self.world.draw { cleaned.compact(using: &$0) }
            self.compare(cleaned, isQuiet: true)
        }
    }

    private func compare(_ log: SimulatedLog, isQuiet: Bool) {
        let other: GroupShard
        do { other = try Self.loaded(log) } catch { return self.world.fail("the log cannot be read: \(error)") }
        for (group, id) in self.world.groupIDs.enumerated() {
            self.checkAllOffsets(of: group, in: self.shard)
            self.checkAllOffsets(of: group, in: other)
            if isQuiet || self.isConsumer(group), let difference = self.difference(self.shard, other, id) {
                self.world.fail(difference)
            }
        }
    }

    private func difference(_ live: GroupShard, _ loaded: GroupShard, _ id: String) -> String? {
        var consumer = (live.describeConsumer(id, self.environment), loaded.describeConsumer(id, self.environment))
        consumer.0.members.sort { $0.memberID < $1.memberID }
        consumer.1.members.sort { $0.memberID < $1.memberID }
        var classic = (live.describeClassic(id), loaded.describeClassic(id))
        classic.0.members.sort { $0.memberID < $1.memberID }
        classic.1.members.sort { $0.memberID < $1.memberID }
        if Self.bytes(consumer.0) != Self.bytes(consumer.1) {
            return "\(id) is not the same after loading:\nlive   \(consumer.0)\nloaded \(consumer.1)"
        }
        if Self.bytes(classic.0) != Self.bytes(classic.1) {
            return "\(id) is not the same after loading:\nlive   \(classic.0)\nloaded \(classic.1)"
        }
        let listed = (
            live.listGroups().filter { $0.groupID == id }, loaded.listGroups().filter { $0.groupID == id }
        )
        if listed.0.map(Self.bytes) != listed.1.map(Self.bytes) {
            return "groups are not listed alike after loading:\nlive   \(listed.0)\nloaded \(listed.1)"
        }
        return nil
    }

    private static func bytes(_ message: some WireStruct) -> ByteBuffer {
        var writer = WireWriter()
        do { try message.encode(into: &writer, version: 1) } catch { preconditionFailure("\(error)") }
        return writer.buffer
    }
}
