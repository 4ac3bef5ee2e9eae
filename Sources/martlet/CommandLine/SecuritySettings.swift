// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

/// How connections are encrypted and who logs in, as options, environment and contexts say it; each may say a part.
struct SecuritySettings: Sendable, Equatable {
    /// Where a password comes from.
    enum Password: Sendable, Equatable {
        /// The environment variable of this name.
        case environment(String)
        /// The contents of the file at this path, without the line break at its end.
        case file(String)
        /// This one: it stands in the file of the contexts.
        case stored(String)

        /// Where it comes from, never what it is.
        var origin: String {
            switch self {
            case .environment(let name): "environment variable \(name)"
            case .file(let path): "file \(path)"
            case .stored: "stored in the context"
            }
        }
    }

    /// How a user logs in.
    enum Mechanism: String, CaseIterable, Sendable, ExpressibleByArgument {
        case plain
        case scramSHA256 = "scram-sha-256"
        case scramSHA512 = "scram-sha-512"

        init?(argument: String) { self.init(rawValue: argument.lowercased()) }
    }

    var usesTLS = false
    var tlsCA: String?
    var tlsCertificate: String?
    var tlsKey: String?
    var tlsServerName: String?
    var sasl: Mechanism?
    var user: String?
    var password: Password?

    /// What is set here, and for the rest what `other` says.
    func over(_ other: SecuritySettings) -> SecuritySettings {
        var merged = self
        merged.usesTLS = self.usesTLS || other.usesTLS
        merged.tlsCA = self.tlsCA ?? other.tlsCA
        // The two are a pair: half of one and half of the other would not fit.
        if self.tlsCertificate == nil, self.tlsKey == nil {
            (merged.tlsCertificate, merged.tlsKey) = (other.tlsCertificate, other.tlsKey)
        }
        merged.tlsServerName = self.tlsServerName ?? other.tlsServerName
        merged.sasl = self.sasl ?? other.sasl
        merged.user = self.user ?? other.user
        merged.password = self.password ?? other.password
        return merged
    }

    /// Some option of TLS is set, which stands for all of it.
    var isEncrypted: Bool {
        self.usesTLS || self.tlsCA != nil || self.tlsCertificate != nil || self.tlsServerName != nil
    }

    /// What the client is configured with. Throws `CommandFailure` for a login without user or password, and for a
    /// password that cannot be read.
    func security(environment: (String) -> String?) throws -> KafkaSecurity {
        KafkaSecurity(tls: self.tls, sasl: try self.login(environment))
    }

    private var tls: KafkaTLSConfiguration? {
        guard self.isEncrypted else { return nil }
        var configuration = KafkaTLSConfiguration(serverName: self.tlsServerName)
        if let path = self.tlsCA { configuration.trustRoots = .only(.file(path)) }
        if let certificate = self.tlsCertificate, let key = self.tlsKey {
            configuration.identity = .init(certificateChain: .file(certificate), privateKey: .file(key))
        }
        return configuration
    }

    private func login(_ environment: (String) -> String?) throws -> KafkaSASL? {
        guard let sasl = self.sasl else { return nil }
        guard let user = self.user else {
            throw CommandFailure(
                "the login by SASL \(sasl.rawValue) lacks the user",
                hint: "give --user, or set $\(SecurityOptions.userVariable)", status: .usage)
        }
        guard let source = self.password else {
            throw CommandFailure(
                "the login of \(user) by SASL \(sasl.rawValue) lacks the password",
                hint: "give --password-file, or set $\(SecurityOptions.passwordVariable)", status: .usage)
        }
        let password = try Self.read(source, environment)
        return switch sasl {
        case .plain: .plain(username: user, password: password)
        case .scramSHA256: .scram(.sha256, username: user, password: password)
        case .scramSHA512: .scram(.sha512, username: user, password: password)
        }
    }

    private static func read(_ source: Password, _ environment: (String) -> String?) throws -> String {
        switch source {
        case .stored(let password):
            return password
        case .environment(let name):
            guard let password = environment(name) else {
                throw CommandFailure(
                    "the password is to come from the environment variable \(name), which is not set",
                    hint: "set it, or give --password-file", status: .usage)
            }
            return password
        case .file(let path):
            guard var password = try SmallFile(path).text() else {
                throw CommandFailure(
                    "the file of the password, \(path), does not exist", hint: "--password-file names another",
                    status: .notFound)
            }
            while password.last?.isNewline ?? false { password.removeLast() }
            guard !password.isEmpty else {
                throw CommandFailure("the file of the password, \(path), is empty", status: .usage)
            }
            return password
        }
    }
}
