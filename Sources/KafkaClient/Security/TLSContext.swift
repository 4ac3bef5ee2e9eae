// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if TLS

import NIOCore
import NIOSSL

/// The certificates of a configuration, read and ready, for any number of connections.
struct TLSContext: Sendable {
    private let configuration: KafkaTLSConfiguration
    private let context: NIOSSLContext

    /// Reads files, with system calls that block. Throws `invalidConfiguration`, which names the file.
    init(_ configuration: KafkaTLSConfiguration) throws(KafkaClientError) {
        self.configuration = configuration
        var settings = TLSConfiguration.makeClientConfiguration()
        // What RFC 8996 leaves: older ones are broken.
        settings.minimumTLSVersion = .tlsv12
        settings.certificateVerification =
            switch configuration.verification {
            case .full: .fullVerification
            case .withoutHostName: .noHostnameVerification
            case .none: .none
            }
        if case .only(let roots) = configuration.trustRoots {
            settings.trustRoots = .certificates(try Self.certificates(roots, "the CA certificates"))
        }
        if let identity = configuration.identity {
            settings.certificateChain = try Self.certificates(identity.certificateChain, "the client's certificates")
                .map { .certificate($0) }
            settings.privateKey = .privateKey(try Self.key(identity.privateKey))
        }
        do {
            self.context = try NIOSSLContext(configuration: settings)
        } catch {
            throw KafkaClientError(
                .invalidConfiguration,
                "TLS cannot be set up: \(error); does the private key belong to the first certificate?", cause: error)
        }
    }

    /// The handler that encrypts one connection. Throws `invalidConfiguration` for a name that no certificate can have.
    func makeHandler(for address: BrokerAddress) throws(KafkaClientError) -> NIOSSLClientHandler {
        let name = self.configuration.serverName ?? address.host
        do {
            // A certificate for an IP address is checked against the address of the socket.
            let isAddress =
                self.configuration.serverName == nil && (try? SocketAddress(ipAddress: name, port: 0)) != nil
            return try NIOSSLClientHandler(context: self.context, serverHostname: isAddress ? nil : name)
        } catch {
            throw KafkaClientError(
                .invalidConfiguration, "\(name) cannot be the name of a server in TLS: \(error)", cause: error)
        }
    }

    private static func certificates(
        _ pem: KafkaTLSConfiguration.PEM, _ what: String
    ) throws(KafkaClientError) -> [NIOSSLCertificate] {
        let certificates: [NIOSSLCertificate]
        do {
            certificates =
                switch pem.source {
                case .file(let path): try NIOSSLCertificate.fromPEMFile(path)
                case .text(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
                }
        } catch {
            throw Self.unreadable(pem, what, error)
        }
        guard !certificates.isEmpty else { throw Self.unreadable(pem, what, nil) }
        return certificates
    }

    private static func key(_ pem: KafkaTLSConfiguration.PEM) throws(KafkaClientError) -> NIOSSLPrivateKey {
        do {
            return switch pem.source {
            case .file(let path): try NIOSSLPrivateKey(file: path, format: .pem)
            case .text(let text): try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem)
            }
        } catch {
            throw Self.unreadable(pem, "the client's private key", error)
        }
    }

    private static func unreadable(
        _ pem: KafkaTLSConfiguration.PEM, _ what: String, _ cause: (any Error)?
    ) -> KafkaClientError {
        let reason = cause.map { ": \($0)" } ?? ""
        return KafkaClientError(
            .invalidConfiguration, "\(what) cannot be read from \(pem); they have to be there in PEM\(reason)",
            cause: cause)
    }
}

#endif
