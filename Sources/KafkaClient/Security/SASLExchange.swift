// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

/// The client's half of a login by any mechanism, without IO: what to send first, and what to do with each answer.
struct SASLExchange {
    /// Why a login cannot go on. None of the words contains a secret.
    struct Failure: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    enum Step: Equatable {
        /// Send this, and take the answer.
        case send(ByteBuffer)
        /// Nothing is left to do: the broker knows this client, and if the mechanism says so the client knows the broker.
        case done
    }

    private enum State {
        case plain(username: String, password: String)
        case oauthBearer(OAuthBearerToken)
        #if SCRAM
        case scram(ScramExchange, rounds: Int)
        #endif
        /// OAUTHBEARER: the broker said what is wrong, and got the byte that lets it say no.
        case oauthRefused(String)
    }

    private var state: State

    /// - Parameters:
    ///   - token: for OAUTHBEARER, where the credentials have only its source.
    ///   - nonce: for SCRAM: unforeseeable, and used for nothing else.
    init(_ sasl: KafkaSASL, token: OAuthBearerToken?, nonce: String) throws(Failure) {
        switch sasl.mechanism {
        case .plain(let username, let password):
            self.state = .plain(username: username, password: password)
        case .scram(let mechanism, let username, let password, let isDelegationToken):
            #if SCRAM
            let exchange = ScramExchange(
                mechanism, username: username, password: password, nonce: nonce, isDelegationToken: isDelegationToken)
            self.state = .scram(exchange, rounds: 0)
            #else
            throw Failure(description: "this build has no SCRAM: it takes the package trait SCRAM")
            #endif
        case .oauthBearer:
            guard let token else { throw Failure(description: "there is no token") }
            try Self.validate(token)
            self.state = .oauthBearer(token)
        }
    }

    /// The bytes that open the login.
    mutating func first() -> ByteBuffer {
        switch self.state {
        case .plain(let username, let password):
            return ByteBuffer(string: "\0\(username)\0\(password)")
        case .oauthBearer(let token):
            return ByteBuffer(string: Self.message(token))
        #if SCRAM
        case .scram(var exchange, let rounds):
            defer { self.state = .scram(exchange, rounds: rounds) }
            return ByteBuffer(string: exchange.firstMessage())
        #endif
        case .oauthRefused:
            return ByteBuffer()
        }
    }

    /// Takes the answer to what was sent last. SCRAM computes for some milliseconds here: call it on no event loop.
    mutating func received(_ answer: ByteBuffer) throws(Failure) -> Step {
        switch self.state {
        case .plain:
            return .done
        case .oauthBearer:
            guard answer.readableBytes > 0 else { return .done }
            // RFC 7628, section 3.2.3: the reason comes as JSON, and a byte of the client's lets the login fail.
            self.state = .oauthRefused(String(buffer: answer))
            return .send(ByteBuffer(bytes: [1]))
        case .oauthRefused(let reason):
            throw Failure(description: "the broker says: \(reason)")
        #if SCRAM
        case .scram(var exchange, let rounds):
            do {
                let message = String(buffer: answer)
                if rounds == 0 {
                    let proof = try exchange.receivedFirst(message)
                    self.state = .scram(exchange, rounds: 1)
                    return .send(ByteBuffer(string: proof))
                }
                try exchange.receivedFinal(message)
                return .done
            } catch {
                throw Failure(description: error.description)
            }
        #endif
        }
    }

    /// What the broker said before it refused, if this mechanism lets it.
    var reasonGiven: String? {
        guard case .oauthRefused(let reason) = self.state else { return nil }
        return reason
    }

    // MARK: OAUTHBEARER

    private static func message(_ token: OAuthBearerToken) -> String {
        let identity = token.authorizationID.isEmpty ? "" : "a=\(Self.escape(token.authorizationID))"
        let extensions = token.extensions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\u{1}" }.joined()
        return "n,\(identity),\u{1}auth=Bearer \(token.value)\u{1}\(extensions)\u{1}"
    }

    /// Commas and equals signs have a meaning in front of the first separator.
    private static func escape(_ name: String) -> String {
        name.split(separator: "=", omittingEmptySubsequences: false).joined(separator: "=3D")
            .split(separator: ",", omittingEmptySubsequences: false).joined(separator: "=2C")
    }

    /// Refuses what would change the meaning of the message (RFC 6750, section 2.1; RFC 7628, section 3.1).
    private static func validate(_ token: OAuthBearerToken) throws(Failure) {
        let trimmed = token.value.reversed().drop { $0 == "=" }
        let isToken = { (character: Character) in
            character.isASCII && (character.isLetter || character.isNumber || "-._~+/".contains(character))
        }
        guard !trimmed.isEmpty, trimmed.allSatisfy(isToken) else {
            throw Failure(description: "the token has characters that no bearer token may have, or is empty")
        }
        for (name, value) in token.extensions {
            guard !name.isEmpty, name != "auth", name.allSatisfy({ $0.isASCII && $0.isLetter }) else {
                throw Failure(description: "the extension '\(name)' of the token has a name that is not allowed")
            }
            let isPrintable = value.unicodeScalars.allSatisfy {
                (0x20...0x7e).contains($0.value) || $0 == "\t" || $0 == "\n" || $0 == "\r"
            }
            guard isPrintable else {
                throw Failure(description: "the extension '\(name)' of the token has a value that is not printable")
            }
        }
        guard !token.authorizationID.utf8.contains(where: { $0 <= 1 }) else {
            throw Failure(description: "the authorization id of the token has control characters")
        }
    }
}
