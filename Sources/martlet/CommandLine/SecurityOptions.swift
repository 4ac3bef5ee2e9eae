// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a command encrypts its connections, and logs in. Passwords come by the environment, where other users of the
/// machine do not see them.
struct SecurityOptions: ParsableArguments {
    enum Mechanism: String, CaseIterable, ExpressibleByArgument {
        case plain
        case scramSHA256 = "scram-sha-256"
        case scramSHA512 = "scram-sha-512"

        init?(argument: String) { self.init(rawValue: argument.lowercased()) }
    }

    static let userVariable = "MARTLET_SASL_USER"
    static let passwordVariable = "MARTLET_SASL_PASSWORD"

    @Flag(name: .customLong("tls"), help: "Connect with TLS; the certificate authorities of the system are trusted.")
    var usesTLS = false

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp("Trust these certificate authorities (PEM) alone. Implies --tls.", valueName: "file"))
    var tlsCA: String?

    @Option(
        name: .customLong("tls-cert"),
        help: ArgumentHelp("Show this certificate (PEM) to brokers, with --tls-key. Implies --tls.", valueName: "file"))
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("The private key (PEM) of --tls-cert.", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .customLong("tls-server-name"),
        help: ArgumentHelp(
            "The name in the brokers' certificate, if it is not the host. Implies --tls.", valueName: "name"))
    var tlsServerName: String?

    @Option(
        name: .customLong("sasl"),
        help: ArgumentHelp(
            "Log in: plain, scram-sha-256 or scram-sha-512. User and password are read from $\(Self.userVariable) and"
                + " $\(Self.passwordVariable).", valueName: "mechanism"))
    var sasl: Mechanism?

    mutating func validate() throws {
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key belong together.")
        }
        _ = try self.security()
    }

    func security(environment: (String) -> String? = Self.environment) throws -> KafkaSecurity {
        KafkaSecurity(tls: self.tls, sasl: try self.login(environment))
    }

    private var tls: KafkaTLSConfiguration? {
        let isImplied = self.tlsCA != nil || self.tlsCertificate != nil || self.tlsServerName != nil
        guard self.usesTLS || isImplied else { return nil }
        var configuration = KafkaTLSConfiguration(serverName: self.tlsServerName)
        if let path = self.tlsCA { configuration.trustRoots = .only(.file(path)) }
        if let certificate = self.tlsCertificate, let key = self.tlsKey {
            configuration.identity = .init(certificateChain: .file(certificate), privateKey: .file(key))
        }
        return configuration
    }

    private func login(_ environment: (String) -> String?) throws -> KafkaSASL? {
        guard let sasl = self.sasl else { return nil }
        guard let user = environment(Self.userVariable), let password = environment(Self.passwordVariable) else {
            throw ValidationError(
                "--sasl takes the user from $\(Self.userVariable) and the password from $\(Self.passwordVariable);"
                    + " set both.")
        }
        switch sasl {
        case .plain: return .plain(username: user, password: password)
        case .scramSHA256: return .scram(.sha256, username: user, password: password)
        case .scramSHA512: return .scram(.sha512, username: user, password: password)
        }
    }

    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
