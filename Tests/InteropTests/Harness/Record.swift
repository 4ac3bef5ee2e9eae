// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// A record as a test produces it and as it is read back.
struct Record: Equatable, Sendable {
    struct Header: Equatable, Sendable {
        var name: String
        var value: Data?

        init(_ name: String, _ value: Data?) {
            self.name = name
            self.value = value
        }
    }

    var partition = 0
    /// Set by the broker.
    var offset: Int?
    /// Milliseconds since 1970; nil to let the client choose.
    var timestamp: Int?
    var key: Data?
    var value: Data?
    var headers: [Header] = []

    /// What is compared between a record that was sent and one that was read: not what the broker or a client chose.
    var content: Record {
        var copy = self
        copy.offset = nil
        copy.timestamp = nil
        return copy
    }
}

extension Record {
    /// As client programs take it.
    var json: JSON {
        var fields: [String: JSON] = [
            "partition": .number(self.partition), "key": .data(self.key), "value": .data(self.value),
            "headers": .array(self.headers.map { ["name": .string($0.name), "value": .data($0.value)] }),
        ]
        if let timestamp = self.timestamp { fields["timestamp"] = .number(timestamp) }
        return .object(fields)
    }

    /// As client programs give it.
    init(json: JSON) {
        self.init(
            partition: json["partition"].int ?? -1,
            offset: json["offset"].int,
            timestamp: json["timestamp"].int,
            key: json["key"].data,
            value: json["value"].data,
            headers: json["headers"].elements.map { Header($0["name"].text ?? "", $0["value"].data) }
        )
    }
}

extension [Record] {
    /// By partition, and by offset in each.
    var inOrder: [Record] { self.sorted { ($0.partition, $0.offset ?? 0) < ($1.partition, $1.offset ?? 0) } }
}
