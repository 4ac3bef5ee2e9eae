// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

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
