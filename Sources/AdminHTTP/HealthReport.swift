// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What was looked at to say whether a process lives or may be sent work, and what came out.
public struct HealthReport: Sendable, Hashable {
    /// One thing that was looked at.
    public struct Check: Sendable, Hashable {
        /// Short and stable, for machines: `groups`.
        public let name: String
        /// Whether it is as it should be.
        public let isGood: Bool
        /// A sentence for an operator: what was found, and what to do where it is bad.
        public let detail: String

        /// The outcome of a check.
        public init(_ name: String, isGood: Bool, _ detail: String) {
            self.name = name
            self.isGood = isGood
            self.detail = detail
        }
    }

    /// In the order in which they were made.
    public let checks: [Check]

    /// A report of some checks; without any it is good.
    public init(_ checks: [Check]) { self.checks = checks }

    /// All checks are good.
    public var isGood: Bool { self.checks.allSatisfy(\.isGood) }

    /// A line for each check, the bad ones first, as they are what somebody looks for.
    public var text: String {
        let lines = (self.checks.filter { !$0.isGood } + self.checks.filter(\.isGood)).map { check in
            "\(check.isGood ? "ok  " : "FAIL") \(check.name): \(check.detail)\n"
        }
        return (self.isGood ? "ok\n" : "not ok\n") + lines.joined()
    }

    /// `{"status":"ok","checks":[{"name":...,"ok":true,"detail":...}]}` and a newline.
    public var json: String {
        let checks = self.checks.map { check in
            "{\"name\":\(Self.quoted(check.name)),\"ok\":\(check.isGood),\"detail\":\(Self.quoted(check.detail))}"
        }
        let status = self.isGood ? "ok" : "fail"
        return "{\"status\":\"\(status)\",\"checks\":[\(checks.joined(separator: ","))]}\n"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
