// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// One row of the dispatch table: an API, the versions it is served at, and what runs a request of it.
struct Route: Sendable {
    let apiKey: APIKey
    /// Versions that are answered.
    let servedVersions: ClosedRange<Int16>
    /// Versions that ApiVersions announces: wider than what is served where clients insist on seeing an old one.
    let advertisedVersions: ClosedRange<Int16>
    let run: @Sendable (Broker, RequestContext, inout WireReader) throws(WireError) -> Outcome

    /// A route of an API whose answers are plain messages.
    ///
    /// - Parameter trailingBytesMax: bytes after the message that are put up with, where a client that people use is
    ///   known to send them.
    static func serving<Handler: APIHandler>(
        _ handler: Handler.Type, trailingBytesMax: Int = 0
    ) -> Route where Handler.Request.Response: CarriesErrors {
        Route(
            apiKey: Handler.Request.apiKey,
            servedVersions: Handler.Request.validVersions,
            advertisedVersions: Handler.Request.validVersions
        ) { (broker, context, reader) throws(WireError) in
            let request = try Handler.Request.decodeWhole(
                &reader,
                version: context.apiVersion,
                trailingBytesMax: trailingBytesMax
            )
            switch Handler(broker: broker, context: context).answer(request) {
            case .now(let response):
                broker.metrics.requests.count(response, of: context.apiKey)
                return .frame(try ResponseFrame(encoding: response, for: context))
            case .later(let future):
                return .later(
                    future.flatMapThrowing { response in
                        broker.metrics.requests.count(response, of: context.apiKey)
                        return .frame(try ResponseFrame(encoding: response, for: context))
                    })
            }
        }
    }
}

extension KafkaMessage {
    /// Decodes a message that must be all that is left in the frame, but for `trailingBytesMax` bytes.
    static func decodeWhole(
        _ reader: inout WireReader,
        version: Int16,
        trailingBytesMax: Int = 0
    ) throws(WireError) -> Self {
        let message = try Self(from: &reader, version: version)
        if reader.remaining > trailingBytesMax { try reader.finish() }
        return message
    }
}

/// The table of everything the broker answers, by API key.
struct DispatchTable: Sendable {
    private let routes: [Int16: Route]

    init(_ routes: [Route]) {
        self.routes = Dictionary(routes.map { ($0.apiKey.rawValue, $0) }) { _, later in later }
    }

    func route(for apiKey: APIKey) -> Route? { self.routes[apiKey.rawValue] }

    /// Every API that is served, by ascending key, for ApiVersions.
    var advertised: [(apiKey: APIKey, versions: ClosedRange<Int16>)] {
        self.routes.values.map { ($0.apiKey, $0.advertisedVersions) }.sorted { $0.0 < $1.0 }
    }
}
