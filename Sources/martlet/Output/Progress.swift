// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How far something has come, and what a person is told about it. Without IO; the time comes in, counted from any
/// fixed moment.
struct Progress: Sendable {
    enum Unit: Sendable {
        case bytes
        case records
    }

    /// Nothing is shown of what takes no longer than this.
    static let quietTime = Duration.seconds(1)
    /// Between two looks: more often nobody can read it.
    static let interval = Duration.milliseconds(100)
    /// Over how long the rate is smoothed.
    private static let smoothing = 3.0
    private static let barWidthMax = 30
    private static let barWidthMin = 5

    let label: String
    let unit: Unit
    /// Nil when nobody knows how much there is.
    let total: Int64?
    private let start: Duration
    private(set) var done: Int64 = 0
    private var lastShown: Duration?
    private var lastSample: (time: Duration, done: Int64)
    /// Per second; nil before the first look.
    private var rate: Double?

    init(_ label: String, unit: Unit, total: Int64?, now: Duration) {
        self.label = label
        self.unit = unit
        self.total = total
        self.start = now
        self.lastSample = (now, 0)
    }

    /// Notes that so much is done, and returns the line to be shown if it is time to show one. `width` is that of the
    /// terminal, in columns.
    mutating func update(_ done: Int64, now: Duration, width: Int) -> String? {
        self.done = done
        guard now - self.start >= Self.quietTime else { return nil }
        if let lastShown = self.lastShown, now - lastShown < Self.interval { return nil }
        self.lastShown = now
        self.sample(now)
        return self.line(width: width)
    }

    private mutating func sample(_ now: Duration) {
        let seconds = (now - self.lastSample.time).seconds
        guard seconds > 0 else { return }
        let current = Double(self.done - self.lastSample.done) / seconds
        if let rate = self.rate {
            let weight = min(seconds / Self.smoothing, 1)
            self.rate = rate + (current - rate) * weight
        } else {
            self.rate = current
        }
        self.lastSample = (now, self.done)
    }

    /// The time that is left at the rate of late; nil when it is not known.
    var remaining: Duration? {
        guard let total, let rate, rate > 0, total > self.done else { return nil }
        let seconds = Double(total - self.done) / rate
        // A year and more is as good as unknown.
        guard seconds < 31_536_000 else { return nil }
        return .seconds(Int64(seconds.rounded(.up)))
    }

    /// 0 to 1; nil without a total.
    var fraction: Double? {
        guard let total else { return nil }
        return total > 0 ? min(max(Double(self.done) / Double(total), 0), 1) : 1
    }

    /// `verify [=====>    ]  52%  1.1 GB of 2.1 GB  312 MB/s  3s left`, no wider than `width`.
    func line(width: Int) -> String {
        var parts: [String] = []
        if let fraction { parts.append("\(Int(fraction * 100))%") }
        let amount = self.text(Double(self.done))
        parts.append(self.total.map { "\(amount) of \(self.text(Double($0)))" } ?? amount)
        if let rate { parts.append("\(self.text(rate))/s") }
        if let remaining { parts.append("\(remaining.shortTextInSeconds) left") }
        let text = parts.joined(separator: "  ")
        // The brackets, a space on either side, and the last column, which would wrap.
        let room = width - self.label.count - text.count - 5
        guard let fraction, room >= Self.barWidthMin else {
            return String("\(self.label) \(text)".prefix(max(width - 1, 0)))
        }
        let barWidth = min(room, Self.barWidthMax)
        let filled = min(Int(fraction * Double(barWidth)), barWidth)
        let head = filled < barWidth ? ">" : ""
        let bar = String(repeating: "=", count: filled) + head
        let empty = String(repeating: " ", count: barWidth - bar.count)
        return "\(self.label) [\(bar)\(empty)] \(text)"
    }

    private func text(_ amount: Double) -> String {
        self.unit == .bytes ? Quantity.bytes(amount) : "\(Quantity.short(amount)) records"
    }
}

/// Amounts as people read them: three digits and a unit.
enum Quantity {
    /// `512 B`, `1.2 kB`, `34.5 MB`, `678 GB`, in powers of 1000.
    static func bytes(_ amount: Double) -> String {
        let (number, prefix) = self.scaled(amount)
        return "\(number) \(prefix)B"
    }

    static func bytes(_ amount: Int64) -> String { self.bytes(Double(amount)) }

    /// `512`, `1.2k`, `34.5M`.
    static func short(_ amount: Double) -> String {
        let (number, prefix) = self.scaled(amount)
        return "\(number)\(prefix)"
    }

    private static func scaled(_ amount: Double) -> (String, String) {
        guard amount.isFinite else { return ("?", "") }
        var value = max(amount, 0)
        var prefixes = ["", "k", "M", "G", "T", "P", "E"][...]
        while value >= 999.5, prefixes.count > 1 {
            value /= 1000
            prefixes.removeFirst()
        }
        let prefix = prefixes.first ?? ""
        guard !prefix.isEmpty, value < 99.95 else { return ("\(Int(value.rounded()))", prefix) }
        let tenths = Int((value * 10).rounded())
        return ("\(tenths / 10).\(tenths % 10)", prefix)
    }
}

extension Duration {
    /// Seconds with their fraction.
    var seconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// `shortText` without fractions of a second.
    fileprivate var shortTextInSeconds: String {
        let seconds = self.components.seconds
        return seconds < 60 ? "\(seconds)s" : self.shortText
    }
}
