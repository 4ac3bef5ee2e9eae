// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if TLS

import NIOSSL

/// Says in one sentence why a connection could not be encrypted, and what to do.
enum TLSFailure {
    /// Nil for errors that are not TLS's. `isEstablished`: the broker has answered over the connection before.
    static func describe(_ error: any Error, address: BrokerAddress, isEstablished: Bool) -> KafkaClientError? {
        switch error {
        case NIOSSLError.uncleanShutdown:
            // A close without the farewell of TLS: with lengths in front of all frames nothing can be cut off unseen.
            return isEstablished
                ? KafkaClientError(.connectionClosed, "\(address) closed the connection", cause: error)
                : self.refused(address, error)
        case NIOSSLError.handshakeFailed(let reason):
            return KafkaClientError(
                .tlsFailed, "no TLS connection to \(address): \(self.reason(reason, address))", cause: error)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return KafkaClientError(
                .tlsFailed,
                "no TLS connection to \(address): its certificate is for another host (\(error)); use a name that it"
                    + " is for, or set serverName in the TLS configuration", cause: error)
        case let error as NIOSSLExtraError:
            return KafkaClientError(.tlsFailed, "no TLS connection to \(address): \(error)", cause: error)
        case NIOSSLError.unableToValidateCertificate, NIOSSLError.noCertificateToValidate:
            return KafkaClientError(
                .tlsFailed, "no TLS connection to \(address): its certificate cannot be checked: \(error)",
                cause: error)
        case let error as BoringSSLError:
            // With TLS 1.3 the client is done before the broker has looked at its certificate.
            return isEstablished
                ? KafkaClientError(.connectionClosed, "the connection to \(address) broke: \(error)", cause: error)
                : KafkaClientError(
                    .tlsFailed, "no TLS connection to \(address): \(self.reason(error, address))", cause: error)
        default:
            return nil
        }
    }

    private static func refused(_ address: BrokerAddress, _ cause: any Error) -> KafkaClientError {
        KafkaClientError(
            .tlsFailed, "no TLS connection to \(address): it closed the connection; \(self.clientCertificateHint)",
            cause: cause)
    }

    private static let clientCertificateHint =
        "does it want a certificate of the client (identity in the TLS configuration)?"

    /// BoringSSL tells its reasons by name only.
    private static func reason(_ error: BoringSSLError, _ address: BrokerAddress) -> String {
        let text = "\(error)"
        let reasons: [(mark: String, words: String)] = [
            (
                "EOF during handshake",
                "it closed the connection instead of answering: it may not expect TLS; take the port of its TLS listener,"
                    + " or connect without TLS"
            ),
            (
                "WRONG_VERSION_NUMBER",
                "what it answers is not TLS: take the port of its TLS listener, or connect without TLS"
            ),
            (
                "CERTIFICATE_VERIFY_FAILED",
                "its certificate is not to be trusted: it has expired, or nobody in trustRoots vouches for it; set the"
                    + " CA that issued it"
            ),
            ("CERTIFICATE_EXPIRED", "it says that the client's certificate has expired"),
            ("CERTIFICATE_REQUIRED", "it wants a certificate of the client: set identity in the TLS configuration"),
            ("UNKNOWN_CA", "it does not know who issued the client's certificate"),
            ("BAD_CERTIFICATE", "it does not take the client's certificate"),
            ("HANDSHAKE_FAILURE", "it offers nothing that this client accepts, or \(self.clientCertificateHint)"),
            ("PROTOCOL_VERSION", "it speaks no version of TLS from 1.2 on"),
        ]
        let known = reasons.first { text.contains($0.mark) }
        return known.map { "\($0.words) (\(text))" } ?? text
    }
}

#endif
