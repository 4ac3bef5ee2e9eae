// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet group list`.
struct GroupListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List groups.",
        discussion: """
            A PATTERN is a name, or one with * for any characters and ? for one; with --regex a regular expression that \
            a whole name matches. -o wide asks for the members and the lag, too.

            EXAMPLES
              martlet group list
              martlet group list 'pay*' -o wide
              martlet group list --state empty --type classic -o json
            """
    )

    @Argument(
        help: ArgumentHelp("Only groups that fit one of these.", valueName: "pattern"), completion: .names(of: .group))
    var patterns: [String] = []

    @OptionGroup var matching: MatchingOptions

    @Option(
        name: .long, help: ArgumentHelp("Only groups in this state; may be given several times.", valueName: "state"),
        completion: .list(GroupStateArgument.allValueStrings))
    var state: [GroupStateArgument] = []

    @Option(
        name: .long, help: ArgumentHelp("Only groups of this type; may be given several times.", valueName: "type"),
        completion: .list(GroupTypeArgument.allValueStrings))
    var type: [GroupTypeArgument] = []

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try self.matching.patterns(self.patterns) }

    func run() async throws {
        let (groups, pages, failures) = try await self.connection.ask { cluster in
            let patterns = try self.matching.patterns(self.patterns)
            let groups = try await cluster.listGroups(states: self.state.map(\.state), types: self.type.map(\.type))
                .filter { group in patterns.isEmpty || patterns.contains { $0.matches(group.groupID) } }
            guard self.format.isWide else { return (groups, [GroupPage](), [KafkaClientError]()) }
            let loaded = try await GroupPage.load(groups.map(\.groupID), from: cluster)
            return (groups, loaded.pages, loaded.failures)
        }
        let details = Dictionary(pages.map { ($0.group.groupID, $0) }) { first, _ in first }
        try self.format.print(
            Self.table(of: groups, details: self.format.isWide ? details : nil)
        ) { Self.write(groups, to: &$0) }
        if groups.isEmpty {
            let isFiltered = !(self.patterns.isEmpty && self.state.isEmpty && self.type.isEmpty)
            self.format.note(
                isFiltered ? "no group fits" : "there are no groups; `martlet consume TOPIC -g NAME` joins one")
        }
        try failures.leave(of: groups.count)
    }

    /// `details` are those of the wide table, by name.
    static func table(of groups: [GroupListing], details: [String: GroupPage]? = nil) -> TextTable {
        var columns: [TextTable.Column] = [.init("GROUP"), .init("STATE"), .init("TYPE"), .init("PROTOCOL")]
        if details != nil {
            columns += [
                .init("MEMBERS", .right), .init("PARTITIONS", .right), .init("LAG", .right), .init("COORDINATOR"),
            ]
        }
        var table = TextTable(columns)
        for group in groups {
            var cells = [
                group.groupID, group.state?.rawValue ?? "-", group.type?.rawValue ?? "-",
                group.protocolType.isEmpty ? "-" : group.protocolType,
            ]
            if let page = details?[group.groupID] {
                cells += [
                    "\(page.group.members.count)", "\(page.rows.count)", page.lag.map { "\($0)" } ?? "-",
                    "\(page.group.coordinator.nodeID) at \(page.group.coordinator.address)",
                ]
            }
            table.append(cells, styles: group.state?.style.map { [1: $0] } ?? [:])
        }
        return table
    }

    static func write(_ groups: [GroupListing], to json: inout JSONWriter) {
        json.array { json in
            for group in groups {
                json.object { json in
                    json.name("group")
                    json.string(group.groupID)
                    json.name("state")
                    json.string(group.state?.rawValue)
                    json.name("type")
                    json.string(group.type?.rawValue)
                    json.name("protocolType")
                    json.string(group.protocolType)
                }
            }
        }
    }
}

extension GroupState {
    /// How a state looks on a terminal.
    var style: Terminal.Style? {
        switch self {
        case .stable: .good
        case .preparingRebalance, .completingRebalance, .assigning, .reconciling: .notice
        case .dead: .bad
        default: nil
        }
    }
}

/// `--state`: one that is known here, in any case. Brokers compare the case.
struct GroupStateArgument: Hashable, Sendable, ExpressibleByArgument {
    static let allValueStrings = GroupState.all.map(\.rawValue)

    var state: GroupState

    init?(argument: String) {
        guard let known = GroupState.all.first(where: { $0.rawValue.lowercased() == argument.lowercased() }) else {
            return nil
        }
        self.state = known
    }
}

/// `--type`, in any case.
struct GroupTypeArgument: Hashable, Sendable, ExpressibleByArgument {
    static let allValueStrings = ["classic", "consumer"]

    var type: GroupType

    init?(argument: String) {
        self.type = GroupType(rawValue: argument)
        guard [.classic, .consumer].contains(self.type) else { return nil }
    }
}
