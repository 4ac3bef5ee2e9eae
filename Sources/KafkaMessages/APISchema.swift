// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaWire

/// The versions of an API that the schemas have. A broker may serve fewer.
public struct APISchema: Sendable {
    /// The key of the API.
    public let key: APIKey

    /// The versions of its request and response.
    public let validVersions: ClosedRange<Int16>

    /// The newest version that may be advertised; the schema's newest can still be changing.
    public let latestStableVersion: Int16

    /// The schema of an API, nil for a key that is unknown or has no messages any more. Takes time in the order of the
    /// number of APIs: not for every request.
    public static func of(_ key: APIKey) -> APISchema? {
        Self.all.first { $0.key == key }
    }
}
