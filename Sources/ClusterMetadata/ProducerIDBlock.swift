// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

/// Producer ids that one broker may hand out (KIP-730). What is left of a block when the broker stops is never used.
public struct ProducerIDBlock: Sendable, Hashable {
    /// How many ids are reserved at a time.
    public static let idCount: Int64 = 1_000

    /// The next one to hand out.
    public private(set) var next: ProducerID
    /// The first behind the block.
    public let end: ProducerID

    /// The block of `idCount` ids from `first` on; nil if there are no such numbers left.
    public init?(from first: ProducerID) {
        let (end, overflow) = first.rawValue.addingReportingOverflow(Self.idCount)
        guard first.rawValue >= 0, !overflow else { return nil }
        self.next = first
        self.end = ProducerID(end)
    }

    /// Takes the next id; nil when the block is used up.
    public mutating func take() -> ProducerID? {
        guard self.next < self.end else { return nil }
        defer { self.next = ProducerID(self.next.rawValue + 1) }
        return self.next
    }
}
