// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// What an answer to a write with acks=all promises about a topic, told from its configs.
enum AcknowledgedDurability: Equatable, CustomStringConvertible {
    /// `flush.messages` is 1: the records are on stable storage.
    case synced
    /// They are with the operating system; synced after so many records or milliseconds, nil for never.
    case buffered(syncedAfterRecords: Int64?, milliseconds: Int64?)

    /// Where Martlet's brokers tell it in words.
    static let configName = "martlet.acks.all"

    /// Kafka's way to say never.
    private static let never = Int64.max

    /// Nil when the broker does not tell `flush.messages`.
    init?(_ configs: [ConfigDescription]) {
        func number(_ name: String) -> Int64? {
            configs.first { $0.name == name }.flatMap(\.value).flatMap { Int64($0) }
        }
        guard let messages = number("flush.messages") else { return nil }
        if messages <= 1 {
            self = .synced
        } else {
            let milliseconds = number("flush.ms")
            self = .buffered(
                syncedAfterRecords: messages == Self.never ? nil : messages,
                milliseconds: milliseconds == Self.never ? nil : milliseconds)
        }
    }

    /// For programs.
    var word: String {
        switch self {
        case .synced: "synced"
        case .buffered: "buffered"
        }
    }

    var description: String {
        switch self {
        case .synced:
            return "answered when the records are on the leader's disk: a power cut takes back nothing acknowledged"
        case .buffered(let records, let milliseconds):
            let syncs = [records.map { "\($0) records" }, milliseconds.map { "\($0) ms" }].compactMap(\.self)
            let sync =
                syncs.isEmpty ? "synced when the system likes" : "synced after " + syncs.joined(separator: " or ")
            return
                "answered before the records are on disk (\(sync)): a power cut of all in-sync replicas can take them"
                + " back; flush.messages=1 prevents it"
        }
    }
}
