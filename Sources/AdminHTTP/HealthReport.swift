// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import JSONText
import NIOCore

/// What was looked at to say whether a process lives or may be sent work, and what came out.
public struct HealthReport: Sendable, Hashable {
    /// What came out of a check; the raw value is for machines.
    public enum Outcome: String, Sendable, Hashable {
        case good = "ok"
        /// An operator should look at it; work may be sent all the same.
        case warning = "warn"
        case bad = "fail"
    }

    /// One thing that was looked at.
    public struct Check: Sendable, Hashable {
        /// Short and stable, for machines: `groups`.
        public let name: String
        /// Whether it is as it should be.
        public let outcome: Outcome
        /// A sentence for an operator: what was found, and what to do where it is not good.
        public let detail: String

        /// A check and what came out of it.
        public init(_ name: String, _ outcome: Outcome, _ detail: String) {
            self.name = name
            self.outcome = outcome
            self.detail = detail
        }
    }

    /// In the order in which they were made.
    public let checks: [Check]

    /// A report of some checks; without any it is good.
    public init(_ checks: [Check]) { self.checks = checks }

    /// No check is bad.
    public var isGood: Bool { self.outcome != .bad }

    /// The worst of all checks.
    public var outcome: Outcome {
        let outcomes = self.checks.map(\.outcome)
        return outcomes.contains(.bad) ? .bad : outcomes.contains(.warning) ? .warning : .good
    }

    /// A line for each check, the worst first, as they are what somebody looks for.
    public var text: String {
        let sorted = [Outcome.bad, .warning, .good].flatMap { outcome in self.checks.filter { $0.outcome == outcome } }
        let lines = sorted.map { check in
            let mark =
                switch check.outcome {
                case .good: "ok  "
                case .warning: "warn"
                case .bad: "FAIL"
                }
            return "\(mark) \(check.name): \(check.detail)\n"
        }
        return (self.isGood ? "ok\n" : "not ok\n") + lines.joined()
    }

    /// `{"status":"ok","checks":[{"name":...,"status":"ok","detail":...}]}` and a newline; a status is the raw value of an
    /// ``Outcome``, the first that of the worst check.
    public var json: String {
        var json = ByteBuffer()
        json.writeString("{\"status\":\"\(self.outcome.rawValue)\",\"checks\":[")
        for (index, check) in self.checks.enumerated() {
            json.writeString(index == 0 ? "{\"name\":" : ",{\"name\":")
            json.writeJSONString(check.name)
            json.writeString(",\"status\":\"\(check.outcome.rawValue)\",\"detail\":")
            json.writeJSONString(check.detail)
            json.writeString("}")
        }
        json.writeString("]}\n")
        return String(buffer: json)
    }
}
