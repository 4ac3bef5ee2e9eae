// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

/// ApiVersions (key 18): which APIs the broker serves, at which versions. The first request of every client.
///
/// Served: 0-4. Its answers always have response header 0, because a client that does not know our versions yet cannot
/// know which header to expect (KIP-511). A version newer than ours is answered at version 0 with UNSUPPORTED_VERSION
/// and the list, so that the client can ask again.
struct ApiVersionsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
        if self.context.apiVersion >= 3, !Self.isPlausible(request) {
            var response = ApiVersionsResponse()
            response.errorCode = ErrorCode.invalidRequest.rawValue
            return .now(response)
        }
        return .now(Self.response())
    }

    /// The answer to a version that is not served. `reader` stands behind the API version.
    static func unsupportedVersion(_ reader: inout WireReader) throws(WireError) -> ResponseFrame {
        let correlationID = try reader.readInt32()
        var response = Self.response()
        response.errorCode = ErrorCode.unsupportedVersion.rawValue
        return try ResponseFrame(encoding: response, apiKey: .apiVersions, version: 0, correlationID: correlationID)
    }

    private static func response() -> ApiVersionsResponse {
        var response = ApiVersionsResponse()
        response.apiKeys = DispatchTable.all.advertised.map { row in
            var version = ApiVersionsResponse.ApiVersion()
            version.apiKey = row.apiKey.rawValue
            version.minVersion = row.versions.lowerBound
            version.maxVersion = row.versions.upperBound
            return version
        }
        return response
    }

    /// Names and versions of client software begin and end with a letter or digit, with dots and dashes between
    /// (KIP-511); an operator's metrics rely on it.
    private static func isPlausible(_ request: ApiVersionsRequest) -> Bool {
        [request.clientSoftwareName, request.clientSoftwareVersion].allSatisfy { text in
            guard let first = text.utf8.first, let last = text.utf8.last else { return false }
            return isLetterOrDigit(first) && isLetterOrDigit(last)
                && text.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
