// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Testing

@testable import martlet

@Suite struct NamePatternTests {
    @Test(
        "wildcards stand for whole names",
        arguments: [
            ("orders", "orders", true), ("orders", "orders2", false), ("*", "", true), ("*", "orders", true),
            ("orders.*", "orders.eu", true), ("orders.*", "orders", false), ("*.eu", "orders.eu", true),
            ("*.eu", "orders.eu.1", false), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXc", false), ("?", "x", true),
            ("?", "", false), ("?", "xy", false), ("a?c*", "abc", true), ("**", "x", true), ("*a", "aaa", true),
        ])
    func wildcards(pattern: String, name: String, fits: Bool) {
        #expect(NamePattern(pattern).matches(name) == fits)
    }

    @Test("many stars take no time")
    func hostile() {
        let pattern = NamePattern(String(repeating: "a*", count: 120) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 20_000)))
    }

    @Test("a regular expression matches whole names")
    func regex() throws {
        #expect(try NamePattern(regex: "(dev|test)-.+").matches("test-1"))
        #expect(try !NamePattern(regex: "test").matches("test-1"))
        #expect(throws: (any Error).self) { try NamePattern(regex: "(") }
        var options = try MatchingOptions.parse(["--regex"])
        #expect(throws: ValidationError.self) { try options.patterns(["["]) }
        options.regex = false
        #expect(try options.patterns(["["]).first?.isName == true)
    }

    @Test("names stand for themselves, patterns for what there is, and one that fits nothing is an error")
    func selection() async throws {
        let options = try MatchingOptions.parse([])
        let existing = ["a1", "a2", "b1"]
        // Nothing is asked for while there are names only.
        let named = try await options.names(["x", "a1", "x"], of: "topic") { throw CancellationError() }
        #expect(named == ["x", "a1"])
        let found = try await options.names(["b1", "a*", "?1"], of: "topic") { existing }
        #expect(found == ["b1", "a1", "a2"])
        await #expect {
            try await options.names(["c*"], of: "topic") { existing }
        } throws: { ($0 as? CommandFailure)?.status == .notFound }
        #expect(options.isOpen(["a", "b*"]))
        #expect(!options.isOpen(["a"]))
        #expect(try MatchingOptions.parse(["--regex"]).isOpen(["a"]))
    }

    @Test("a pattern deletes nothing unasked where nobody can be asked")
    func confirmation() throws {
        // Tests have no terminal.
        let (matching, confirmation) = (try MatchingOptions.parse([]), try Confirmation.parse([]))
        #expect(throws: ValidationError.self) { try confirmation.check(matching, ["a*"]) }
        #expect(throws: Never.self) { try confirmation.check(matching, ["a"]) }
        let yes = try Confirmation.parse(["--yes"])
        #expect(throws: Never.self) { try yes.check(matching, ["a*"]) }
    }
}
