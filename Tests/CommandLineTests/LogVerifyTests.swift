// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Testing

@testable import CommitLog
@testable import martlet

@Suite struct LogVerifyTests {
    private static let finding = VerificationFinding(
        severity: .error, file: "orders-0/00000000000000000003.log", position: 412, startOffset: 4, endOffset: 5,
        what: "damaged: the checksum is wrong", advice: "go on at 5")

    @Test("the command takes a directory, a format and how deep to look")
    func arguments() throws {
        let bare = try #require(try Martlet.parseAsRoot(["log", "verify", "/data"]) as? LogVerifyCommand)
        #expect(bare.directory == "/data" && bare.output == .text && !bare.deep)
        let full = try #require(
            try Martlet.parseAsRoot(["log", "verify", "--deep", "-o", "json", "/data"]) as? LogVerifyCommand)
        #expect(full.output == .json && full.deep)
        #expect(throws: (any Error).self) { try Martlet.parseAsRoot(["log", "verify"]) }
        #expect(throws: (any Error).self) { try Martlet.parseAsRoot(["log", "verify", "/data", "-o", "table"]) }
    }

    @Test("a finding is one line with file, place, offsets and advice")
    func lines() {
        var finding = Self.finding
        #expect(
            finding.line
                == "error: orders-0/00000000000000000003.log: byte 412: offset 4: damaged: the checksum is wrong; "
                + "go on at 5")
        finding.endOffset = 8
        #expect(finding.line.contains(": offsets 4 to 7: "))
        finding.endOffset = nil
        finding.position = nil
        finding.advice = ""
        #expect(
            finding.line
                == "error: orders-0/00000000000000000003.log: from offset 4: damaged: the checksum is wrong")
    }

    @Test("findings and summary as JSON")
    func json() {
        var json = JSONWriter()
        Self.finding.write(to: &json)
        #expect(
            json.text
                == #"{"severity":"error","file":"orders-0/00000000000000000003.log","position":412,"startOffset":4,"#
                + #""endOffset":5,"what":"damaged: the checksum is wrong","advice":"go on at 5"}"#)
        var summary = VerificationSummary()
        summary.partitions = 2
        summary.errors = 1
        json = JSONWriter()
        summary.write(to: &json)
        #expect(
            json.text
                == #"{"sound":false,"inUse":false,"cleanShutdown":false,"partitions":2,"segments":0,"batches":0,"#
                + #""records":0,"bytes":0,"errors":1,"warnings":0,"notes":0}"#)
        #expect(summary.lines.last == "damaged: 1 errors, 0 warnings, 0 notes")
        summary.errors = 0
        summary.isInUse = true
        #expect(summary.lines.first?.contains("a broker is running") == true)
        #expect(summary.lines.last == "sound: 0 errors, 0 warnings, 0 notes")
    }

    @Test("a directory that cannot be read is a failure that says what to give")
    func noDirectory() async throws {
        let command = try #require(
            try Martlet.parseAsRoot(["log", "verify", "/nowhere/at/all"]) as? LogVerifyCommand)
        await #expect(throws: CommandFailure.self) { try await command.run() }
    }
}
