// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How a connection is encrypted, and whom this client believes. Takes the package trait `TLS`.
///
/// Files are read when the first connection is made, and again after a connection failed for a reason of TLS: so
/// certificates that are renewed in their place come into use.
public struct KafkaTLSConfiguration: Sendable {
    /// Certificates or a key in PEM, and where they come from.
    public struct PEM: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
        enum Source: Hashable, Sendable {
            case file(String)
            case text(String)
        }

        let source: Source

        /// From a file, by its path.
        public static func file(_ path: String) -> PEM { PEM(source: .file(path)) }

        /// As it is, from `-----BEGIN` to `-----END`.
        public static func text(_ text: String) -> PEM { PEM(source: .text(text)) }

        /// Where the file is; nil for what is in memory.
        public var path: String? {
            if case .file(let path) = self.source { path } else { nil }
        }

        /// The path, or that there is none; never the contents.
        public var description: String {
            switch self.source {
            case .file(let path): path
            case .text: "(PEM)"
            }
        }

        /// As ``description``.
        public var debugDescription: String { self.description }

        /// As ``description``: `dump` shows no key either.
        public var customMirror: Mirror { Mirror(self, children: ["source": self.description]) }
    }

    /// Who vouches for brokers.
    public enum TrustRoots: Sendable, Hashable {
        /// Who the operating system trusts.
        case system
        /// These certificates and no others.
        case only(PEM)
    }

    /// How this client shows who it is: mutual TLS.
    public struct Identity: Sendable, Hashable {
        /// The client's certificate, then those that lead to one the broker knows.
        public var certificateChain: PEM
        /// The key of the first certificate. A key that a passphrase protects is not taken.
        public var privateKey: PEM

        /// A certificate and its key.
        public init(certificateChain: PEM, privateKey: PEM) {
            self.certificateChain = certificateChain
            self.privateKey = privateKey
        }
    }

    /// What is checked of a broker's certificate.
    public enum Verification: Sendable, Hashable {
        /// That somebody in ``KafkaTLSConfiguration/trustRoots`` vouches for it, and that it is for the host that was
        /// connected to.
        case full
        /// The same without the host: with this, every certificate that the roots vouch for may speak for every broker.
        case withoutHostName
        /// Nothing: whoever is on the way may read and change everything. For tests.
        case none
    }

    /// Whose word counts.
    public var trustRoots: TrustRoots
    /// What this client shows when a broker asks for a certificate, nil for nothing.
    public var identity: Identity?
    /// What is checked.
    public var verification: Verification
    /// The name that the certificate has to be for and that is sent as SNI, for all brokers; nil for the host name of
    /// each. No IP address.
    public var serverName: String?

    /// By default brokers are checked in full against the system's roots, and the client shows no certificate.
    public init(
        trustRoots: TrustRoots = .system, identity: Identity? = nil, verification: Verification = .full,
        serverName: String? = nil
    ) {
        self.trustRoots = trustRoots
        self.identity = identity
        self.verification = verification
        self.serverName = serverName
    }
}
