// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// The result of a request, or of a part of one, as the protocol numbers it: 0 is success. The statics are generated
/// from Schemas/errors.tsv.
public struct ErrorCode: StrongInteger {
    /// The number on the wire.
    public var rawValue: Int16

    /// Any number, known or not.
    @inlinable
    public init(rawValue: Int16) { self.rawValue = rawValue }
}

extension ErrorCode: CustomStringConvertible {
    /// The name, then the number in parentheses.
    public var description: String { "\(self.name) (\(self.rawValue))" }
}
