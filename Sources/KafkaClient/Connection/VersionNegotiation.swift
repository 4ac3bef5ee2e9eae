// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// The first exchange of a connection: which versions the broker serves (KIP-35, KIP-511).
///
/// The client asks in the newest version that it knows. A broker to which that is too new answers in version 0 with
/// UNSUPPORTED_VERSION, names the versions of ApiVersions that it serves if it is recent enough, and is asked again.
struct VersionNegotiation {
    /// How the client names itself to the broker (KIP-511), beside its client id.
    static let softwareName = "martlet"
    static let softwareVersion = "0.1.0"

    let requests: RequestChannel

    func run() -> EventLoopFuture<BrokerVersions> {
        self.ask(version: ApiVersionsRequest.validVersions.upperBound)
    }

    private func ask(version: Int16) -> EventLoopFuture<BrokerVersions> {
        var request = ApiVersionsRequest()
        request.clientSoftwareName = Self.softwareName
        request.clientSoftwareVersion = Self.softwareVersion
        let eventLoop = self.requests.channel.eventLoop
        let answer = eventLoop.makePromise(of: ByteBuffer.self)
        self.requests.submit(
            request, version: version, timeout: self.requests.configuration.connectTimeout, answer: answer)
        return answer.futureResult.flatMap { bytes in
            do {
                if version > 0, Self.isRefusal(bytes) {
                    return self.ask(version: min(self.versionNamed(in: bytes), version - 1))
                }
                let response = try self.decode(bytes, version: version)
                let errorCode = ErrorCode(rawValue: response.errorCode)
                let versions = BrokerVersions(response)
                guard errorCode == .none else {
                    throw KafkaClientError(errorCode, subject: "ApiVersions of \(self.requests.address)")
                }
                return eventLoop.makeSucceededFuture(versions)
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        }
    }

    /// Every version begins with the error code, behind the correlation id.
    private static func isRefusal(_ answer: ByteBuffer) -> Bool {
        answer.getInteger(at: answer.readerIndex + 4, as: Int16.self) == ErrorCode.unsupportedVersion.rawValue
    }

    /// The newest ApiVersions that the broker serves, as its refusal says; 0 if it does not. A refusal is in version 0
    /// (KIP-511); one in any other form, as brokers send that were made for tests, is taken for one that says nothing.
    private func versionNamed(in refusal: ByteBuffer) -> Int16 {
        let response = try? self.requests.decode(refusal, as: ApiVersionsResponse.self, api: .apiVersions, version: 0)
        return response.map(BrokerVersions.init)?[.apiVersions]?.upperBound ?? 0
    }

    private func decode(_ answer: ByteBuffer, version: Int16) throws(KafkaClientError) -> ApiVersionsResponse {
        do {
            return try self.requests.decode(
                answer, as: ApiVersionsResponse.self, api: .apiVersions, version: version)
        } catch {
            throw KafkaClientError(
                .notKafka, "\(self.requests.address) does not speak the Kafka protocol: \(error)", cause: error)
        }
    }
}
