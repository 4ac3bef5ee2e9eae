// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The names of the files of a segment: its base offset in twenty digits, and what the file holds.
struct SegmentFileName: Hashable, Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case log, index, timeindex, txnindex, snapshot
    }

    /// Files with this at the end are waiting to be removed.
    static let deletedSuffix = ".deleted"
    /// Files with this at the end are being written by a cleaning.
    static let cleanedSuffix = ".cleaned"
    /// Files with this at the end are about to take the place of those without it.
    static let swapSuffix = ".swap"

    static let digitCount = 20

    /// No log gets as far as this offset: what claims to is damaged. Leaves room for sums.
    static let offsetLimit: Int64 = 1 << 62

    var offset: Int64
    var kind: Kind

    init(_ offset: Int64, _ kind: Kind) {
        self.offset = offset
        self.kind = kind
    }

    /// Reads a file name; nil for anything that is not exactly one.
    init?(parsing name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == Self.digitCount,
            parts[0].utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
            let offset = Int64(parts[0]), offset < Self.offsetLimit, let kind = Kind(rawValue: String(parts[1]))
        else { return nil }
        self.init(offset, kind)
    }

    var name: String {
        let digits = String(self.offset)
        return String(repeating: "0", count: Self.digitCount - digits.utf8.count) + digits + "." + self.kind.rawValue
    }
}
