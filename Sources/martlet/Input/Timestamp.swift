// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A moment as people write it, in milliseconds since 1970: a number of them, or ISO 8601.
enum Timestamp {
    /// Reads `1700000000000`, `2024-05-01`, `2024-05-01T12:30`, `2024-05-01T12:30:15.250` and these with `Z`, `+02:00` or
    /// `+0200` behind; without it the time is UTC. Nil for anything else.
    static func milliseconds(_ text: some StringProtocol) -> Int64? {
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // Four digits are meant as a year, and a year alone is not a moment.
            return text.utf8.count == 4 ? nil : Int64(text)
        }
        var scanner = Scanner(Array(text.utf8))
        guard let year = scanner.number(digits: 4), scanner.take("-"), let month = scanner.number(digits: 2),
            scanner.take("-"), let day = scanner.number(digits: 2),
            (1...12).contains(month), (1...Self.days(inMonth: month, year: year)).contains(day)
        else { return nil }
        var time: Int64 = 0
        if scanner.take("T") || scanner.take(" ") {
            guard let timeOfDay = Self.timeOfDay(&scanner), let offset = Self.offset(&scanner) else { return nil }
            time = timeOfDay - offset
        }
        guard scanner.isAtEnd else { return nil }
        return Self.daysSince1970(year: year, month: month, day: day) * 86_400_000 + time
    }

    /// `2024-05-01T12:30:15.250Z`: what `milliseconds` reads. A number for what lies outside of the years 0 to 9999.
    static func text(_ milliseconds: Int64) -> String {
        let dayLength: Int64 = 86_400_000
        let day = milliseconds >= 0 ? milliseconds / dayLength : (milliseconds + 1) / dayLength - 1
        guard (-719_528...2_932_896).contains(day) else { return "\(milliseconds)" }
        let time = milliseconds - day * dayLength
        // Counted from March of the year 0, so that a leap day is the last of its year.
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthSinceMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthSinceMarch + 2) / 5 + 1
        let month = monthSinceMarch < 10 ? monthSinceMarch + 3 : monthSinceMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func padded(_ number: Int64, _ digits: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(digits - text.count, 0)) + text
        }
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
        let clock =
            "\(padded(time / 3_600_000, 2)):\(padded(time / 60_000 % 60, 2)):\(padded(time / 1000 % 60, 2))"
        return "\(date)T\(clock).\(padded(time % 1000, 3))Z"
    }

    private static func timeOfDay(_ scanner: inout Scanner) -> Int64? {
        guard let hour = scanner.number(digits: 2), scanner.take(":"), let minute = scanner.number(digits: 2),
            hour < 24, minute < 60
        else { return nil }
        var milliseconds = (hour * 60 + minute) * 60_000
        if scanner.take(":") {
            guard let second = scanner.number(digits: 2), second < 60 else { return nil }
            milliseconds += second * 1000
            if scanner.take(".") {
                guard let fraction = scanner.fraction() else { return nil }
                milliseconds += fraction
            }
        }
        return milliseconds
    }

    private static func offset(_ scanner: inout Scanner) -> Int64? {
        if scanner.isAtEnd || scanner.take("Z") { return 0 }
        let isWest = scanner.take("-")
        guard isWest || scanner.take("+"), let hours = scanner.number(digits: 2) else { return nil }
        _ = scanner.take(":")
        let minutes = scanner.isAtEnd ? 0 : scanner.number(digits: 2)
        guard let minutes, hours < 24, minutes < 60 else { return nil }
        return (isWest ? -1 : 1) * (hours * 60 + minutes) * 60_000
    }

    private static func isLeap(_ year: Int64) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func days(inMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: Self.isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Of the proleptic Gregorian calendar; years 0 to 9999.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        // Years that begin in March have their leap day at the end, so that months need no special case.
        let shifted = month > 2 ? year : year - 1
        let monthsSinceMarch = (month + 9) % 12
        let dayOfYear = (153 * monthsSinceMarch + 2) / 5 + day - 1
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private struct Scanner {
        private let text: [UInt8]
        private var position = 0

        init(_ text: [UInt8]) { self.text = text }

        var isAtEnd: Bool { self.position == self.text.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard !self.isAtEnd, self.text[self.position] == UInt8(ascii: character) else { return false }
            self.position += 1
            return true
        }

        mutating func number(digits: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<digits {
                guard let digit = self.digit() else { return nil }
                value = value * 10 + digit
            }
            return value
        }

        /// The digits after the decimal point, in milliseconds; smaller ones are dropped.
        mutating func fraction() -> Int64? {
            guard var value = self.digit() else { return nil }
            value *= 100
            var weight: Int64 = 10
            while let digit = self.digit() {
                value += digit * weight
                weight /= 10
            }
            return value
        }

        private mutating func digit() -> Int64? {
            guard !self.isAtEnd, (0x30...0x39).contains(self.text[self.position]) else { return nil }
            defer { self.position += 1 }
            return Int64(self.text[self.position]) - 0x30
        }
    }
}
