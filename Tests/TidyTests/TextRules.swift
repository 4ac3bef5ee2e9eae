// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What holds for text of any kind: licence, titles, left-over notes, paths of somebody's machine.
enum TextRules {
    private static let licenceHeader = [
        "// SPDX-License-Identifier: Apache-2.0", "// Part of Martlet, an event broker in Swift.",
    ]

    /// Every Swift file begins with the same two lines; a manifest has its tools version before them, if it has them.
    static func checkLicence(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, !file.path.hasSuffix("Package.swift") else { return [] }
        guard Array(file.lines.prefix(2)) != Self.licenceHeader else { return [] }
        return [file.violation(line: 1, "the two lines of the licence header are missing")]
    }

    private static let noteMarks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]

    /// A note about unfinished work names its issue, as in `MARK(#12)`.
    static func checkNotes(_ file: SourceFile) -> [Violation] {
        if file.isSwift {
            return file.comments.compactMap { Self.checkNote($0.text, line: $0.line, file) }
        }
        guard !file.isMarkdown else { return [] }
        return file.lines.enumerated().compactMap { Self.checkNote($0.element, line: $0.offset + 1, file) }
    }

    private static func checkNote(_ text: String, line: Int, _ file: SourceFile) -> Violation? {
        for mark in Self.noteMarks {
            guard let range = text.firstRange(of: mark) else { continue }
            let before = text[..<range.lowerBound].last
            let after = text[range.upperBound...]
            if before?.isLetter == true || after.first?.isLetter == true || after.first == "_" { continue }
            if after.hasPrefix("(#"), after.dropFirst(2).first?.isNumber == true { continue }
            return file.violation(line: line, "\(mark) without an issue: write \(mark)(#number), or do it")
        }
        return nil
    }

    private static let machinePaths = ["/wo" + "rk/", "/tmp" + "/src", "/Us" + "ers/"]

    /// Paths that exist on one machine only.
    static func checkMachinePaths(_ file: SourceFile) -> [Violation] {
        file.lines.enumerated().compactMap { index, line in
            guard let path = Self.machinePaths.first(where: { Self.contains(line, path: $0) }) else { return nil }
            return file.violation(line: index + 1, "a path of one machine: \(path)")
        }
    }

    /// Whether an absolute path begins with `path` somewhere in the line: `a/b` in `x/a/b` does not count.
    private static func contains(_ line: String, path: String) -> Bool {
        line.ranges(of: path).contains { range in
            guard let before = line[..<range.lowerBound].last else { return true }
            return !(before.isLetter || before.isNumber || "._-}".contains(before))
        }
    }

    /// A Markdown file has one title: one heading of the first level, outside code.
    static func checkTitle(_ file: SourceFile) -> [Violation] {
        guard file.isMarkdown else { return [] }
        var inCode = false
        var titles: [Int] = []
        for (index, line) in file.lines.enumerated() {
            if line.hasPrefix("```") { inCode.toggle() }
            if !inCode, line.hasPrefix("# ") { titles.append(index + 1) }
        }
        if titles.isEmpty { return [file.violation("no title: the first line should be one '# ' heading")] }
        return titles.dropFirst().map { file.violation(line: $0, "a second title: a document has one '# ' heading") }
    }

    /// Where a Markdown file's links to other files of the repository lead, outside code; `line` is the line of the link.
    static func fileLinks(of file: SourceFile) -> [(line: Int, path: String)] {
        guard file.isMarkdown else { return [] }
        var inCode = false
        var links: [(line: Int, path: String)] = []
        for (index, line) in file.lines.enumerated() {
            if line.hasPrefix("```") { inCode.toggle() }
            guard !inCode else { continue }
            for start in line.ranges(of: "](").map(\.upperBound) {
                let target = line[start...].prefix { $0 != ")" && $0 != "#" }
                guard !target.isEmpty, !target.contains(":"), !target.hasPrefix("<") else { continue }
                links.append((index + 1, Self.resolved(String(target), from: file.path)))
            }
        }
        return links
    }

    /// A relative link as a path from the top of the repository.
    private static func resolved(_ target: String, from path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == "..", !parts.isEmpty { parts.removeLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }
}
