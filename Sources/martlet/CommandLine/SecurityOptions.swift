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

/// How a command encrypts its connections, and logs in. Passwords come by files or the environment, where other users of
/// the machine do not see them as they see the command line.
struct SecurityOptions: ParsableArguments {
    static let userVariable = "MARTLET_SASL_USER"
    static let passwordVariable = "MARTLET_SASL_PASSWORD"

    @Flag(name: .customLong("tls"), help: "Connect with TLS; the certificate authorities of the system are trusted.")
    var usesTLS = false

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp("Trust these certificate authorities (PEM) alone. Implies --tls.", valueName: "file"),
        completion: .file())
    var tlsCA: String?

    @Option(
        name: .customLong("tls-cert"),
        help: ArgumentHelp("Show this certificate (PEM) to brokers, with --tls-key. Implies --tls.", valueName: "file"),
        completion: .file())
    var tlsCertificate: String?

    @Option(
        name: .customLong("tls-key"),
        help: ArgumentHelp("The private key (PEM) of --tls-cert.", valueName: "file"), completion: .file())
    var tlsKey: String?

    @Option(
        name: .customLong("tls-server-name"),
        help: ArgumentHelp(
            "The name in the brokers' certificate, if it is not the host. Implies --tls.", valueName: "name"))
    var tlsServerName: String?

    @Option(
        name: .customLong("sasl"),
        help: ArgumentHelp("Log in: plain, scram-sha-256 or scram-sha-512.", valueName: "mechanism"))
    var sasl: SecuritySettings.Mechanism?

    @Option(
        name: .long,
        help: ArgumentHelp("The user that --sasl logs in. (default: $\(Self.userVariable))", valueName: "name"))
    var user: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The file with the user's password. (default: the password is $\(Self.passwordVariable))",
            valueName: "file"), completion: .file())
    var passwordFile: String?

    func validate() throws {
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key belong together.")
        }
        guard self.user != "", self.passwordFile != "" else {
            throw ValidationError("--user and --password-file must not be empty.")
        }
    }

    /// What the options say.
    var settings: SecuritySettings {
        SecuritySettings(
            usesTLS: self.usesTLS, tlsCA: self.tlsCA, tlsCertificate: self.tlsCertificate, tlsKey: self.tlsKey,
            tlsServerName: self.tlsServerName, sasl: self.sasl, user: self.user,
            password: self.passwordFile.map { .file($0) })
    }

    /// What the environment says.
    static func settings(of environment: (String) -> String?) -> SecuritySettings {
        SecuritySettings(
            user: environment(Self.userVariable),
            password: environment(Self.passwordVariable) == nil ? nil : .environment(Self.passwordVariable))
    }

    /// Security by the options and the environment alone, without a context.
    func security(environment: (String) -> String? = Self.environment) throws -> KafkaSecurity {
        try self.settings.over(Self.settings(of: environment)).security(environment: environment)
    }

    /// An environment variable; nil when it is empty.
    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
