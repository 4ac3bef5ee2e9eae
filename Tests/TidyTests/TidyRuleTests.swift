// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// The linter itself: each rule finds what it is for, and leaves alone what only looks like it.
@Suite struct TidyRuleTests {
    private func file(_ text: String, path: String = "Sources/CommitLog/Example.swift") -> SourceFile {
        SourceFile(path: path, text: text)
    }

    @Test("the lexer keeps comments and literals out of the code, and interpolations in it")
    func lexer() {
        let source = #"""
            let a = "x // no \(f("y", [1]) + "z") print(" /* a /* b */ c */ + #"raw " \(no)"# // end
            let b = 2
            """#
        let lexer = SwiftLexer(source)
        let words = lexer.tokens.map(\.text).joined(separator: " ")
        #expect(words == #"let a = "" f ( "" , [ 1 ] ) + "" ) + "" let b = 2"#)
        #expect(lexer.comments.map(\.text) == ["/* a /* b */ c */", "// end"])
        #expect(lexer.tokens.last?.line == 2)
    }

    @Test("the lexer counts lines in literals of several lines")
    func multilineLiteral() {
        let quotes = "\"\"\""
        let lexer = SwiftLexer("let a = \(quotes)\n  one \" \\\n  fatalError()\n\(quotes)\nend")
        #expect(lexer.tokens.map(\.text) == ["let", "a", "=", "\"\"", "end"])
        #expect(lexer.tokens.last?.line == 5)
    }

    @Test(
        "an import that the layer may not see is found",
        arguments: [
            ("CommitLog", "import Foundation"), ("KafkaWire", "public import NIOPosix"),
            ("KafkaRecords", "@preconcurrency import Dispatch"), ("Broker", "import GRDB"),
            ("KafkaClient", "import CommitLog"), ("KafkaTypes", "import struct Foundation.Data"),
            ("KafkaMessages", "internal import Foundation"), ("BrokerServer", "import ArgumentParser"),
            ("NewTarget", "import Swift"),
        ]
    )
    func forbiddenImport(target: String, line: String) {
        let found = ImportRules.check(self.file("// x\n" + line, path: "Sources/\(target)/A.swift"))
        #expect(found.count == 1)
        #expect(found.first?.description.contains(target) == true)
    }

    @Test(
        "an import that the layer may see passes",
        arguments: [
            ("CommitLog", "import Glibc"), ("KafkaWire", "public import NIOCore"), ("MetadataSQLite", "import GRDB"),
            ("ServeConfiguration", "import Configuration"), ("KafkaTypes", "import Synchronization"),
            ("KafkaTypes", "// import Foundation would be wrong"),
            ("KafkaTypes", "let important = \"import Foundation\""),
        ]
    )
    func allowedImport(target: String, line: String) {
        #expect(ImportRules.check(self.file(line, path: "Sources/\(target)/A.swift")) == [])
    }

    @Test("a file over the soft limit fails, unless the ratchet lists its length; over the hard limit it always fails")
    func fileSizes() {
        func check(_ lines: Int, ratchet: [String: Int] = [:], path: String = "Sources/CommitLog/A.swift") -> Int {
            SizeRules.checkFile(self.file(String(repeating: "x\n", count: lines), path: path), ratchet: ratchet).count
        }
        let path = "Sources/CommitLog/A.swift"
        #expect(check(500) == 0)
        #expect(check(501) == 1)
        #expect(check(600, ratchet: [path: 600]) == 0)
        #expect(check(601, ratchet: [path: 600]) == 1)
        #expect(check(801, ratchet: [path: 900]) == 1)
        #expect(check(5000, path: "Sources/KafkaMessages/FetchRequest.swift") == 0)
    }

    @Test("the length of a function is measured from its keyword to its closing brace")
    func functionSizes() {
        func source(_ lines: Int) -> String {
            let body = String(repeating: "    work(x) { $0 }\n", count: lines - 2)
            return """
                protocol P { func required(); init(a: Int) }
                struct S {
                init?<T>(a: T = { 1 }()) where T: P {
                \(body)}
                func short() { S.init(a: 1) }
                }
                """
        }
        #expect(SizeRules.functions(of: self.file(source(70))).map(\.name) == ["init", "short"])
        #expect(SizeRules.checkFunctions(self.file(source(70))) == [])
        let found = SizeRules.checkFunctions(self.file(source(71)))
        #expect(found.map(\.line) == [3])
        #expect(
            SizeRules.checkFunctions(self.file(source(71)), ratchet: ["Sources/CommitLog/Example.swift#init": 71]) == []
        )
    }

    @Test(
        "clocks, randomness, traps and output are found in the lower layers",
        arguments: [
            "let d = Date()", "let t = ContinuousClock.now", "let t = ContinuousClock().now", "f(at: .now)",
            "Int.random(in: 0..<4)", "let x = list.randomElement()", "list.shuffle()", "let id = UUID()",
            "let x = try! f()", "print(1)", "fatalError(\"no\")", "\"\\(Date())\"",
            "var g = SystemRandomNumberGenerator()",
        ]
    )
    func impurity(line: String) {
        #expect(Set(CodeRules.checkPurity(self.file("\n" + line)).map(\.line)) == [2])
        #expect(CodeRules.checkPurity(self.file(line, path: "Sources/BrokerServer/A.swift")) == [])
    }

    @Test(
        "what only looks like it passes",
        arguments: [
            "f(now: context.now)", "let t = self.now", "Int.random(in: f(1), using: &generator)",
            "// print(1) Date() try!", "let s = \"fatalError() Date()\"", "func print(_ text: String) {}",
            "out.print(1)",
            "let d = maxDate()", "let x = try? f()", "case now", "static func random(using g: inout G) -> Self { f() }",
            "let x = values[0].now",
        ]
    )
    func purity(line: String) { #expect(CodeRules.checkPurity(self.file(line)) == []) }

    @Test("unchecked Sendable passes only with a comment right above it")
    func uncheckedSendable() {
        let claim = "final class A: @unchecked Sendable {}"
        #expect(CodeRules.checkUncheckedSendable(self.file(claim)).count == 1)
        #expect(CodeRules.checkUncheckedSendable(self.file("// Why.\n\n" + claim)).count == 1)
        #expect(CodeRules.checkUncheckedSendable(self.file("// The lock guards all of it.\n" + claim)) == [])
        #expect(CodeRules.checkUncheckedSendable(self.file("// Why.\n@usableFromInline\n" + claim)) == [])
        #expect(CodeRules.checkUncheckedSendable(self.file("nonisolated(unsafe) var a = 1")).count == 1)
        #expect(CodeRules.checkUncheckedSendable(self.file("let s = \"@unchecked Sendable\"")) == [])
    }

    @Test("the licence header is asked for in Swift files")
    func licence() {
        #expect(TextRules.checkLicence(self.file("import A\n")).count == 1)
        #expect(TextRules.checkLicence(self.file("// SPDX-License-Identifier: Apache-2.0\n\n")).count == 1)
        #expect(TextRules.checkLicence(self.file("x", path: "docs/a.md")) == [])
    }

    @Test("notes without an issue are found, in Swift only in comments")
    func notes() {
        let mark = "TO" + "DO"
        #expect(TextRules.checkNotes(self.file("// \(mark): later")).count == 1)
        #expect(TextRules.checkNotes(self.file("// \(mark)(#12): later")) == [])
        #expect(TextRules.checkNotes(self.file("let a = \"\(mark)\"")) == [])
        #expect(TextRules.checkNotes(self.file("// MAS\(mark)NS")) == [])
        #expect(TextRules.checkNotes(self.file("# FIX" + "ME", path: "Makefile")).count == 1)
    }

    @Test("absolute paths of one machine are found in any text")
    func machinePaths() {
        let path = "/wo" + "rk/main"
        #expect(TextRules.checkMachinePaths(self.file("see \(path)", path: "docs/a.md")).map(\.line) == [1])
        #expect(TextRules.checkMachinePaths(self.file("let a = \"\(path)\"")).count == 1)
        #expect(TextRules.checkMachinePaths(self.file("docs\(path)", path: "docs/a.md")) == [])
    }

    @Test("a Markdown file needs one title, and headings in code are none")
    func titles() {
        #expect(TextRules.checkTitle(self.file("text\n", path: "a.md")).count == 1)
        #expect(TextRules.checkTitle(self.file("# A\n\n# B\n", path: "a.md")).map(\.line) == [3])
        #expect(TextRules.checkTitle(self.file("# A\n\n```sh\n# comment\n```\n\n## B\n", path: "a.md")) == [])
    }

    @Test("links of Markdown are found and read from the folder of the file, addresses, anchors and code are not")
    func links() {
        let text = """
            # A title
            [one](B.md), [two](../C.md#part) and [three](sub/) [four](#here) [five](https://example.com/x.md)
            ```
            [six](nowhere.md)
            ```
            [seven](./../../README.md)
            """
        let links = TextRules.fileLinks(of: self.file(text, path: "docs/pages/A.md"))
        #expect(links.map(\.path) == ["docs/pages/B.md", "docs/C.md", "docs/pages/sub", "README.md"])
        #expect(links.map(\.line) == [2, 2, 2, 6])
    }
}
