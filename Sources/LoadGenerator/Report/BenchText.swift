// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Figures and workloads as people read them.
public enum BenchText {
    /// A number with so many digits behind the point, and a space between thousands.
    public static func number(_ value: Double, digits: Int) -> String {
        guard value.isFinite else { return "?" }
        let text = String(format: "%.\(max(0, digits))f", value)
        let parts = text.split(separator: ".", maxSplits: 1).map(String.init)
        let whole = parts[0].drop { $0 == "-" }
        var grouped = ""
        for (position, digit) in whole.enumerated() {
            if position > 0, (whole.count - position).isMultiple(of: 3), whole.count > 4 { grouped += " " }
            grouped.append(digit)
        }
        let sign = text.hasPrefix("-") ? "-" : ""
        return sign + grouped + (parts.count > 1 ? "." + parts[1] : "")
    }

    /// Milliseconds with three digits that mean something.
    public static func ms(_ value: Double) -> String {
        self.number(value, digits: value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0)
    }

    /// Seconds with their unit, and a digit behind the point where there is something.
    public static func seconds(_ value: Double) -> String {
        self.number(value, digits: value == value.rounded() ? 0 : 1) + " s"
    }

    /// Bytes with the largest unit that fits, powers of 1024.
    public static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (Double(count), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return self.number(value, digits: value == value.rounded() ? 0 : 1) + " " + units[unit]
    }

    /// One line that says what was run.
    public static func workload(_ settings: BenchReport.Settings, mode: Workload.Mode) -> String {
        func count(_ number: Int, _ name: String) -> String { "\(number) \(name)\(number == 1 ? "" : "s")" }
        var parts = [
            count(settings.topics, "topic"), "\(count(settings.partitionsPerTopic, "partition")) each",
            "values \(settings.messageSize.replacingOccurrences(of: "fixed:", with: "")) B",
        ]
        if settings.producers > 0 { parts.append(count(settings.producers, "producer")) }
        if settings.consumers > 0 { parts.append(count(settings.consumers, "consumer")) }
        if mode != .consume {
            parts.append(settings.rate > 0 ? "\(self.number(settings.rate, digits: 0))/s" : "as fast as it goes")
        }
        parts += ["acks \(settings.acks)", "codec \(settings.codec)", "linger \(settings.lingerMs) ms"]
        if settings.keys != "none" { parts.append("keys \(settings.keys)") }
        if settings.backlogBytes > 0 { parts.append("backlog \(self.bytes(settings.backlogBytes))") }
        return parts.joined(separator: ", ")
    }
}
