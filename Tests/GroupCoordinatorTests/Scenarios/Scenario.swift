// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// What happens to a shard, as text: commands, and under each of them, indented, what came of it.
///
///     ## A member without an id is given one
///     join a
///         a: join MEMBER_ID_REQUIRED id=a.1 (at once)
///     t+10000 describe
///         …
///
/// A file in Tests/Fixtures/GroupScenarios holds several, each under a heading and with a shard of its own; lines that
/// begin with # are remarks. Running a scenario makes the text anew, and both must be equal. With the environment
/// variable REWRITE_SCENARIOS set the file is replaced by what came out: the diff is the review.
struct Scenario: Sendable, CustomTestStringConvertible {
    let title: String
    /// Everything under the title.
    let lines: [String]

    var testDescription: String { self.title }

    static let resultIndent = "    "

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/GroupScenarios")

    /// The scenarios of a file, in its order. Run with REWRITE_SCENARIOS, the file is written first.
    static func all(in file: String) -> [Scenario] {
        let url = Self.folder.appendingPathComponent(file)
        guard let text = try? String(contentsOf: url, encoding: .utf8) else {
            return [Scenario(title: "\(url.path) cannot be read", lines: ["missing"])]
        }
        let scenarios = Self.parse(text)
        guard ProcessInfo.processInfo.environment["REWRITE_SCENARIOS"] != nil else { return scenarios }
        let preamble = text.components(separatedBy: "\n").prefix { !$0.hasPrefix("## ") }
        let rewritten = scenarios.map { "## \($0.title)\n" + $0.run().lines.joined(separator: "\n") }
        let whole = (preamble + [rewritten.joined(separator: "\n")]).joined(separator: "\n")
        try? whole.write(to: url, atomically: true, encoding: .utf8)
        return Self.parse(whole)
    }

    private static func parse(_ text: String) -> [Scenario] {
        var scenarios: [(title: String, lines: [String])] = []
        for line in text.components(separatedBy: "\n") {
            if line.hasPrefix("## ") {
                scenarios.append((String(line.dropFirst(3)), []))
            } else if !scenarios.isEmpty {
                scenarios[scenarios.count - 1].lines.append(line)
            }
        }
        return scenarios.map { Scenario(title: $0.title, lines: $0.lines) }
    }

    /// The text as the shard makes it, and what was wrong beside that.
    func run() -> (lines: [String], failures: [String]) {
        var world = ScenarioWorld()
        var made: [String] = []
        for line in self.lines where !line.hasPrefix(Self.resultIndent) {
            made.append(line)
            let command = line.trimmingCharacters(in: .whitespaces)
            if command.isEmpty || command.hasPrefix("#") { continue }
            world.run(command)
            made += world.takeTrace().map { Self.resultIndent + $0 }
        }
        return (made, world.differencesAfterReplay())
    }

    /// Runs it and compares.
    func check(sourceLocation: SourceLocation = #_sourceLocation) {
        let (made, failures) = self.run()
        for failure in failures { Issue.record("\(self.title): \(failure)", sourceLocation: sourceLocation) }
        if made == self.lines { return }
        let difference = Self.difference(expected: self.lines, made: made)
        Issue.record("\(self.title)\n\(difference)", sourceLocation: sourceLocation)
    }

    /// The lines around the first and last difference: `-` was expected, `+` came out.
    private static func difference(expected: [String], made: [String]) -> String {
        let contextLines = 4
        var common = 0
        while common < min(expected.count, made.count), expected[common] == made[common] { common += 1 }
        var tail = 0
        while tail < min(expected.count, made.count) - common,
            expected[expected.count - 1 - tail] == made[made.count - 1 - tail]
        { tail += 1 }
        let before = expected[max(0, common - contextLines)..<common].map { "  \($0)" }
        let minus = expected[common..<(expected.count - tail)].map { "- \($0)" }
        let plus = made[common..<(made.count - tail)].map { "+ \($0)" }
        let after = expected[(expected.count - tail)...].prefix(contextLines).map { "  \($0)" }
        return (before + minus + plus + after).joined(separator: "\n")
    }
}

/// A command taken apart: `join a protocols=range,sticky` is the verb `join`, the word `a` and an option.
struct ScenarioArguments {
    let verb: String
    let words: [String]
    private let options: [String: String]

    init(_ command: String) {
        let parts = command.split(separator: " ").map(String.init)
        self.verb = parts.first ?? ""
        let rest = parts.dropFirst()
        self.words = rest.filter { !$0.contains("=") }
        var options: [String: String] = [:]
        for part in rest {
            guard let sign = part.firstIndex(of: "=") else { continue }
            options[String(part[..<sign])] = String(part[part.index(after: sign)...])
        }
        self.options = options
    }

    subscript(option: String) -> String? { self.options[option] }

    var keys: [String] { self.options.keys.sorted() }

    func number<Number: FixedWidthInteger>(_ option: String) -> Number? { self.options[option].flatMap { Number($0) } }

    /// The elements of a list: `a,b`.
    func list(_ option: String, separator: Character = ",") -> [String]? {
        self.options[option].map { $0.split(separator: separator).map(String.init) }
    }
}
