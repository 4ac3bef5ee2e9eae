// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// An error that has more to say than its description: what to do, and how the process ends.
protocol CommandLineFailure: Error {
    func report() -> FailureReport
}

/// An error as a person reads it: what happened, then what to do about it.
struct FailureReport: Sendable {
    var message: String
    /// The next step, when there is an obvious one.
    var hint: String?
    var status: ExitStatus = .failure

    func print() {
        let terminal = Terminal.standardError
        StandardError.print("\(terminal.styled("error:", .bad)) \(self.message)")
        if let hint = self.hint { StandardError.print("\(terminal.styled("hint:", .title)) \(hint)") }
    }
}

extension [FailureReport] {
    /// Prints all of them, and throws the exit code that they come to, if there are any: of `count` things these failed.
    /// The last that a command does: its answer has to be printed by then.
    func leave(of count: Int) throws {
        for report in self { report.print() }
        try ExitStatus.combining(self.map(\.status), of: count).leave()
    }
}

extension [KafkaClientError] {
    /// As that of ``FailureReport``.
    func leave(of count: Int) throws { try self.map { $0.report() }.leave(of: count) }
}

/// An operation that did not do what was asked.
struct CommandFailure: CommandLineFailure {
    var message: String
    var hint: String?
    var status: ExitStatus

    init(_ message: String, hint: String? = nil, status: ExitStatus = .failure) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    func report() -> FailureReport {
        FailureReport(message: self.message, hint: self.hint, status: self.status)
    }
}
