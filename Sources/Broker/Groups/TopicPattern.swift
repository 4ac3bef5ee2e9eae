// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CPCRE2
public import GroupCoordinator

/// A regular expression that topic names are compared with as a whole: what a consumer sends as SubscribedTopicRegex
/// (KIP-848).
///
/// Kafka takes the syntax of RE2 (RE2/J). This compiles with PCRE2, which reads RE2's syntax in the same way, and refuses
/// what only PCRE2 has: lookaround, recursion, references to groups, verbs (`RE2Syntax`). So what works here works with
/// Kafka. What differs:
/// - RE2 takes time linear in the name. PCRE2 goes back and tries again, so that there are expressions that would take for
///   ever, such as `(a+)+b`; they end with an error.
/// - Names of topics are ASCII, and everything is compared byte by byte: characters above 255 written by their number are
///   refused, `\pL` and its like know ASCII only, and `\C` is refused.
/// - Possessive quantifiers (`a++`) are taken; RE2 refuses them. RE2 repeats 1,000 times at most, PCRE2 65,535 times.
///
/// Patterns come from clients: all that they can cost is bounded by the limits here. `@unchecked Sendable` because a
/// compiled expression is never changed, and PCRE2 lets many threads match with it, each with working memory of its own.
public final class TopicPattern: @unchecked Sendable {
    /// Bytes of an expression: room for a list of some hundred names.
    public static let lengthMax = 4_096
    /// Parentheses inside of each other. Compiling recurses that deep on the stack of the caller.
    public static let nestingMax: UInt32 = 100
    /// How often PCRE2 may try again for one name; some 2 ms. An honest expression with three `.*` in it takes some
    /// thousand steps for a long name.
    public static let matchStepsMax: UInt32 = 100_000
    /// Nearly all names are decided in fewer steps than this; some 40 µs.
    public static let easyMatchStepsMax: UInt32 = 2_000
    /// How many names of one list may take more than that: so that an expression that is just below the limit for each of
    /// 10,000 topics does not take 20 seconds.
    public static let hardNamesMax = 100
    /// How deep what may be tried again can be nested; more than the length of any name by a good measure.
    public static let matchDepthMax: UInt32 = 10_000
    /// Working memory of one match in KiB.
    public static let matchMemoryMaxKiB: UInt32 = 4_096

    /// Bytes of an expression that an error shows.
    private static let shownLength = 80

    private let text: String
    private let code: OpaquePointer

    /// Compiles an expression. Throws for one that is malformed, and says where; or too long.
    public init(_ text: String) throws(TopicPatternError) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.lengthMax else {
            throw Self.refusal(of: text, "has \(bytes.count) bytes, at most \(Self.lengthMax) are allowed")
        }
        if let offset = RE2Syntax.firstForeign(in: bytes) {
            let what = String(decoding: bytes[offset...].prefix(3), as: UTF8.self)
            throw Self.refusal(of: text, "is invalid at offset \(offset): '\(what)' is not in the syntax of RE2")
        }
        guard let context = pcre2_compile_context_create_8(nil) else { throw Self.refusal(of: text, Self.outOfMemory) }
        defer { pcre2_compile_context_free_8(context) }
        pcre2_set_parens_nest_limit_8(context, Self.nestingMax)
        // Without captures a step takes the same memory however many groups there are.
        let options =
            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP
            | PCRE2_NEVER_BACKSLASH_C
        var error: Int32 = 0
        var offset = 0
        guard let code = pcre2_compile_8(bytes, bytes.count, options, &error, &offset, context) else {
            throw Self.refusal(of: text, "is invalid at offset \(offset): \(Self.message(error))")
        }
        self.text = text
        self.code = code
    }

    deinit { pcre2_code_free_8(self.code) }

    /// Whether the whole of `name` matches. Throws when that takes too much time or memory.
    public func matches(_ name: String) throws(TopicPatternError) -> Bool { try !self.matching([name]).isEmpty }

    /// Those of the names of which the whole matches, in their order. Throws when that takes too much time or memory for
    /// one of them, or much for too many.
    public func matching(_ names: some Sequence<String>) throws(TopicPatternError) -> [String] {
        guard let context = pcre2_match_context_create_8(nil) else {
            throw Self.refusal(of: self.text, Self.outOfMemory)
        }
        defer { pcre2_match_context_free_8(context) }
        // Room for one pair of positions: nobody asks where groups matched.
        guard let match = pcre2_match_data_create_8(1, nil) else { throw Self.refusal(of: self.text, Self.outOfMemory) }
        defer { pcre2_match_data_free_8(match) }
        pcre2_set_depth_limit_8(context, Self.matchDepthMax)
        pcre2_set_heap_limit_8(context, Self.matchMemoryMaxKiB)
        var matching: [String] = []
        var hardNames = 0
        for name in names {
            var name = name
            func compare(steps: UInt32) -> Int32 {
                pcre2_set_match_limit_8(context, steps)
                return name.withUTF8 { pcre2_match_8(self.code, $0.baseAddress, $0.count, 0, 0, match, context) }
            }
            var steps = Self.easyMatchStepsMax
            var result = compare(steps: steps)
            if result == PCRE2_ERROR_MATCHLIMIT, hardNames < Self.hardNamesMax {
                hardNames += 1
                steps = Self.matchStepsMax
                result = compare(steps: steps)
            }
            // 0 says that there were more groups than pairs of positions to put them in.
            if result >= 0 {
                matching.append(name)
            } else if result != PCRE2_ERROR_NOMATCH {
                throw self.failure(result, name, steps: steps)
            }
        }
        return matching
    }

    private func failure(_ error: Int32, _ name: String, steps: UInt32) -> TopicPatternError {
        let reason =
            switch error {
            case PCRE2_ERROR_MATCHLIMIT where steps < Self.matchStepsMax:
                "in \(steps) steps, like \(Self.hardNamesMax) others; avoid repetitions inside of repetitions"
            case PCRE2_ERROR_MATCHLIMIT: "in \(steps) steps; avoid repetitions inside of repetitions"
            case PCRE2_ERROR_DEPTHLIMIT: "with less than \(Self.matchDepthMax) open choices; avoid repeated groups"
            case PCRE2_ERROR_HEAPLIMIT: "with \(Self.matchMemoryMaxKiB) KiB of memory; make it simpler"
            default: "because of an error: \(Self.message(error))"
            }
        return Self.refusal(of: self.text, "could not be compared with topic '\(name)' \(reason)")
    }

    private static let outOfMemory = "could not be used: out of memory"

    private static func refusal(of text: String, _ reason: String) -> TopicPatternError {
        let shown = text.utf8.count <= Self.shownLength ? text : text.prefix(Self.shownLength) + "…"
        return TopicPatternError("Regular expression '\(shown)' \(reason).")
    }

    /// What PCRE2 calls an error.
    private static func message(_ error: Int32) -> String {
        // The longest text of PCRE2 has about 100 bytes.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
            let length = pcre2_get_error_message_8(error, buffer.baseAddress, buffer.count)
            return length < 0 ? "error \(error)" : String(decoding: buffer[..<Int(length)], as: UTF8.self)
        }
    }
}

