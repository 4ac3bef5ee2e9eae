// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Something that a rule found.
struct Violation: CustomStringConvertible, Equatable {
    var path: String
    /// From 1; 0 speaks of the whole file.
    var line: Int
    var message: String

    var description: String { "\(self.path):\(self.line): \(self.message)" }
}

/// A text file of the repository, read and taken apart once for all rules.
struct SourceFile: Sendable {
    /// From the top of the repository, with slashes.
    let path: String
    let lines: [String]
    /// Empty in files that are not Swift, or that are generated.
    let tokens: [Token]
    /// Empty in files that are not Swift, or that are generated.
    let comments: [Comment]

    init(path: String, text: String) {
        self.path = path
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
        if path.hasSuffix(".swift") && !Self.isGenerated(path) {
            let lexer = SwiftLexer(text)
            self.tokens = lexer.tokens
            self.comments = lexer.comments
        } else {
            self.tokens = []
            self.comments = []
        }
    }

    var isSwift: Bool { self.path.hasSuffix(".swift") }

    var isMarkdown: Bool { self.path.hasSuffix(".md") }

    /// Whether wiregen wrote the file.
    var isGenerated: Bool { Self.isGenerated(self.path) }

    /// The target that a file of `Sources` belongs to; `nil` elsewhere.
    var target: String? {
        let parts = self.path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    func violation(line: Int = 0, _ message: String) -> Violation {
        Violation(path: self.path, line: line, message: message)
    }

    private static func isGenerated(_ path: String) -> Bool {
        path.hasSuffix(".swift") && (path.hasPrefix("Sources/KafkaMessages/") || path.contains("/Generated/"))
    }
}

/// All text files that the repository holds.
enum SourceTree {
    /// Read at first use, and shared by all tests.
    static let files: [SourceFile] = Self.load()

    private static let folders = [
        ".ci", "Sources", "Tests", "benchmarks", "clients", "config", "docs", "scripts", "Fuzz",
    ]
    private static let skippedFolders: Set<String> = [".build", ".venv", "results"]
    /// Test vectors and schemas are data, and larger files are no text that a person wrote.
    private static let skippedExtensions: Set<String> = ["tsv", "kmsg", "bin", "png", "log", "resolved"]
    private static let fileBytesMax = 1 << 20

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Whether there is a file or folder of that path.
    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: Self.root.appending(path: path).path())
    }

    private static func load() -> [SourceFile] {
        var paths = Self.names(in: root).filter { !Self.isFolder(root.appending(path: $0)) }
        for folder in Self.folders { Self.collect(folder, root: root, into: &paths) }
        return paths.sorted().compactMap { path in
            guard !Self.skippedExtensions.contains((path as NSString).pathExtension),
                let data = try? Data(contentsOf: root.appending(path: path)), data.count <= Self.fileBytesMax,
                let text = String(data: data, encoding: .utf8)
            else { return nil }
            return SourceFile(path: path, text: text)
        }
    }

    private static func collect(_ folder: String, root: URL, into paths: inout [String]) {
        for name in Self.names(in: root.appending(path: folder)) where !Self.skippedFolders.contains(name) {
            let path = folder + "/" + name
            if Self.isFolder(root.appending(path: path)) {
                Self.collect(path, root: root, into: &paths)
            } else {
                paths.append(path)
            }
        }
    }

    private static func names(in folder: URL) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path(), isDirectory: &isFolder) && isFolder.boolValue
    }
}
