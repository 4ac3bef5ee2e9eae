// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// The number of an API: the first two bytes of every request. The statics are generated from the schemas.
public struct APIKey: StrongInteger {
    public var rawValue: Int16

    @inlinable
    public init(rawValue: Int16) { self.rawValue = rawValue }
}

extension APIKey: CustomStringConvertible {
    public var description: String { "\(self.name) (\(self.rawValue))" }
}
