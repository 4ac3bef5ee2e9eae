// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// `martlet config list`.
struct ConfigListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List configs, their values and who set them.",
        discussion: """
            Those are listed that somebody has set; with --all, a PATTERN or -o wide the others, too. A PATTERN is a \
            name, or one with * for any characters and ? for one. -o wide tells what each means.

            EXAMPLES
              martlet config list --topic orders --all
              martlet config list --broker 1 '*retention*' -o wide
              martlet config list --group payments -o json
            """
    )

    @Argument(help: ArgumentHelp("Only configs that fit one of these.", valueName: "pattern"))
    var patterns: [String] = []

    @OptionGroup var target: ConfigResourceOptions

    @Flag(name: .shortAndLong, help: "Those that have their default, too.")
    var all = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isWide = self.format.isWide
        let (pages, failures) = try await self.connection.ask { cluster in
            try await ConfigPage.load(self.target.resources, documented: isWide, from: cluster)
        }
        let patterns = self.patterns.map { NamePattern($0) }
        let showsDefaults = self.all || isWide || !patterns.isEmpty
        let shown = pages.map { page in
            var page = page
            page.configs.removeAll { config in
                (!showsDefaults && config.source == .defaultConfig)
                    || !(patterns.isEmpty || patterns.contains { $0.matches(config.name) })
            }
            return page
        }
        try self.format.print(
            // Titles above nothing would look like an answer.
            lines: { shown.isEmpty ? [] : Self.table(of: shown, isWide: isWide).lines(terminal: $0) },
            json: { json in json.array { json in for page in shown { page.write(to: &json) } } })
        if !shown.isEmpty, shown.allSatisfy(\.configs.isEmpty) {
            self.format.note(showsDefaults ? "no config fits" : "nothing is set there; --all shows the defaults, too")
        }
        try failures.leave(of: self.target.resources.count)
    }

    /// With a column that says whose they are, when they are of several.
    static func table(of pages: [ConfigPage], isWide: Bool) -> TextTable {
        var columns: [TextTable.Column] = pages.count > 1 ? [.init("OF")] : []
        columns += [.init("CONFIG"), .init("VALUE"), .init("SET BY")]
        if isWide { columns += [.init("CHANGES"), .init("MEANING")] }
        var table = TextTable(columns)
        for page in pages {
            for config in page.configs {
                let owner = pages.count > 1 ? [page.resource.text] : []
                table.append(
                    owner + [
                        config.name, config.valueText, config.source.name, config.isReadOnly ? "at start" : "any time",
                        config.documentation ?? "",
                    ], styles: config.source == .defaultConfig ? [:] : [owner.count + 1: .good])
            }
        }
        return table
    }
}

/// `martlet config describe`.
struct ConfigDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Tell what configs mean, their values and who set them.",
        discussion: """
            EXAMPLES
              martlet config describe --topic orders cleanup.policy min.insync.replicas
            """
    )

    @Argument(help: "The configs.")
    var names: [String]

    @OptionGroup var target: ConfigResourceOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (pages, failures) = try await self.connection.ask { cluster in
            try await ConfigPage.load(self.target.resources, keys: self.names, documented: true, from: cluster)
        }
        let width = self.format.terminal.isTerminal ? self.format.terminal.width : Self.textWidth
        try self.format.print(
            pages: pages,
            lines: { page, terminal in
                Array(page.configs.map { Self.lines(of: $0, page.resource, terminal, width) }.joined(separator: [""]))
            },
            json: { page, json in page.write(to: &json) })
        // Brokers leave out what they do not know.
        let missing = pages.flatMap { page in
            self.names.filter { name in !page.configs.contains { $0.name == name } }.map { name in
                FailureReport(
                    message: "there is no config \(name) of \(page.resource.text)",
                    hint: "`martlet config list \(page.resource.option) --all` shows what there is", status: .notFound)
            }
        }
        try (failures + missing).leave(of: failures.count + pages.count * self.names.count)
    }

    /// Where text is broken when nobody looks, in columns.
    private static let textWidth = 100

    static func lines(
        of config: ConfigDescription, _ resource: ConfigResource, _ terminal: Terminal, _ width: Int
    ) -> [String] {
        var lines = [terminal.styled("\(config.name)", .title) + " of \(resource.text)"]
        lines.append("  value    \(config.valueText)")
        lines.append("  set by   \(config.source.name)")
        lines.append("  changes  \(config.isReadOnly ? "when the broker starts" : "at any time")")
        if let documentation = config.documentation, !documentation.isEmpty {
            lines.append("")
            lines += WrappedText.lines(documentation, width: max(width - 2, 20)).map { "  " + $0 }
        }
        return lines
    }
}
