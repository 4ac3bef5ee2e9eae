// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import ServeConfiguration

@Suite("Properties files")
struct PropertiesFileTests {
    private func values(_ text: String) throws -> [String: String] {
        try PropertiesFile.parse(text, path: "f").settings.mapValues(\.value)
    }

    @Test("keys and values are split as Java does")
    func splitting() throws {
        let text = #"""
            # comment \
            ! another
            a=1
              b : 2
            c 3
            d
            e==4
            f=
            g\ h\=i\:j = k
            l = m=n : o \t.
            p:q
            """#
        #expect(
            try self.values(text) == [
                "a": "1", "b": "2", "c": "3", "d": "", "e": "=4", "f": "", "g h=i:j": "k", "l": "m=n : o \t.", "p": "q",
            ])
    }

    @Test("lines go on after a backslash, but not after two, and not in comments")
    func continuation() throws {
        #expect(try self.values("a=1,\\\n   2,\\\r\n\t3\nb=x\\\\\nc=y") == ["a": "1,2,3", "b": "x\\", "c": "y"])
        #expect(try self.values("#\\\na=1") == ["a": "1"])
        #expect(try self.values("a=\\\n#b") == ["a": "#b"])
        #expect(try self.values("a=1\\") == ["a": "1"])
        #expect(try self.values("a\\\n=1") == ["a": "1"])
    }

    @Test("all ends of lines count, and the numbers of lines are right")
    func lineEnds() throws {
        let layer = try PropertiesFile.parse("a=1\rb=2\r\nc=\\\n3\n\nd=4", path: "f")
        #expect(layer.settings.mapValues(\.value) == ["a": "1", "b": "2", "c": "3", "d": "4"])
        #expect(
            layer.settings.mapValues(\.origin) == [
                "a": .file(path: "f", line: 1), "b": .file(path: "f", line: 2), "c": .file(path: "f", line: 3),
                "d": .file(path: "f", line: 6),
            ])
        #expect(try self.values("") == [:])
        #expect(try self.values("\\") == [:])
    }

    @Test("escapes are read, those of two halves together")
    func escapes() throws {
        #expect(try self.values(#"a=\u00e4\uD83D\uDE00\n\r\f\q\ü"#) == ["a": "ä😀\n\r\u{c}qü"])
    }

    @Test(
        "escapes that are none are errors with their line", arguments: [#"\u12"#, #"\u+123"#, #"\uD83D"#, #"\uxyzw"#])
    func wrongEscapes(escape: String) {
        let error = #expect(throws: ServeConfigurationError.self) {
            try PropertiesFile.parse("a=1\nb=\(escape)", path: "f")
        }
        #expect(error?.message.hasSuffix("line 2 of f") == true)
    }

    @Test("the last of two values counts, with a warning")
    func duplicates() throws {
        let layer = try PropertiesFile.parse("a=1\nb=2\na=3", path: "f")
        #expect(layer.settings["a"]?.value == "3")
        #expect(layer.warnings == ["Configuration a is set twice: line 3 of f counts, not line 1 of f"])
    }

    @Test("any bytes are read or refused, never a trap")
    func anyBytes() {
        let seed: UInt64 = 0x9a7
        var state = seed
        let alphabet = Array("ab=: \t#!\\\n\ru0dD8ü".unicodeScalars)
        for _ in 0..<5_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<(state % 40) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.append(alphabet[Int(state >> 33) % alphabet.count])
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            state = state >> 3 ^ state
            _ = try? PropertiesFile.parse(String(text), path: "f")
        }
    }
}
