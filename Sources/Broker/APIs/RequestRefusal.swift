// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaTypes
import KafkaWire

/// Why one item of an administrative request is refused, in the protocol's terms: what goes into its ErrorCode and
/// ErrorMessage.
struct RequestRefusal: Error {
    let errorCode: ErrorCode
    /// A sentence for whoever made the request.
    let message: String

    init(_ errorCode: ErrorCode, _ message: String) {
        self.errorCode = errorCode
        self.message = message
    }

    init(_ error: MetadataError) {
        self.init(error.errorCode, error.description)
    }

    init(_ error: ConfigError) {
        self.init(error.errorCode, error.message)
    }

    init(_ error: TopicTable.LookupError, topic: String, partition: Int32) {
        self.init(error.errorCode, error.message(name: topic, id: .zero, index: partition))
    }
}

/// The items that a request has more than once. Requests that change something refuse these, as it is not known which
/// of them is meant.
struct RepeatedItems<Item: Hashable> {
    private let repeated: Set<Item>

    init(_ items: some Sequence<Item>) {
        var seen: Set<Item> = []
        var repeated: Set<Item> = []
        for item in items where !seen.insert(item).inserted { repeated.insert(item) }
        self.repeated = repeated
    }

    func contains(_ item: Item) -> Bool { self.repeated.contains(item) }
}
