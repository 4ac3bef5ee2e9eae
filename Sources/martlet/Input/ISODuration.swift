// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// A length of time as ISO 8601 writes it, in days and smaller: `PT1H`, `PT90S`, `P1DT12H`, `PT0.5S`, `P1W`.
///
/// Years and months have no fixed length and are refused; a day has 24 hours.
struct ISODuration: Hashable, Sendable, ExpressibleByArgument {
    /// Not negative.
    var milliseconds: Int64

    init(milliseconds: Int64) { self.milliseconds = milliseconds }

    init?(argument: String) {
        guard let first = argument.first, first == "P" || first == "p" else { return nil }
        var units: [(letter: Character, milliseconds: Int64)] = [("W", 604_800_000), ("D", 86_400_000)]
        var isTime = false
        var number = ""
        var total: Int64 = 0
        var hasPart = false
        for character in argument.dropFirst() {
            if character.isASCII, character.isNumber || character == "." || character == "," {
                number.append(character == "," ? "." : character)
            } else if character == "T" || character == "t" {
                guard !isTime, number.isEmpty else { return nil }
                isTime = true
                hasPart = false
                units = [("H", 3_600_000), ("M", 60_000), ("S", 1000)]
            } else {
                let letter = Character(character.uppercased())
                guard let index = units.firstIndex(where: { $0.letter == letter }),
                    let part = Self.product(number, units[index].milliseconds)
                else { return nil }
                let (sum, overflow) = total.addingReportingOverflow(part)
                guard !overflow else { return nil }
                total = sum
                // Each unit may stand once, the larger ones first.
                units.removeFirst(index + 1)
                number = ""
                hasPart = true
            }
        }
        guard hasPart, number.isEmpty else { return nil }
        self.milliseconds = total
    }

    /// A decimal number of units in milliseconds, exact for whole numbers; nil when it is malformed or too large.
    private static func product(_ number: String, _ unit: Int64) -> Int64? {
        if let whole = Int64(number) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
            return overflow ? nil : product
        }
        guard let fraction = Double(number), number.first != "." else { return nil }
        return Int64(exactly: (fraction * Double(unit)).rounded())
    }
}