/// What of PCRE2's syntax RE2 does not have, and would mean work without bounds or expressions that only work here.
private enum RE2Syntax {
    /// Letters and digits that RE2 takes behind a backslash.
    private static let escapes = Set("dDsSwWbBAzaftnrvxpP0".utf8)
    private static let flags = Set("imsU-".utf8)

    /// Where something begins that RE2 does not have; nil when there is no such thing. Linear.
    static func firstForeign(in pattern: [UInt8]) -> Int? {
        var rest = pattern[...]
        // Where in a class of characters a closing bracket would end it; nil outside of classes.
        var classEnds: Int?
        while let first = rest.first {
            let start = rest.startIndex
            switch first {
            case UInt8(ascii: "\\"):
                guard let next = rest.dropFirst().first else { return nil }
                if next == UInt8(ascii: "Q") {
                    rest = Self.afterQuote(rest)
                    continue
                }
                if Self.isAlphanumeric(next), !Self.escapes.contains(next) { return start }
                rest = rest.dropFirst()
            case UInt8(ascii: "[") where classEnds == nil:
                // A closing bracket that comes first stands for itself.
                if rest.dropFirst().first == UInt8(ascii: "^") { rest = rest.dropFirst() }
                classEnds = rest.startIndex + 2
            case UInt8(ascii: "[") where rest.dropFirst().first == UInt8(ascii: ":"):
                rest = Self.afterNamedClass(rest)
                continue
            case UInt8(ascii: "]"):
                if let ends = classEnds, start >= ends { classEnds = nil }
            case UInt8(ascii: "(") where classEnds == nil:
                if !Self.isKnownGroup(rest.dropFirst()) { return start }
            default: break
            }
            rest = rest.dropFirst()
        }
        return nil
    }

    /// What comes behind the opening parenthesis: nothing special, `?:`, a name, or flags.
    private static func isKnownGroup(_ group: ArraySlice<UInt8>) -> Bool {
        if group.first == UInt8(ascii: "*") { return false }
        guard group.first == UInt8(ascii: "?") else { return true }
        var rest = group.dropFirst()
        if rest.starts(with: "P<".utf8) { return true }
        if rest.first == UInt8(ascii: "<") {
            // A name; what else begins like this is a look behind.
            return rest.dropFirst().first.map { Self.isAlphanumeric($0) || $0 == UInt8(ascii: "_") } ?? true
        }
        rest = rest.drop { Self.flags.contains($0) }
        return rest.first == UInt8(ascii: ":") || rest.first == UInt8(ascii: ")")
    }

    /// What comes behind `\Q…\E`; nothing when it does not end.
    private static func afterQuote(_ quote: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = quote.dropFirst(2)
        while !rest.isEmpty, !rest.starts(with: #"\E"#.utf8) { rest = rest.dropFirst() }
        return rest.dropFirst(2)
    }

    /// What comes behind `[:…:]`, or behind the bracket where it is no such thing.
    private static func afterNamedClass(_ name: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let letters = name.dropFirst(2).drop { Self.isAlphanumeric($0) || $0 == UInt8(ascii: "^") }
        return letters.starts(with: ":]".utf8) ? letters.dropFirst(2) : name.dropFirst()
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}
