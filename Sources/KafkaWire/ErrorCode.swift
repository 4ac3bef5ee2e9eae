// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// The result of a request, or of a part of one, as the protocol numbers it: 0 is success. The statics are generated
/// from Schemas/errors.tsv.
public struct ErrorCode: StrongInteger {
    public var rawValue: Int16

    @inlinable
    public init(rawValue: Int16) { self.rawValue = rawValue }
}

extension ErrorCode: CustomStringConvertible {
    public var description: String { "\(self.name) (\(self.rawValue))" }
}
