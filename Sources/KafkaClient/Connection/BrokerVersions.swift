// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaWire

import KafkaMessages

/// The versions that a broker serves of each API, as it said when the connection was made (KIP-35).
public struct BrokerVersions: Sendable {
    private var ranges: [APIKey: ClosedRange<Int16>]

    /// The versions per API; nothing else is served.
    public init(_ ranges: [APIKey: ClosedRange<Int16>]) { self.ranges = ranges }

    init(_ response: ApiVersionsResponse) {
        self.ranges = [:]
        // Ranges that are upside down come from a broker that is broken: it does not serve the API.
        for api in response.apiKeys where api.minVersion <= api.maxVersion {
            self.ranges[APIKey(rawValue: api.apiKey)] = api.minVersion...api.maxVersion
        }
    }

    /// Everything that is served, by API; also APIs that this library does not know.
    public var all: [APIKey: ClosedRange<Int16>] { self.ranges }

    /// The versions served of an API, nil when it is not served at all.
    public subscript(_ api: APIKey) -> ClosedRange<Int16>? { self.ranges[api] }

    /// The highest version of the request that the broker serves, this library knows and `wanted` contains.
    ///
    /// Throws `unsupportedVersion`, which names the broker and the ranges, when there is none.
    public func highest<Request: KafkaRequest>(
        of request: Request.Type, in wanted: ClosedRange<Int16>? = nil, broker: BrokerAddress
    ) throws(KafkaClientError) -> Int16 {
        let known = Request.validVersions
        let wanted = wanted.map { max($0.lowerBound, known.lowerBound)...min($0.upperBound, known.upperBound) } ?? known
        guard let served = self.ranges[Request.apiKey] else {
            throw KafkaClientError(
                .unsupportedVersion,
                "\(broker) does not serve \(Request.apiKey.name); this client would use version"
                    + " \(wanted.lowerBound) to \(wanted.upperBound) of it")
        }
        let highest = min(served.upperBound, wanted.upperBound)
        guard highest >= served.lowerBound, highest >= wanted.lowerBound else {
            throw KafkaClientError(
                .unsupportedVersion,
                "\(broker) serves \(Request.apiKey.name) in version \(served.lowerBound) to \(served.upperBound), and"
                    + " this needs version \(wanted.lowerBound) to \(wanted.upperBound)")
        }
        return highest
    }
}
