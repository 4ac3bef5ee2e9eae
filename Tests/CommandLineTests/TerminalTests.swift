// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite struct TerminalTests {
    private static let colorful = Terminal(isTerminal: true, width: 100, hasColors: true)

    @Test("colours are on a terminal only, unless somebody says otherwise")
    func colors() {
        func has(_ choice: ColorChoice, _ isTerminal: Bool, _ environment: [String: String] = [:]) -> Bool {
            Terminal.hasColors(choice, isTerminal: isTerminal) { environment[$0] }
        }
        #expect(has(.auto, true))
        #expect(!has(.auto, false))
        #expect(!has(.auto, true, ["NO_COLOR": "1"]))
        #expect(!has(.auto, true, ["TERM": "dumb"]))
        #expect(has(.always, false, ["NO_COLOR": "1"]))
        #expect(!has(.never, true))
    }

    @Test("the choice is found on a command line that nobody has understood")
    func choice() {
        #expect(ColorChoice.given(in: ["topic", "list"]) == .auto)
        #expect(ColorChoice.given(in: ["topic", "--color", "never", "nonsense"]) == .never)
        #expect(ColorChoice.given(in: ["--color=always"]) == .always)
        #expect(ColorChoice.given(in: ["--color"]) == .auto)
        #expect(ColorChoice.given(in: ["--color", "sometimes"]) == .auto)
        #expect(ColorChoice.given(in: ["--", "--color=always"]) == .auto)
    }

    @Test("a file is no terminal, has a width all the same, and nothing that comes out has an escape sequence")
    func file() {
        #expect(!Terminal.plain.isTerminal)
        #expect(Terminal.plain.width == 80)
        #expect(Terminal.plain.styled("x", .bad) == "x")
        #expect(Terminal(isTerminal: true, width: 0, hasColors: false).width == 1)
    }

    @Test("colours do not shift the columns of a table")
    func table() {
        var table = TextTable([.init("A"), .init("N", .right), .init("B")])
        table.append(["xy", "1", "z"], styles: [0: .good, 1: .bad])
        table.append(["x", "100"])
        let colored = table.lines(terminal: Self.colorful)
        #expect(colored[1] == "\u{1b}[32mxy\u{1b}[0m    \u{1b}[1;31m1\u{1b}[0m  z")
        let stripped = colored.map { $0.replacing(/\u{1b}\[[0-9;]*m/, with: "") }
        #expect(stripped == table.lines())
    }

    @Test("numbers of bytes are in the unit that fits, and never too large")
    func bytes() {
        let expected: [(Int64, String)] = [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_048_575, "1023.9 KiB"),
            (134_217_728, "128.0 MiB"), (.max, "7.9 EiB"), (-1, "-"),
        ]
        for (bytes, text) in expected { #expect(ByteText.text(bytes) == text) }
    }

    @Test("prose is broken at spaces")
    func wrapping() {
        #expect(WrappedText.lines("one two  three", width: 7) == ["one two", "three"])
        #expect(WrappedText.lines("unbreakable x", width: 3) == ["unbreakable", "x"])
        #expect(WrappedText.lines("a\n\nb", width: 10) == ["a", "", "b"])
        #expect(WrappedText.lines("", width: 10) == [""])
    }
}
