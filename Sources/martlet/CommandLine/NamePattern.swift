// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// Which names of topics or groups are meant.
struct NamePattern {
    private enum Kind {
        case name
        /// `*` stands for any characters, `?` for one.
        case wildcards
        case regex(Regex<AnyRegexOutput>)
    }

    /// As it was given.
    let text: String
    private let kind: Kind

    /// One name, or several by wildcards.
    init(_ text: String) {
        self.text = text
        self.kind = text.contains { $0 == "*" || $0 == "?" } ? .wildcards : .name
    }

    /// A regular expression that whole names match. Throws for one that is malformed.
    init(regex text: String) throws {
        self.text = text
        self.kind = .regex(try Regex(text))
    }

    /// It names one thing, which should exist.
    var isName: Bool { if case .name = self.kind { true } else { false } }

    func matches(_ name: String) -> Bool {
        switch self.kind {
        case .name: name == self.text
        case .wildcards: Self.fits(Array(self.text.utf8), Array(name.utf8))
        case .regex(let regex): (try? regex.wholeMatch(in: name)) != nil
        }
    }

    /// Linear in memory; in time at most the product of the lengths: after a mismatch only the last `*` takes more.
    private static func fits(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        var (inPattern, inName) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while inName < name.count {
            if inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") {
                star = (inPattern, inName)
                inPattern += 1
            } else if inPattern < pattern.count,
                pattern[inPattern] == UInt8(ascii: "?") || pattern[inPattern] == name[inName]
            {
                inPattern += 1
                inName += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                inPattern = last.pattern + 1
                inName = last.name + 1
            } else {
                return false
            }
        }
        return pattern[inPattern...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// `--regex` of the commands that take names of several things.
struct MatchingOptions: ParsableArguments {
    @Flag(name: .long, help: "The names are regular expressions that whole names match.")
    var regex = false

    /// Throws `ValidationError` for a regular expression that is malformed.
    func patterns(_ texts: [String]) throws -> [NamePattern] {
        guard self.regex else { return texts.map { NamePattern($0) } }
        return try texts.map { text in
            do {
                return try NamePattern(regex: text)
            } catch {
                throw ValidationError("'\(text)' is not a regular expression: \(error)")
            }
        }
    }

    /// The names that are meant: those given as such whether they exist or not, and of `existing`, which is asked for
    /// only when needed, all that a pattern fits. In the order of the patterns, each name once. Throws `notFound` for a
    /// pattern that fits nothing.
    func names(
        _ texts: [String], of kind: String, existing: () async throws -> [String]
    ) async throws -> [String] {
        let patterns = try self.patterns(texts)
        guard patterns.contains(where: { !$0.isName }) else { return Self.unique(texts) }
        let existing = try await existing()
        var names: [String] = []
        for pattern in patterns {
            let found = pattern.isName ? [pattern.text] : existing.filter(pattern.matches)
            guard !found.isEmpty else {
                throw CommandFailure(
                    "no \(kind) fits \(pattern.text)", hint: "`martlet \(kind) list` shows what there is",
                    status: .notFound)
            }
            names += found
        }
        return Self.unique(names)
    }

    /// The same, with a connection only where a pattern needs one.
    func names(
        _ texts: [String], of kind: String, _ connection: ConnectionOptions,
        existing: @escaping @Sendable (KafkaCluster) async throws -> [String]
    ) async throws -> [String] {
        guard self.isOpen(texts) else { return Self.unique(texts) }
        return try await connection.ask { cluster in
            try await self.names(texts, of: kind) { try await existing(cluster) }
        }
    }

    /// Some may be given as patterns: nobody has seen yet what is meant.
    func isOpen(_ texts: [String]) -> Bool { self.regex || texts.contains { !NamePattern($0).isName } }

    private static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}
