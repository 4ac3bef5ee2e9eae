// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import LoadGenerator

/// `martlet bench compare`.
struct BenchCompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Put the results of several runs beside each other.",
        discussion: """
            The first one is what the others are compared with. Files are those of --json-file and -o json.
            """)

    @Argument(help: ArgumentHelp("Results; at least two.", valueName: "file"), completion: .file())
    var files: [String]

    @Option(
        name: .long, help: ArgumentHelp("Write a page with the plots on top of each other.", valueName: "file"),
        completion: .file())
    var html: String?

    @OptionGroup var shown: OutputOptions

    func validate() throws {
        guard self.files.count >= 2 else {
            throw ValidationError("There is nothing to compare: name two files or more.")
        }
    }

    func run() async throws {
        if let html { try BenchFiles.checkWritable(html) }
        let reports = try self.files.map { path in
            let bytes = try BenchFiles.read(path, bytesMax: BenchReport.jsonBytesMax)
            do {
                return (path, try BenchReport(json: bytes))
            } catch {
                throw CommandFailure("\(path): \(error)")
            }
        }
        let comparison = Comparison(reports.map { Comparison.Run(label: Self.label($0.0), report: $0.1) })
        if let html { try BenchFiles.write(HTMLReport(comparison).text, to: html) }
        var output = StandardOutput()
        switch self.shown.output {
        case .json: output.print(try comparison.json())
        case .table, .wide: for line in Self.lines(comparison, self.shown.terminal) { output.print(line) }
        }
        try output.flush()
    }

    /// The name of the file: what tells runs apart best.
    private static func label(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    static func lines(_ comparison: Comparison, _ terminal: Terminal = .plain) -> [String] {
        var table = TextTable(
            [.init("PHASE"), .init("FIGURE")]
                + comparison.labels.enumerated().flatMap { position, label -> [TextTable.Column] in
                    let column = TextTable.Column(label, .right)
                    return position == 0 ? [column] : [column, TextTable.Column("RATIO", .right)]
                })
        for row in comparison.rows {
            var cells = [row.phase, row.figure.title]
            for (position, value) in row.values.enumerated() {
                cells.append(value.map { row.figure.text($0) } ?? "-")
                if position > 0 { cells.append(row.ratio(position).map { BenchText.number($0, digits: 2) } ?? "-") }
            }
            table.append(cells)
        }
        return table.lines(terminal: terminal) + comparison.differences
    }
}
