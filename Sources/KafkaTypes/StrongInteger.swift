// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A number with a meaning: two of different meaning cannot be mixed up, and it costs what the bare integer costs.
///
/// The raw value is what travels on the wire and lies on disk.
public protocol StrongInteger: RawRepresentable, Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
where RawValue: FixedWidthInteger & Sendable {
    /// Wraps any raw value; ranges are checked by whoever reads it from outside.
    init(rawValue: RawValue)
}

extension StrongInteger {
    /// Wraps any raw value.
    public init(_ rawValue: RawValue) { self.init(rawValue: rawValue) }

    /// Wraps a literal.
    public init(integerLiteral value: RawValue) { self.init(rawValue: value) }

    /// In the order of the numbers.
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    /// The bare number.
    public var description: String { String(describing: self.rawValue) }
}
