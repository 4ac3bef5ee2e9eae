// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a command shows what it found: the same words for every command that answers with data.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    /// For people: columns, or a page per thing.
    case table
    /// For programs: one JSON value, whose shape is documented in docs/COMMAND-LINE.md. Members may be added to it,
    /// none is renamed or taken away.
    case json
    /// For people with wide windows: `table` with more columns.
    case wide
}

/// `-o` and `--color` of the commands that answer with data.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.short, .long, .customLong("format")],
        help: ArgumentHelp("How to show it: table, json, or wide for a table with more columns.", valueName: "format"))
    var output: OutputFormat = .table

    @Option(
        name: .long,
        help: ArgumentHelp("Colours: auto (on a terminal, unless NO_COLOR is set), always or never.", valueName: "when")
    )
    var color: ColorChoice = .auto

    /// Where the answer goes.
    var terminal: Terminal { Terminal(descriptor: STDOUT_FILENO, color: self.color) }

    /// More columns are wanted.
    var isWide: Bool { self.output == .wide }

    /// Prints lines for people, or one JSON value.
    func print(lines: (Terminal) -> [String], json: (inout JSONWriter) -> Void) throws {
        var output = StandardOutput()
        switch self.output {
        case .table, .wide:
            for line in lines(self.terminal) { output.print(line) }
        case .json:
            var writer = JSONWriter()
            json(&writer)
            output.print(writer.text)
        }
        try output.flush()
    }

    /// Tells a person on the standard error what an answer leaves open, a table without rows for example. Programs, which
    /// asked for JSON, are told nothing.
    func note(_ text: String) {
        if self.output != .json { StandardError.print("note: \(text)") }
    }

    /// Prints a table, or one JSON value.
    func print(_ table: @autoclosure () -> TextTable, json: (inout JSONWriter) -> Void) throws {
        try self.print(lines: { table().lines(terminal: $0) }, json: json)
    }

    /// Prints a page for each thing, with an empty line between them, or one JSON array.
    func print<Page>(
        pages: [Page], lines: (Page, Terminal) -> [String], json: (Page, inout JSONWriter) -> Void
    ) throws {
        try self.print(
            lines: { terminal in
                Array(pages.map { lines($0, terminal) }.joined(separator: [""]))
            },
            json: { writer in
                writer.array { writer in for page in pages { json(page, &writer) } }
            })
    }
}
