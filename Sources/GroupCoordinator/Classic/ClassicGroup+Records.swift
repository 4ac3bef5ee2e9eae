// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// A classic group is one record, with everybody in it.
extension ClassicGroup {
    /// Writes the group as it stands, and takes the record in.
    mutating func writeGroup(_ step: inout Step) {
        let value = self.record()
        step.effects.append(.classicGroup(self.key, value))
        self.replay(value)
    }

    private var key: GroupMetadataKey {
        var key = GroupMetadataKey()
        key.group = self.id
        return key
    }

    /// What deletes the group.
    func tombstones() -> [CoordinatorRecord] { [.classicGroup(self.key, nil)] }

    func record() -> GroupMetadataValue {
        var value = GroupMetadataValue()
        value.protocolType = self.protocolType ?? ""
        value.generation = self.generation
        value.protocol = self.protocolName
        value.leader = self.leader
        value.currentStateTimestamp = self.stateSinceMs ?? -1
        value.members = self.members.values.sorted { $0.id < $1.id }.map { member in
            var written = GroupMetadataValue.MemberMetadata()
            written.memberID = member.id
            written.groupInstanceID = member.instanceID
            written.clientID = member.clientID
            written.clientHost = member.clientHost
            written.rebalanceTimeout = member.rebalanceTimeoutMs
            written.sessionTimeout = member.sessionTimeoutMs
            written.subscription = member.metadata(of: self.protocolName)
            written.assignment = member.assignment
            return written
        }
        return value
    }

    /// About as many bytes as the record takes with these assignments.
    func recordBytes(with assignments: [String: ByteBuffer]) -> Int {
        self.members.values.reduce(0) { bytes, member in
            let texts = member.id.utf8.count + member.clientID.utf8.count + member.clientHost.utf8.count
            let share = assignments[member.id]?.readableBytes ?? 0
            let data = member.metadata(of: self.protocolName).readableBytes + share
            return bytes + texts + (member.instanceID?.utf8.count ?? 0) + data + Self.memberOverheadBytes
        }
    }

    /// Lengths and time-outs of a member in the record.
    private static let memberOverheadBytes = 32

    /// Takes a record in. Members that are here already keep what no record says: what else they speak, when they were
    /// last heard of.
    mutating func replay(_ value: GroupMetadataValue) {
        self.isWritten = true
        self.protocolType = value.protocolType.isEmpty ? nil : value.protocolType
        self.generation = value.generation
        self.protocolName = value.protocol
        self.leader = value.leader
        self.stateSinceMs = value.currentStateTimestamp >= 0 ? value.currentStateTimestamp : nil
        self.state = value.members.isEmpty ? .empty : .stable
        let known = self.members
        self.members = [:]
        self.staticIDs = [:]
        self.supporters = [:]
        for record in value.members {
            var member = ClassicMember(record, speaking: value.protocol ?? "")
            if let old = known[record.memberID] {
                if old.metadata(of: value.protocol) == record.subscription { member.protocols = old.protocols }
                member.sessionEndsAt = old.sessionEndsAt
                member.isNew = old.isNew
                member.epochBefore = old.epochBefore
                member.owesSync = old.owesSync
            }
            self.insert(member)
        }
        self.subscribedTopics = self.topicsOfMembers()
    }

    /// What the members subscribed to; nil if they are no consumers or one of them cannot be understood.
    private func topicsOfMembers() -> Set<String>? {
        guard self.usesConsumerProtocol else { return nil }
        var all: Set<String> = []
        for member in self.members.values {
            guard let topics = ConsumerProtocol.topics(of: member.metadata(of: self.protocolName)) else { return nil }
            all.formUnion(topics)
        }
        return all
    }
}
