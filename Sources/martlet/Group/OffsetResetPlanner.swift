// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes
import KafkaWire

/// Finds out what `martlet group reset-offsets` would do.
struct OffsetResetPlanner {
    let cluster: KafkaCluster
    let groupID: String
    /// Nil for every partition that the group has committed an offset of.
    let selections: [PartitionSelection]?
    let target: OffsetTarget

    func plan() async throws -> PlannedReset {
        try await self.refuseMembers()
        let committed = try await self.committed()
        let partitions = try await self.partitions(committed)
        async let earliest = self.offsets(.earliest, of: partitions)
        async let latest = self.offsets(.latest, of: partitions)
        async let found = self.offsets(self.target.specification, of: partitions)
        let bounds = try await (earliest: earliest, latest: latest, found: found)
        var reset = PlannedReset()
        for partition in partitions {
            let old = committed[partition]
            do {
                guard let earliest = try bounds.earliest[partition]?.get().offset,
                    let latest = try bounds.latest[partition]?.get().offset
                else { throw KafkaClientError(.malformedResponse, "the leader of \(partition) tells no offsets") }
                let found = try bounds.found[partition]?.get().offset
                reset.add(partition, self.target, old: old, earliest: earliest, latest: latest, found: found)
            } catch let error as KafkaClientError where error.code == .invalidRequest && self.selections == nil {
                // Offsets outlive their topic; what was named does exist.
                reset.leaveAlone(partition, old: old, because: error.message)
            }
        }
        return reset
    }

    /// Members would not notice, and commit over it what they had before.
    private func refuseMembers() async throws {
        guard let item = try await self.cluster.describeGroups([self.groupID]).first else { return }
        switch item.result {
        case .success(let group):
            guard !group.members.isEmpty else { return }
            throw CommandFailure(
                "the group \(self.groupID) has \(Self.list(group.members)); its offsets can be reset while it has none",
                hint: "stop its members first; `martlet group describe \(self.groupID) --members` shows them")
        case .failure(let error):
            guard error.errorCode == .groupIDNotFound else { throw error }
            // Offsets may be set before the group begins; but all topics of no group are none.
            if self.selections == nil { throw error }
            StandardError.print("warning: the group \(self.groupID) does not exist yet")
        }
    }

    /// Members that an error names one by one.
    static let membersNamedMax = 5

    static func list(_ members: [GroupMember]) -> String {
        var names = members.prefix(Self.membersNamedMax).map { member in
            let away = member.isAway ? ", away: its place is kept for a while" : ""
            let name = member.instanceID.map { "\(member.clientID) (instance \($0)\(away))" } ?? member.clientID
            return member.hostText.isEmpty ? name : "\(name) at \(member.hostText)"
        }
        if members.count > names.count { names.append("\(members.count - names.count) more") }
        return (members.count == 1 ? "a member: " : "\(members.count) members: ") + names.joined(separator: ", ")
    }

    private func committed() async throws -> [TopicPartition: Offset] {
        guard let item = try await self.cluster.groupOffsets(of: [self.groupID]).first else { return [:] }
        return try item.result.get().mapValues { try $0.get().offset }
    }

    private func partitions(_ committed: [TopicPartition: Offset]) async throws -> [TopicPartition] {
        guard let selections = self.selections else {
            guard !committed.isEmpty else {
                throw CommandFailure(
                    "the group \(self.groupID) has committed nothing", hint: "--topic names topics to begin with")
            }
            return committed.keys.sorted()
        }
        var partitions: Set<TopicPartition> = []
        for selection in selections {
            partitions.formUnion(try selection.partitions(of: try await self.cluster.topic(selection.topic)))
        }
        return partitions.sorted()
    }

    private func offsets(
        _ specification: OffsetSpecification?, of partitions: [TopicPartition]
    ) async throws -> PartitionResults<ListedOffset> {
        guard let specification else { return [:] }
        return try await self.cluster.listOffsets(
            Dictionary(partitions.map { ($0, specification) }) { first, _ in first })
    }
}
