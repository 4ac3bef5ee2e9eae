// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Something that happened, as it travels: a JSON envelope around the data of the event.
///
///     {"id":"…","type":"user.signed-up","subject":"…","occurredAt":"2026-01-01T12:00:00.000Z","data":{…}}
///
/// The envelope is encoded once, where the event happens, and kept as bytes from then on: what the outbox stores is what
/// consumers read, and a field that this version of the code does not know is not lost on the way.
public struct Event: Sendable {
    /// Who sees an event twice recognises it by this.
    public let id: UUID
    /// What happened, in the past tense, for example `order.paid`. Consumers ignore types that they do not know.
    public let type: String
    /// What it happened to, for example the id of an order. Events of one subject stay in order: it is the record's key.
    public let subject: String
    /// When it happened, to the millisecond.
    public let occurredAt: Date
    /// The whole envelope.
    public let json: Data

    /// A new event.
    public init(
        _ type: String, about subject: String, data: some Encodable, id: UUID = UUID(), occurredAt: Date = Date()
    ) throws {
        let envelope = Envelope(id: id, type: type, subject: subject, occurredAt: occurredAt, data: data)
        self.init(head: envelope, json: try JSON.encoder.encode(envelope))
    }

    /// Reads an envelope; throws a `DecodingError` when it is none. The data is read later, by ``data(as:)``.
    public init(json: Data) throws {
        self.init(head: try JSON.decoder.decode(Envelope<Nothing>.self, from: json), json: json)
    }

    /// The data of the event; throws a `DecodingError` when it is not what `type` promises.
    public func data<Content: Decodable>(as type: Content.Type) throws -> Content {
        try JSON.decoder.decode(DataOnly<Content>.self, from: self.json).data
    }

    private init<Content>(head: Envelope<Content>, json: Data) {
        self.id = head.id
        self.type = head.type
        self.subject = head.subject
        self.occurredAt = head.occurredAt
        self.json = json
    }
}

private struct Envelope<Content> {
    var id: UUID
    var type: String
    var subject: String
    var occurredAt: Date
    var data: Content
}

extension Envelope: Encodable where Content: Encodable {}
extension Envelope: Decodable where Content: Decodable {}

/// Decodes from anything: the head of an event can be read without knowing its data.
private struct Nothing: Decodable {
    init(from decoder: any Decoder) {}
}

private struct DataOnly<Content: Decodable>: Decodable {
    var data: Content
}

/// How this house writes JSON: keys in a fixed order, times as ISO 8601 in UTC with milliseconds.
public enum JSON {
    /// The format of times.
    public static let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// A new encoder.
    public static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Self.time))
        }
        return encoder
    }

    /// A new decoder.
    public static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            return try Date(text, strategy: Self.time)
        }
        return decoder
    }
}
