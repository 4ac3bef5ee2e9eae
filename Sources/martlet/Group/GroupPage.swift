// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes

/// Everything that `martlet group describe` shows of one group.
struct GroupPage {
    /// One partition that the group has, or has committed an offset of.
    struct Row {
        var partition: TopicPartition
        /// Nil when nothing is committed.
        var offset: GroupOffset?
        var endOffset: Offset?
        /// The member that has it.
        var member: GroupMember?
    }

    var group: GroupDescription
    /// Ascending by topic and partition.
    var rows: [Row]
    /// What could not be found out.
    var warnings: [String] = []

    init(
        _ group: GroupDescription, offsets: PartitionResults<GroupOffset>, ends: PartitionResults<ListedOffset> = [:]
    ) {
        self.group = group
        var owners: [TopicPartition: GroupMember] = [:]
        for member in group.members {
            for partition in member.assignment { owners[partition] = member }
            if member.isUnreadable {
                self.warnings.append(
                    "what the member \(member.memberID) of \(group.groupID) has subscribed to cannot be read: it is not"
                        + " in the format of consumers")
            }
        }
        self.rows = Set(offsets.keys).union(owners.keys).sorted().map { partition in
            Row(partition: partition, member: owners[partition])
        }
        for index in self.rows.indices {
            let partition = self.rows[index].partition
            switch offsets[partition] {
            case .success(let offset):
                self.rows[index].offset = offset
                self.rows[index].endOffset = offset.endOffset
            case .failure(let error):
                self.warnings.append(error.message)
            case nil:
                self.rows[index].endOffset = (try? ends[partition]?.get())?.offset
            }
        }
    }

    /// Loads these groups, in the order of the names; those that cannot be described are failures.
    static func load(
        _ names: [String], from cluster: KafkaCluster
    ) async throws -> (pages: [GroupPage], failures: [KafkaClientError]) {
        var groups: [GroupDescription] = []
        var failures: [KafkaClientError] = []
        for item in try await cluster.describeGroups(names) {
            switch item.result {
            case .success(let group): groups.append(group)
            case .failure(let error): failures.append(error)
            }
        }
        var found: [(group: GroupDescription, offsets: PartitionResults<GroupOffset>)] = []
        let offsets = try await cluster.groupOffsets(of: groups.map(\.groupID), includesLag: true)
        for (group, item) in zip(groups, offsets) {
            switch item.result {
            case .success(let offsets): found.append((group, offsets))
            case .failure(let error): failures.append(error)
            }
        }
        // Partitions of which nothing is committed yet: how much is there to be read?
        var uncommitted: [TopicPartition: OffsetSpecification] = [:]
        for (group, offsets) in found {
            for partition in group.members.flatMap(\.assignment) where offsets[partition] == nil {
                uncommitted[partition] = .latest
            }
        }
        let ends = uncommitted.isEmpty ? [:] : try await cluster.listOffsets(uncommitted)
        return (found.map { GroupPage($0.group, offsets: $0.offsets, ends: ends) }, failures)
    }

    // MARK: Text

    func lines(showsMembers: Bool, isWide: Bool = false, terminal: Terminal = .plain) -> [String] {
        var lines = [terminal.styled(self.group.groupID, .title)]
        lines.append("  state        \(terminal.styled(self.group.state.rawValue, self.group.state.style))")
        lines.append("  type         \(self.group.type)")
        if !["", "consumer"].contains(self.group.protocolType) {
            lines.append("  protocol     \(self.group.protocolType)")
        }
        lines.append("  coordinator  \(self.group.coordinator.nodeID) at \(self.group.coordinator.address)")
        if !self.group.assignor.isEmpty { lines.append("  assignor     \(self.group.assignor)") }
        if let epoch = self.group.groupEpoch {
            let assignment = self.group.assignmentEpoch ?? epoch
            lines.append("  epoch        \(epoch)" + (assignment == epoch ? "" : ", assignment of \(assignment)"))
        }
        lines.append("  members      \(self.group.members.count)")
        lines.append("  lag          \(self.lagText)")
        if !self.rows.isEmpty {
            lines.append("")
            lines += self.partitionTable(isWide).lines(indentation: "  ", terminal: terminal)
        }
        if showsMembers, !self.group.members.isEmpty {
            lines.append("")
            lines += self.memberTable.lines(indentation: "  ", terminal: terminal)
        }
        return lines
    }

