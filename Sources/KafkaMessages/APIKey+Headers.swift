// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaWire

extension APIKey {
    /// The version of the `RequestHeader` before a request of this API: 2 for flexible versions, otherwise 1. For an API
    /// that is not known it is 1, of which any header begins with the fields.
    public func requestHeaderVersion(apiVersion: Int16) -> Int16 {
        apiVersion >= FirstFlexibleVersion.request(of: self) ? 2 : 1
    }

    /// The version of the `ResponseHeader` before a response of this API: 1 for flexible versions, otherwise 0.
    ///
    /// ApiVersions always has 0, since its client does not know yet what the broker speaks (KIP-511).
    public func responseHeaderVersion(apiVersion: Int16) -> Int16 {
        if self == .apiVersions { return 0 }
        return apiVersion >= FirstFlexibleVersion.response(of: self) ? 1 : 0
    }
}
