// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How this client logs in: a mechanism of SASL and what it takes. Secrets appear in no description.
public struct KafkaSASL: Sendable {
    enum Mechanism: Sendable {
        case plain(username: String, password: String)
        case scram(ScramMechanism, username: String, password: String, isDelegationToken: Bool)
        case oauthBearer(@Sendable () async throws -> OAuthBearerToken)
    }

    let mechanism: Mechanism

    /// Sends the name and the password as they are (RFC 4616): use it over TLS.
    public static func plain(username: String, password: String) -> KafkaSASL {
        KafkaSASL(mechanism: .plain(username: username, password: password))
    }

    /// Proves that this client has the password without sending it, and that the broker knows it, too (RFC 5802, RFC 7677).
    /// Takes the package trait `SCRAM`.
    ///
    /// With `isDelegationToken` the two are the id and the HMAC of a delegation token (KIP-48).
    public static func scram(
        _ mechanism: ScramMechanism, username: String, password: String, isDelegationToken: Bool = false
    ) -> KafkaSASL {
        KafkaSASL(
            mechanism: .scram(
                mechanism, username: username, password: password, isDelegationToken: isDelegationToken))
    }

    /// Shows a token from elsewhere (RFC 7628, KIP-255): use it over TLS.
    ///
    /// `token` is asked when a connection is made, and when the broker ends a session, which is most often at the end of
    /// the token's life (KIP-368). One token serves all brokers until four fifths of its lifetime are over; `token` is not
    /// called twice at the same time by one `KafkaCluster`. What it throws ends the attempt to connect, as the cause of
    /// an error with `connectionFailed`, and the attempt is repeated as others are; `CancellationError` is passed on.
    public static func oauthBearer(_ token: @escaping @Sendable () async throws -> OAuthBearerToken) -> KafkaSASL {
        KafkaSASL(mechanism: .oauthBearer(token))
    }

    /// The name by which brokers know the mechanism, for example `SCRAM-SHA-256`.
    public var mechanismName: String {
        switch self.mechanism {
        case .plain: "PLAIN"
        case .scram(let mechanism, _, _, _): mechanism.description
        case .oauthBearer: "OAUTHBEARER"
        }
    }

    /// Who logs in; nil where a token says so.
    public var username: String? {
        switch self.mechanism {
        case .plain(let username, _), .scram(_, let username, _, _): username
        case .oauthBearer: nil
        }
    }

    func validate() throws(KafkaClientError) {
        switch self.mechanism {
        case .plain(let username, let password):
            // The two are separated by a zero byte.
            guard !username.isEmpty, !password.isEmpty, !username.utf8.contains(0), !password.utf8.contains(0) else {
                throw KafkaClientError(
                    .invalidConfiguration, "SASL PLAIN takes a user and a password, both not empty and without NUL")
            }
        case .scram(let mechanism, let username, let password, _):
            guard !username.isEmpty, !password.isEmpty else {
                throw KafkaClientError(
                    .invalidConfiguration, "SASL \(mechanism) takes a user and a password, both not empty")
            }
            #if !SCRAM
            throw KafkaClientError(
                .invalidConfiguration,
                "this build of KafkaClient has no SCRAM: depend on the package martlet with the trait SCRAM")
            #endif
        case .oauthBearer:
            break
        }
    }
}

extension KafkaSASL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The mechanism and the user.
    public var description: String {
        self.username.map { "\(self.mechanismName) as \($0)" } ?? self.mechanismName
    }

    /// As ``description``.
    public var debugDescription: String { self.description }

    /// As ``description``: `dump` shows no secret either.
    public var customMirror: Mirror { Mirror(self, children: ["mechanism": self.description]) }
}

/// A token that shows who a client is: in most cases a JWT that an identity provider has signed.
public struct OAuthBearerToken: Sendable {
    /// The token as it came: letters, digits, `-._~+/`, and `=` at its end.
    public var value: String
    /// How long it is valid from now on. Nil when that is not known: a new one is asked for at every login then.
    public var lifetime: Duration?
    /// The identity to act as, where that is not the token's own.
    public var authorizationID: String
    /// What the broker is to be told beside (KIP-342). Names are of letters, values of printable ASCII.
    public var extensions: [String: String]

    /// A token; it is checked when it is used.
    public init(
        value: String, lifetime: Duration? = nil, authorizationID: String = "", extensions: [String: String] = [:]
    ) {
        self.value = value
        self.lifetime = lifetime
        self.authorizationID = authorizationID
        self.extensions = extensions
    }
}

extension OAuthBearerToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// That it is a token, and for how long; never the token.
    public var description: String {
        self.lifetime.map { "a token that is valid for \($0)" } ?? "a token of unknown lifetime"
    }

    /// As ``description``.
    public var debugDescription: String { self.description }

    /// As ``description``: `dump` shows no secret either.
    public var customMirror: Mirror { Mirror(self, children: ["lifetime": self.description]) }
}
