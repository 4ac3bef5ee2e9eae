// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The text form that all of Kafka's checkpoints share: a line with the version 0, a line with the number of entries,
/// and a line for each entry.
enum CheckpointText {
    /// The lines of the entries. Throws `malformed` unless there are exactly as many as the text says.
    static func lines(of text: String, path: String) throws(LogError) -> [Substring] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 2 else { throw .malformed(path: path, reason: "it ends before its entries") }
        guard lines[0] == "0" else { throw .malformed(path: path, reason: "its version is not 0") }
        guard let count = Int(lines[1]), count >= 0 else {
            throw .malformed(path: path, reason: "its second line is no number of entries")
        }
        // The file ends with a line break, so the last piece is empty.
        let entries = lines.dropFirst(2).prefix { !$0.isEmpty }
        guard entries.count == count, lines.dropFirst(2 + count).allSatisfy({ $0.isEmpty }) else {
            throw .malformed(path: path, reason: "it says \(count) entries and has \(entries.count)")
        }
        return Array(entries)
    }

    /// The numbers of a line, separated by single spaces.
    static func integers(in line: Substring, count: Int, path: String) throws(LogError) -> [Int64] {
        let numbers = line.split(separator: " ", omittingEmptySubsequences: false).map { Int64($0) }
        guard numbers.count == count, numbers.allSatisfy({ $0 != nil }) else {
            throw .malformed(path: path, reason: "\"\(line.prefix(80))\" is not \(count) numbers")
        }
        return numbers.map { $0! }
    }

    static func text(_ entries: [String]) -> String {
        var text = "0\n\(entries.count)\n"
        for entry in entries { text += entry + "\n" }
        return text
    }
}
