// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One thing that `martlet doctor` looked at: what it saw, and what to do about it.
struct DoctorCheck: Sendable {
    enum Outcome: String, Sendable, CaseIterable {
        case ok
        /// It works, and not as it should.
        case warn
        /// It does not work.
        case fail
        /// It could not be looked at from here.
        case skip

        var style: Terminal.Style {
            switch self {
            case .ok: .good
            case .warn: .notice
            case .fail: .bad
            case .skip: .faint
            }
        }
    }

    /// One word, which does not change: scripts go by it.
    var name: String
    /// What it was looked for at: an address, a directory; empty for the machine.
    var subject: String
    var outcome: Outcome
    /// For people: what was there.
    var seen: String
    /// The next step; empty when there is none to take.
    var advice = ""
    /// For programs: what was measured, by names with their units.
    var values: [(name: String, value: Int64)] = []

    init(
        _ name: String, _ subject: String, _ outcome: Outcome, _ seen: String, advice: String = "",
        values: [(name: String, value: Int64)] = []
    ) {
        self.name = name
        self.subject = subject
        self.outcome = outcome
        self.seen = seen
        self.advice = advice
        self.values = values
    }
}

/// All that `martlet doctor` found.
struct DoctorReport: Sendable {
    var checks: [DoctorCheck]

    /// Nothing failed.
    var isSound: Bool { !self.checks.contains { $0.outcome == .fail } }

    func count(_ outcome: DoctorCheck.Outcome) -> Int { self.checks.count { $0.outcome == outcome } }

    /// A line per check, the advice below it, and the sums.
    func lines(_ terminal: Terminal = .plain) -> [String] {
        var lines: [String] = []
        let width = self.checks.reduce(0) { max($0, $1.name.count) }
        for check in self.checks {
            let outcome = Self.padded(check.outcome.rawValue, 4)
            let subject = check.subject.isEmpty ? "" : "\(check.subject): "
            let name = Self.padded(check.name, width)
            lines.append("\(terminal.styled(outcome, check.outcome.style))  \(name)  \(subject)\(check.seen)")
            if !check.advice.isEmpty { lines.append("      next: \(check.advice)") }
        }
        let counts = DoctorCheck.Outcome.allCases.map { "\(self.count($0)) \($0.rawValue)" }
        lines.append("\(self.checks.count) checks: \(counts.joined(separator: ", "))")
        return lines
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 0))
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("sound")
            json.bool(self.isSound)
            for outcome in DoctorCheck.Outcome.allCases {
                json.name(outcome.rawValue)
                json.integer(self.count(outcome))
            }
            json.name("checks")
            json.array { json in for check in self.checks { check.write(to: &json) } }
        }
    }
}

extension DoctorCheck {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("check")
            json.string(self.name)
            json.name("subject")
            json.string(self.subject)
            json.name("outcome")
            json.string(self.outcome.rawValue)
            json.name("seen")
            json.string(self.seen)
            json.name("advice")
            json.string(self.advice)
            json.name("values")
            json.object { json in
                for (name, value) in self.values {
                    json.name(name)
                    json.integer(value)
                }
            }
        }
    }
}
