// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite struct TypedDurationTests {
    @Test(
        "lengths of time as people type them",
        arguments: [
            ("90s", 90_000), ("1h30m", 5_400_000), ("250ms", 250), ("7d", 604_800_000), ("2w", 1_209_600_000),
            ("0s", 0),
            ("PT1H", 3_600_000), ("P1DT12H", 129_600_000),
        ] as [(String, Int64)])
    func wellFormed(text: String, milliseconds: Int64) { #expect(TypedDuration.milliseconds(text) == milliseconds) }

    @Test(
        "anything else is refused",
        arguments: ["", "5", "s", "1x", "1h30", "-1h", "1.5h", "1 h", "9223372036854775807w", "9223372036854775807s1s"])
    func malformed(text: String) { #expect(TypedDuration.milliseconds(text) == nil) }

    @Test(
        "a moment is written as it is read",
        arguments: [
            0, 1, -1, 951_782_400_000, 951_868_799_999, 1_709_164_800_000, 1_714_566_615_250, -62_135_596_800_000,
            253_402_300_799_999, -86_400_000,
        ] as [Int64])
    func timestamps(milliseconds: Int64) {
        let text = Timestamp.text(milliseconds)
        #expect(text.utf8.count == 24 && text.hasSuffix("Z"))
        #expect(Timestamp.milliseconds(text) == milliseconds, "\(text)")
    }

    @Test("a moment in no year of four digits is a number")
    func farAway() {
        #expect(Timestamp.text(.max) == "\(Int64.max)")
        #expect(Timestamp.text(.min) == "\(Int64.min)")
        #expect(Timestamp.text(1_714_566_615_250) == "2024-05-01T12:30:15.250Z")
    }
}
