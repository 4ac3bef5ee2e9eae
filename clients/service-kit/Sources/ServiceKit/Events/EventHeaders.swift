// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import NIOCore

/// The headers that travel beside an event. They repeat what the envelope says, for those who route or count events
/// without reading them, and say how an event has fared that could not be handled.
public enum EventHeaders {
    /// The id of the event.
    public static let id = "event-id"
    /// The type of the event.
    public static let type = "event-type"
    /// W3C's `traceparent` of the span in which the event happened.
    public static let traceparent = Traceparent.header

    /// Where an event was read that could not be handled: its topic.
    public static let originalTopic = "original-topic"
    /// The partition of that topic.
    public static let originalPartition = "original-partition"
    /// The offset in that partition.
    public static let originalOffset = "original-offset"
    /// How often it was tried.
    public static let attempts = "attempts"
    /// Why it failed the last time.
    public static let error = "error"
    /// Not to be tried again before this time, in milliseconds since 1970.
    public static let notBefore = "not-before"

    static func of(id: String, type: String, traceparent: String?) -> [RecordHeader] {
        var headers = [RecordHeader(Self.id, id), RecordHeader(Self.type, type)]
        if let traceparent { headers.append(RecordHeader(Self.traceparent, traceparent)) }
        return headers
    }
}

extension RecordHeader {
    init(_ name: String, _ value: String) { self.init(name: name, value: ByteBuffer(string: value)) }
}

extension Sequence<RecordHeader> {
    /// The text of the last header of this name.
    func last(_ name: String) -> String? {
        var found: String?
        for header in self where header.name == name { found = header.value.map { String(buffer: $0) } }
        return found
    }
}
