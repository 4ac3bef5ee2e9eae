// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// The number of an API: the first two bytes of every request. The statics are generated from the schemas.
public struct APIKey: StrongInteger {
    /// The number on the wire.
    public var rawValue: Int16

    /// Any number, known or not.
    @inlinable
    public init(rawValue: Int16) { self.rawValue = rawValue }
}

extension APIKey: CustomStringConvertible {
    /// The name, then the number in parentheses.
    public var description: String { "\(self.name) (\(self.rawValue))" }
}
