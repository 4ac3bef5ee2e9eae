// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Numbers of bytes for people: `0 B`, `999 B`, `1.5 KiB`, `128.0 MiB`. Negative ones, which stand for none, are `-`.
enum ByteText {
    private static let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    static func text(_ bytes: Int64) -> String {
        guard bytes >= 0 else { return "-" }
        guard bytes >= 1024 else { return "\(bytes) B" }
        // In tenths, rounded down: what is shown is there.
        var (whole, unit) = (bytes, -1)
        var remainder: Int64 = 0
        while whole >= 1024 {
            (remainder, whole) = (whole % 1024, whole / 1024)
            unit += 1
        }
        return "\(whole).\(remainder * 10 / 1024) \(Self.units[unit])"
    }

    static func text(_ bytes: Int64?) -> String { bytes.map(Self.text) ?? "-" }
}
