// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// What one run of `martlet` came to.
struct CommandRun: Sendable {
    let arguments: [String]
    let status: Int32
    let output: String
    let errors: String
    /// From the start of the process to its end.
    let duration: Duration

    /// The output as JSON; a test fails where it is none.
    var json: JSON {
        get throws {
            do {
                return try JSONDecoder().decode(JSON.self, from: Data(self.output.utf8))
            } catch { throw UnexpectedRun(run: self, what: "is no JSON") }
        }
    }

    /// The output in lines.
    var lines: [Substring] { self.output.split(separator: "\n") }

    /// Nothing that ran before comes from the person who tests: neither contexts nor variables.
    private static let bare = [
        "MARTLET_BOOTSTRAP": "", "MARTLET_CONTEXT": "", "MARTLET_SASL_USER": "", "MARTLET_SASL_PASSWORD": "",
        "NO_COLOR": "", "XDG_CONFIG_HOME": "/nonexistent",
    ]

    /// No command may take longer, however busy the machine is.
    private static let limit = Duration.seconds(60)

    static func of(
        _ arguments: [String], environment: [String: String] = [:], input: String = "", folder: URL
    ) async throws -> CommandRun {
        let clock = ContinuousClock()
        let start = clock.now
        let child = try ChildProcess(
            try Programs.martlet(), arguments, environment: Self.bare.merging(environment) { _, own in own },
            input: Data(input.utf8), folder: folder)
        let exit = try await child.waitForExit(within: Self.limit)
        let run = CommandRun(
            arguments: arguments, status: exit.status, output: String(decoding: child.outputData, as: UTF8.self),
            errors: child.errorText, duration: clock.now - start)
        guard !exit.isSignal else { throw UnexpectedRun(run: run, what: "ended by a signal") }
        return run
    }
}

/// A command did not end as it should.
struct UnexpectedRun: Error, CustomStringConvertible {
    let run: CommandRun
    let what: String

    var description: String {
        "martlet \(self.run.arguments.joined(separator: " ")) \(self.what); exit code \(self.run.status),"
            + " output:\n\(self.run.output)\nerrors:\n\(self.run.errors)"
    }
}

extension BrokerUnderTest {
    /// Runs a command against this broker; it has to end with this exit code.
    @discardableResult
    func command(
        _ arguments: String..., expecting status: Int32 = 0, environment: [String: String] = [:], input: String = ""
    ) async throws -> CommandRun {
        let own = ["MARTLET_BOOTSTRAP": self.bootstrap].merging(environment) { _, given in given }
        let run = try await CommandRun.of(arguments, environment: own, input: input, folder: self.folder)
        guard run.status == status else { throw UnexpectedRun(run: run, what: "should end with \(status)") }
        return run
    }
}
