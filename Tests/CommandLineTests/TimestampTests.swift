// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite struct TimestampTests {
    @Test(
        "moments in ISO 8601 and in milliseconds",
        arguments: [
            ("0", 0), ("1700000000000", 1_700_000_000_000), ("1970-01-01", 0), ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29", 1_709_164_800_000), ("2000-03-01T00:00", 951_868_800_000),
            ("2024-05-01T12:30:15", 1_714_566_615_000), ("2024-05-01T12:30:15.25Z", 1_714_566_615_250),
            ("2024-05-01T12:30:15.2509+02:00", 1_714_559_415_250), ("2024-05-01 12:30-0530", 1_714_586_400_000),
            ("2024-05-01T12:30+02", 1_714_559_400_000), ("1969-12-31", -86_400_000),
        ])
    func wellFormed(text: String, milliseconds: Int64) {
        #expect(Timestamp.milliseconds(text) == milliseconds)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "-1", "2024", "2024-13-01", "2024-02-30", "2023-02-29", "1900-02-29", "2024-05-01T", "2024-05-01T24:00",
            "2024-05-01T12:60", "2024-05-01T12:30:60", "2024-05-01T12:30:15.", "2024-05-01T12:30X", "2024-05-01Z",
            "99999999999999999999", "2024-5-1", "２０２４-05-01",
        ])
    func malformed(text: String) { #expect(Timestamp.milliseconds(text) == nil) }
}