    /// The sum over the partitions of which it is known; nil when that is none.
    var lag: Int64? {
        let lags = self.rows.compactMap { $0.offset?.lag }
        return lags.isEmpty ? nil : lags.reduce(Int64(0)) { $0 &+ $1 }
    }

    /// The sum over all partitions, and the longest time.
    private var lagText: String {
        let offsets = self.rows.compactMap(\.offset)
        guard !offsets.isEmpty else { return "nothing committed" }
        let lags = offsets.compactMap(\.lag)
        let sum = lags.reduce(Int64(0)) { $0 &+ $1 }
        var text = sum == 1 ? "1 offset" : "\(sum) offsets"
        if let longest = offsets.compactMap(\.timeLag).max() { text += ", \(longest.shortText)" }
        if lags.count < offsets.count { text += ", unknown for \(offsets.count - lags.count) partitions" }
        if offsets.count < self.rows.count {
            text += ", nothing committed for \(self.rows.count - offsets.count) of \(self.rows.count) partitions"
        }
        return text
    }

    private func partitionTable(_ isWide: Bool) -> TextTable {
        var columns: [TextTable.Column] = [
            .init("TOPIC"), .init("PARTITION", .right), .init("COMMITTED", .right), .init("END", .right),
            .init("LAG", .right), .init("BEHIND", .right), .init("CLIENT"), .init("HOST"), .init("MEMBER"),
        ]
        if isWide { columns += [.init("INSTANCE"), .init("LEADER EPOCH", .right), .init("METADATA")] }
        var table = TextTable(columns)
        for row in self.rows {
            table.append([
                row.partition.topic, "\(row.partition.partition)",
                row.offset.map { "\($0.offset)" } ?? "-",
                row.endOffset.map { "\($0)" } ?? "-",
                row.offset?.lag.map { "\($0)" } ?? "-",
                row.offset?.timeLag.map(\.shortText) ?? "-",
                row.member?.clientID ?? "-", row.member?.hostText ?? "-", row.member?.memberID ?? "-",
                row.member?.instanceID ?? "-",
                row.offset.flatMap { $0.leaderEpoch == .none ? nil : "\($0.leaderEpoch)" } ?? "-",
                row.offset.flatMap { $0.metadata.isEmpty ? nil : $0.metadata } ?? "-",
            ])
        }
        return table
    }

    private var memberTable: TextTable {
        var columns: [TextTable.Column] = [
            .init("CLIENT"), .init("HOST"), .init("MEMBER"), .init("INSTANCE"), .init("EPOCH", .right),
            .init("PROTOCOL"), .init("PARTITIONS", .right), .init("ASSIGNMENT"),
        ]
        // A column that says the same as the one before it only makes the table wide.
        let isOnTheWay = self.group.members.contains { $0.targetAssignment ?? $0.assignment != $0.assignment }
        if isOnTheWay { columns.append(.init("TARGET")) }
        columns.append(.init("SUBSCRIPTION"))
        var table = TextTable(columns)
        for member in self.group.members {
            var cells = [
                member.clientID, member.hostText, member.memberID, member.instanceID ?? "-",
                member.epochText, member.protocolText,
                "\(member.assignment.count)", member.assignment.shortText,
            ]
            if isOnTheWay { cells.append((member.targetAssignment ?? member.assignment).shortText) }
            let subscription = member.subscribedTopics + (member.subscribedRegex.map { ["/\($0)/"] } ?? [])
            cells.append(subscription.isEmpty ? "-" : subscription.joined(separator: ","))
            table.append(cells)
        }
        return table
    }
}

extension GroupMember {
    /// Kafka writes an address with a slash before it.
    var hostText: String { self.clientHost.first == "/" ? String(self.clientHost.dropFirst()) : self.clientHost }

    /// A static member that has left for a while: its place is kept until its session ends (KIP-345, KIP-848).
    var isAway: Bool { self.memberEpoch == -2 }

    fileprivate var epochText: String { self.isAway ? "away" : self.memberEpoch.map { "\($0)" } ?? "-" }

    fileprivate var protocolText: String { self.usesClassicProtocol.map { $0 ? "classic" : "consumer" } ?? "-" }
}
