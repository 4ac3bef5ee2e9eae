// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import GroupCoordinator
import Testing

@Suite struct TopicPatternTests {
    private func refusal(_ body: () throws(TopicPatternError) -> Void) -> String? {
        do throws(TopicPatternError) {
            try body()
            return nil
        } catch { return error.description }
    }

    @Test(arguments: [
        ("orders", ["orders"]), ("orders.*", ["orders", "orders-eu", "orders.dlq"]), ("orders|pay", ["orders", "pay"]),
        ("^orders$", ["orders"]), ("(pay)?ments", ["payments"]), ("[^-.]+", ["orders", "pay", "payments"]),
        ("pay(ments)?", ["pay", "payments"]), (#"(?i)ORDERS\.\w+"#, ["orders.dlq"]),
        (#"\Qorders.\E(?P<what>.+)"#, ["orders.dlq"]), ("", []), ("orders-é", []), ("rders", []), ("pa", []),
        ("(?:a|b|orders)-[[:alpha:]]{2}", ["orders-eu"]), ("(?s-i:pay)(?<name>ments)", ["payments"]),
        (#"[](?=*]?[\](?=]?[[:digit:](?!]?pay"#, ["pay"]), (#"\Q(?=\E?|pay|\(\?="#, ["pay"]),
    ])
    func theWholeNameMustMatch(pattern: String, expected: [String]) throws {
        let names = ["orders", "orders-eu", "orders.dlq", "pay", "payments"]
        let compiled = try TopicPattern(pattern)
        #expect(try compiled.matching(names) == expected)
        for name in names { #expect(try compiled.matches(name) == expected.contains(name)) }
    }

    @Test(arguments: [
        ("orders(", "at offset 7: missing closing parenthesis"), ("[a-", "at offset 3: missing terminating ]"),
        ("*", "at offset 0: quantifier does not follow a repeatable item"), ("a**b", "at offset 2"),
        (#"\x{263a}"#, "too large"), ("(?<a>b)(?<a>c)", "same name"), (#"a\"#, "end of pattern"),
        (String(repeating: "(", count: 101) + String(repeating: ")", count: 101), "nested"),
        (String(repeating: "(?:", count: 9) + "a" + String(repeating: "){60000}", count: 9), "too large"),
    ])
    func anInvalidPatternIsRefusedWithItsPlace(pattern: String, expected: String) {
        let text = self.refusal { () throws(TopicPatternError) in _ = try TopicPattern(pattern) }
        #expect(text?.contains(expected) ?? false, "\(text ?? "no error")")
        #expect(text?.contains("at offset") ?? false)
    }

    @Test(arguments: [
        ("a(?=b)", 1), ("(?!b)a", 0), ("(?<=b)a", 0), ("(?<!b)a", 0), ("(?>a)", 0), ("(?R)", 0), ("a(?1)", 1),
        ("(?<r>a(?&r)?)", 6), ("(?P<r>a(?P>r)?)", 7), ("(?P<r>a)(?P=r)", 8), ("(?(?=a)b)", 0), ("(*UTF)a", 0),
        ("(*LIMIT_MATCH=1)a", 0), (#"(a)\1"#, 3), (#"(?<a>b)\k<a>"#, 7), (#"(a)\g1"#, 3), (#"a\Kb"#, 1), (#"\C"#, 0),
        (#"[^](?=]]\K"#, 8), (#"[a[:alpha:]](?=b)"#, 12), (#"\Qa\E(?|a)"#, 5), ("(?", 0), ("(?x)a", 0),
    ])
    func whatRE2DoesNotHaveIsRefused(pattern: String, offset: Int) {
        let text = self.refusal { () throws(TopicPatternError) in _ = try TopicPattern(pattern) }
        #expect(text?.contains("is invalid at offset \(offset): ") ?? false, "\(text ?? "no error")")
        #expect(text?.contains("not in the syntax of RE2") ?? false, "\(text ?? "no error")")
    }

    @Test func aPatternThatIsTooLongIsRefused() {
        let longest = String(repeating: "a", count: TopicPattern.lengthMax)
        #expect(self.refusal { () throws(TopicPatternError) in _ = try TopicPattern(longest) } == nil)
        let text = self.refusal { () throws(TopicPatternError) in _ = try TopicPattern(longest + "a") }
        #expect(text?.contains("has 4097 bytes, at most 4096 are allowed") ?? false)
        // The error does not repeat all of it.
        #expect((text?.utf8.count ?? .max) < 200)
    }

    @Test(arguments: ["(a+)+[bc]", "(a|aa)+[bc]", "(a*)*(a*)*[bc]", "(.*)(.*)(.*)(.*)(.*)[bc]"])
    func aPatternThatWouldTakeForEverIsAnError(pattern: String) throws {
        let compiled = try TopicPattern(pattern)
        #expect(try compiled.matches("aaab"))
        let name = String(repeating: "a", count: 249)
        let text = self.refusal { () throws(TopicPatternError) in _ = try compiled.matches(name) }
        #expect(text?.contains("could not be compared with topic 'aaa") ?? false, "\(text ?? "no error")")
    }

    @Test func aPatternThatIsHardForManyNamesIsAnError() throws {
        // Nearly 2^13 ways to read thirteen letters, which is not too much for one name.
        let compiled = try TopicPattern("(a+)+[bc]")
        let name = String(repeating: "a", count: 13)
        #expect(try !compiled.matches(name))
        #expect(try compiled.matching(Array(repeating: name, count: TopicPattern.hardNamesMax)) == [])
        let many = Array(repeating: name, count: TopicPattern.hardNamesMax + 1)
        let text = self.refusal { () throws(TopicPatternError) in _ = try compiled.matching(many) }
        #expect(text?.contains("in 2000 steps, like 100 others") ?? false, "\(text ?? "no error")")
    }

    @Test func aPatternThatTakesMuchMemoryIsAnError() throws {
        let compiled = try TopicPattern("(?:(?:a|b)*?(?:b|a)*?)*c")
        let text = self.refusal { () throws(TopicPatternError) in
            _ = try compiled.matches(String(repeating: "ab", count: 50_000))
        }
        #expect(text?.contains("could not be compared") ?? false, "\(text ?? "no error")")
    }

    @Test func honestPatternsOfManyStarsStayBelowTheLimit() throws {
        let compiled = try TopicPattern(".*-orders-.*-v[0-9]+-.*")
        let name = String(repeating: "x-orders-y-v", count: 20)
        #expect(try !compiled.matches(name))
        #expect(try compiled.matches(name + "7-z"))
    }

    @Test func manyThreadsMayUseOnePattern() async throws {
        let compiled = try TopicPattern("t[0-9]*7")
        let names = (0..<1_000).map { "t\($0)" }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { try compiled.matching(names).count } }
            for try await count in group { #expect(count == 100) }
        }
    }
}
