// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

/// The house's linter: rules that swift-format does not know, checked over every file of the repository.
@Suite struct TidyTests {
    @Test("the linter sees the sources, not an empty folder")
    func sourcesAreFound() {
        let paths = Set(SourceTree.files.map(\.path))
        #expect(paths.contains("Package.swift"))
        #expect(paths.contains("Sources/KafkaTypes/Identifiers.swift"))
        #expect(paths.contains("Tests/TidyTests/TidyTests.swift"))
    }

    @Test("each target imports only what its layer may see")
    func imports() { Self.expectClean(ImportRules.check) }

    @Test("files stay under their limit of lines")
    func fileSizes() { Self.expectClean { SizeRules.checkFile($0) } }

    @Test("functions stay under their limit of lines")
    func functionSizes() { Self.expectClean { SizeRules.checkFunctions($0) } }

    @Test("layers 0 to 3 read no clock, draw on no global randomness, do not trap and do not print")
    func purity() { Self.expectClean(CodeRules.checkPurity) }

    @Test("unchecked Sendable comes with its reason")
    func uncheckedSendable() { Self.expectClean(CodeRules.checkUncheckedSendable) }

    @Test("every Swift file begins with the licence header")
    func licence() { Self.expectClean(TextRules.checkLicence) }

    @Test("notes about unfinished work name an issue")
    func notes() { Self.expectClean(TextRules.checkNotes) }

    @Test("nothing names a path of one machine")
    func machinePaths() { Self.expectClean(TextRules.checkMachinePaths) }

    @Test("Markdown files have exactly one title")
    func titles() { Self.expectClean(TextRules.checkTitle) }

    @Test("links between Markdown files lead to something")
    func links() {
        Self.expectClean { file in
            TextRules.fileLinks(of: file).compactMap { line, path in
                SourceTree.exists(path) ? nil : file.violation(line: line, "a link to \(path), which is not there")
            }
        }
    }

    @Test("the ratchet lists only files that exist")
    func ratchet() {
        let paths = Set(SourceTree.files.map(\.path))
        let listed =
            SizeRules.longFiles.keys.map { $0 }
            + SizeRules.longFunctions.keys.map { String($0.prefix { $0 != "#" }) }
        for path in listed { #expect(paths.contains(path), "remove \(path) from SizeRules") }
    }

    private static func expectClean(
        _ rule: (SourceFile) -> [Violation],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for violation in SourceTree.files.flatMap(rule) {
            Issue.record("\(violation)", sourceLocation: sourceLocation)
        }
    }
}
