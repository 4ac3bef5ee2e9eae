// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

/// How many members of a consumer group use the classic protocol, and what they speak.
struct ClassicMembersTable: Sendable {
    typealias Metadata = ConsumerGroupMemberMetadataValue.ClassicMemberMetadata

    /// The number of members that use the classic protocol.
    private(set) var count = 0
    /// How many of them speak a protocol, by its name.
    private var supporters: [String: Int] = [:]

    /// A member goes on from one protocol to the other, or changes what it speaks; nil for the consumer protocol, and
    /// for a member that is not there.
    mutating func move(from old: Metadata?, to new: Metadata?) {
        for name in Self.names(old) {
            let left = (self.supporters[name] ?? 0) - 1
            self.supporters[name] = left > 0 ? left : nil
        }
        for name in Self.names(new) { self.supporters[name, default: 0] += 1 }
        self.count += (new == nil ? 0 : 1) - (old == nil ? 0 : 1)
    }

    /// Whether one of these protocols is spoken by all members that use the classic protocol.
    func shares(oneOf names: [String]) -> Bool {
        names.contains { (self.supporters[$0] ?? 0) == self.count }
    }

    private static func names(_ metadata: Metadata?) -> Set<String> {
        Set(metadata?.supportedProtocols.map(\.name) ?? [])
    }
}

extension ConsumerGroupMemberMetadataValue.ClassicMemberMetadata {
    /// The same, keeping nothing else of the record or request in memory that it was part of.
    var detached: Self {
        var copy = self
        for index in copy.supportedProtocols.indices {
            copy.supportedProtocols[index].metadata = copy.supportedProtocols[index].metadata.detached
        }
        return copy
    }
}
