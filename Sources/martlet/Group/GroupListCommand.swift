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
            States: \(GroupState.all.map(\.rawValue).joined(separator: ", ")). Types: classic, consumer.

            EXAMPLES
              martlet group list
              martlet group list --state empty --type classic -o json
            """
    )

    @Option(
        name: .long, help: ArgumentHelp("Only groups in this state; may be given several times.", valueName: "state"))
    var state: [GroupStateArgument] = []

    @Option(
        name: .long, help: ArgumentHelp("Only groups of this type; may be given several times.", valueName: "type"))
    var type: [GroupTypeArgument] = []

    @OptionGroup var format: ListOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let groups = try await self.connection.withCluster { cluster in
            try await cluster.listGroups(states: self.state.map(\.state), types: self.type.map(\.type))
        }
        var output = StandardOutput()
        switch self.format.output {
        case .table:
            for line in Self.table(of: groups).lines() { output.print(line) }
        case .json:
            output.print(Self.json(of: groups))
        }
        try output.flush()
    }

    static func table(of groups: [GroupListing]) -> TextTable {
        var table = TextTable([.init("GROUP"), .init("STATE"), .init("TYPE"), .init("PROTOCOL")])
        for group in groups {
            table.append([
                group.groupID, group.state?.rawValue ?? "-", group.type?.rawValue ?? "-",
                group.protocolType.isEmpty ? "-" : group.protocolType,
            ])
        }
        return table
    }

    static func json(of groups: [GroupListing]) -> String {
        var json = JSONWriter()
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
        return json.text
    }
}

/// `--state`: one that is known here, in any case. Brokers compare the case.
struct GroupStateArgument: Hashable, Sendable, ExpressibleByArgument {
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
    var type: GroupType

    init?(argument: String) {
        self.type = GroupType(rawValue: argument)
        guard [.classic, .consumer].contains(self.type) else { return nil }
    }
}
