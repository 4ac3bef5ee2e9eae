// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import NIOCore

/// What members of the protocol type `consumer` send each other through the coordinator.
enum ConsumerProtocol {
    /// The protocol type of consumers.
    static let type = "consumer"

    /// The topics of a subscription of any version, which all begin alike: version, topics. Nil for other bytes.
    static func topics(of subscription: ByteBuffer) -> Set<String>? {
        var reader = WireReader(subscription)
        guard let version = try? reader.readInt16(), version >= 0,
            let topics = try? reader.readStrings(compact: false, field: "Topics")
        else { return nil }
        return Set(topics)
    }
}
