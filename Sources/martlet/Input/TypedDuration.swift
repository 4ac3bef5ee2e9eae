// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A length of time as people type it.
enum TypedDuration {
    private static let units: [(suffix: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
    ]

    /// Reads `90s`, `1h30m`, `250ms`, `7d`, `2w`, and ISO 8601 such as `PT1H30M`, in milliseconds. Nil for anything else,
    /// a number without a unit among it, and for what is too long.
    static func milliseconds(_ text: some StringProtocol) -> Int64? {
        if let duration = ISODuration(argument: String(text)) { return duration.milliseconds }
        var rest = Array(text.utf8)[...]
        var total: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { !(0x30...0x39).contains($0) }
            rest = rest.dropFirst(letters.count)
            let suffix = String(decoding: letters, as: UTF8.self)
            guard let number = Int64(String(decoding: digits, as: UTF8.self)),
                let unit = self.units.first(where: { $0.suffix == suffix })
            else { return nil }
            let (part, isTooLong) = number.multipliedReportingOverflow(by: unit.milliseconds)
            let (sum, overflows) = total.addingReportingOverflow(part)
            guard !isTooLong, !overflows else { return nil }
            total = sum
        }
        return total
    }
}
