// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// What documents show is what is compiled here, line by line: their code cannot grow old unnoticed.
@Suite struct SnippetTests {
    private struct Snippet {
        var imports: Set<String>
        var lines: [String]
    }

    private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Code without its indentation, empty lines, and imports, which stand elsewhere.
    private static func snippet(_ code: some Sequence<Substring>) -> Snippet {
        let lines = code.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        let imports = lines.filter { $0.hasPrefix("import ") }
        return Snippet(imports: Set(imports), lines: lines.filter { !$0.hasPrefix("import ") })
    }

    /// The blocks of Swift of a document, manifests of packages apart.
    private static func snippets(of path: String) throws -> [Snippet] {
        var snippets: [Snippet] = []
        var block: [Substring]?
        for line in try Self.text(path).split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```swift" {
                block = []
            } else if line == "```", let lines = block {
                snippets.append(Self.snippet(lines))
                block = nil
            } else {
                block?.append(line)
            }
        }
        return snippets.filter { !$0.imports.contains("import PackageDescription") }
    }

    @Test(
        "the code of the documents is compiled as it stands there",
        arguments: [
            ("README.md", "Tests/ClientBrokerTests/Snippets.swift", 1),
            ("Sources/KafkaClient/KafkaClient.docc/KafkaClient.md", "Tests/ClientBrokerTests/Snippets.swift", 1),
            ("Sources/KafkaClient/KafkaClient.docc/GettingStarted.md", "Tests/ClientBrokerTests/Snippets.swift", 3),
            ("Sources/KafkaClient/KafkaClient.docc/Consuming.md", "Tests/ClientBrokerTests/Snippets.swift", 1),
            (
                "Sources/MartletTestKit/MartletTestKit.docc/MartletTestKit.md",
                "Tests/MartletTestKitTests/ArticleTests.swift", 1
            ),
            (
                "Sources/MartletTestKit/MartletTestKit.docc/FirstTest.md",
                "Tests/MartletTestKitTests/ArticleTests.swift", 3
            ),
            (
                "Sources/MartletTestKit/MartletTestKit.docc/ThingsThatGoWrong.md",
                "Tests/MartletTestKitTests/ArticleTests.swift", 3
            ),
        ])
    func compiled(document: String, source: String, count: Int) throws {
        let compiled = Self.snippet(try Self.text(source).split(separator: "\n"))
        let snippets = try Self.snippets(of: document)
        #expect(snippets.count == count, "\(document) has other blocks than this test knows")
        for snippet in snippets {
            #expect(snippet.imports.isSubset(of: compiled.imports), "\(source) does not import what \(document) does")
            #expect(
                compiled.lines.contains(run: snippet.lines),
                "\(document) shows what \(source) does not have:\n\(snippet.lines.joined(separator: "\n"))")
        }
    }
}

extension [String] {
    /// These lines stand here, one after the other.
    fileprivate func contains(run lines: [String]) -> Bool {
        guard let first = lines.first else { return true }
        return self.indices.contains { start in
            self[start] == first && self[start...].prefix(lines.count).elementsEqual(lines)
        }
    }
}
