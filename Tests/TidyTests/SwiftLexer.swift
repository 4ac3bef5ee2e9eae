// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A word, a number or one character of punctuation, outside comments and string literals.
struct Token: Equatable {
    var text: String
    /// From 1.
    var line: Int
    /// Whether a space or a new line stands before it: `a .now` and `a.now` mean different things.
    var followsSpace: Bool
}

/// A comment, without its line breaks: one entry for each line of it.
struct Comment: Equatable {
    var text: String
    var line: Int
}

/// Takes Swift source apart into tokens and comments, just well enough that no rule is misled by a word in a string
/// literal or a comment. What stands in `\(…)` inside a string literal is code.
struct SwiftLexer {
    private(set) var tokens: [Token] = []
    private(set) var comments: [Comment] = []

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var followsSpace = true
    /// Where the lexer stands, innermost last: code, a string literal in it, code interpolated in that, and so on.
    private var nesting: [Context] = [.code]

    private enum Context {
        case code
        /// Code in `\(…)`, with the number of parentheses still open.
        case interpolation(parentheses: Int)
        case string(hashes: Int, multiline: Bool)
    }

    init(_ source: String) {
        self.bytes = Array(source.utf8)
        while self.position < self.bytes.count {
            if case .string(let hashes, let multiline) = self.nesting[self.nesting.count - 1] {
                self.readString(hashes: hashes, multiline: multiline)
            } else {
                self.readCode()
            }
        }
    }

    private func byte(_ ahead: Int = 0) -> UInt8 {
        self.position + ahead < self.bytes.count ? self.bytes[self.position + ahead] : 0
    }

    private func matches(_ text: StaticString, ahead: Int = 0) -> Bool {
        for index in 0..<text.utf8CodeUnitCount where self.byte(ahead + index) != text.utf8Start[index] { return false }
        return true
    }

    /// The number of `#` from here on.
    private func hashes(ahead: Int = 0) -> Int {
        var count = 0
        while self.byte(ahead + count) == UInt8(ascii: "#") { count += 1 }
        return count
    }

    private mutating func readCode() {
        let first = self.byte()
        if first == UInt8(ascii: "\n") || first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") {
            if first == UInt8(ascii: "\n") { self.line += 1 }
            self.followsSpace = true
            self.position += 1
        } else if self.matches("//") {
            self.readLineComment()
        } else if self.matches("/*") {
            self.readBlockComment()
        } else if first == UInt8(ascii: "\"") || first == UInt8(ascii: "#") && self.opensRawString() {
            self.openString()
        } else if Self.isWord(first) {
            let start = self.position
            while Self.isWord(self.byte()) { self.position += 1 }
            self.addToken(from: start)
        } else {
            self.position += 1
            self.addToken(from: self.position - 1)
            self.countParenthesis(first)
        }
    }

    private mutating func addToken(from start: Int) {
        let text = String(decoding: self.bytes[start..<self.position], as: UTF8.self)
        self.tokens.append(Token(text: text, line: self.line, followsSpace: self.followsSpace))
        self.followsSpace = false
    }

    /// Leaves an interpolation where its parenthesis closes.
    private mutating func countParenthesis(_ byte: UInt8) {
        guard case .interpolation(let open) = self.nesting[self.nesting.count - 1] else { return }
        if byte == UInt8(ascii: "(") {
            self.nesting[self.nesting.count - 1] = .interpolation(parentheses: open + 1)
        } else if byte == UInt8(ascii: ")") {
            if open == 1 {
                self.nesting.removeLast()
            } else {
                self.nesting[self.nesting.count - 1] = .interpolation(parentheses: open - 1)
            }
        }
    }

    private mutating func readLineComment() {
        let start = self.position
        while self.position < self.bytes.count, self.byte() != UInt8(ascii: "\n") { self.position += 1 }
        self.addComment(from: start)
        self.followsSpace = true
    }

    private mutating func readBlockComment() {
        var depth = 0
        var start = self.position
        repeat {
            if self.matches("/*") {
                depth += 1
                self.position += 2
            } else if self.matches("*/") {
                depth -= 1
                self.position += 2
            } else {
                if self.byte() == UInt8(ascii: "\n") {
                    self.addComment(from: start)
                    self.line += 1
                    start = self.position + 1
                }
                self.position += 1
            }
        } while depth > 0 && self.position < self.bytes.count
        self.addComment(from: start)
        self.followsSpace = true
    }

    private mutating func addComment(from start: Int) {
        let end = min(self.position, self.bytes.count)
        guard start < end else { return }
        self.comments.append(Comment(text: String(decoding: self.bytes[start..<end], as: UTF8.self), line: self.line))
    }

    private func opensRawString() -> Bool { self.byte(self.hashes()) == UInt8(ascii: "\"") }

    private mutating func openString() {
        let hashes = self.hashes()
        let multiline = self.matches("\"\"\"", ahead: hashes)
        self.position += hashes + (multiline ? 3 : 1)
        self.nesting.append(.string(hashes: hashes, multiline: multiline))
        // A literal leaves a token of two quotes, so that rules see that an operand stands here.
        self.tokens.append(Token(text: "\"\"", line: self.line, followsSpace: self.followsSpace))
        self.followsSpace = false
    }

    private mutating func readString(hashes: Int, multiline: Bool) {
        let first = self.byte()
        if first == UInt8(ascii: "\\") && self.hashes(ahead: 1) >= hashes {
            let escaped = self.byte(1 + hashes)
            self.position += 1 + hashes
            if escaped == UInt8(ascii: "(") {
                self.nesting.append(.interpolation(parentheses: 1))
                self.position += 1
            } else if escaped != UInt8(ascii: "\n") {
                self.position += 1
            }
        } else if first == UInt8(ascii: "\""), !multiline || self.matches("\"\"\""),
            self.hashes(ahead: multiline ? 3 : 1) >= hashes
        {
            self.position += (multiline ? 3 : 1) + hashes
            self.nesting.removeLast()
        } else {
            if first == UInt8(ascii: "\n") {
                self.line += 1
                // An unfinished literal ends with its line, so that one mistake does not swallow the file.
                if !multiline { self.nesting.removeLast() }
            }
            self.position += 1
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "`"), 0x80...0xff:
            return true
        default:
            return false
        }
    }
}
