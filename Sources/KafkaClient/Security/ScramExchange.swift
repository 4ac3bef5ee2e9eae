// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if SCRAM

/// The client's half of a SCRAM login (RFC 5802), without IO, time or randomness.
///
/// Two messages go out and two come back: the name and a nonce against salt, iterations and a longer nonce; the proof of
/// the password against the signature of the server, which shows that it, too, knows the password. Transitions:
///
///     start --firstMessage--> waitsForSalt --receivedFirst--> waitsForSignature --receivedFinal--> done
///
/// An error ends it: there is nothing to go on with.
struct ScramExchange {
    /// Why a login cannot go on. None of the words contains a secret.
    struct Failure: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    private enum State {
        case start
        case waitsForSalt(clientFirstBare: String)
        case waitsForSignature(expected: [UInt8])
        case done
    }

    /// The end of a client that does not bind the login to its TLS connection, and asks for no other identity.
    private static let gs2Header = "n,,"
    /// The same header in base64, as the final message repeats it.
    private static let channelBinding = "c=biws"

    private let mechanism: ScramMechanism
    private let username: String
    private let password: String
    private let nonce: String
    private let isDelegationToken: Bool
    private var state = State.start

    /// - Parameters:
    ///   - nonce: printable ASCII without commas, never used before, that nobody can foresee.
    ///   - isDelegationToken: `username` and `password` are the id and the HMAC of a delegation token (KIP-48).
    init(
        _ mechanism: ScramMechanism, username: String, password: String, nonce: String, isDelegationToken: Bool = false
    ) {
        self.mechanism = mechanism
        self.username = username
        self.password = password
        self.nonce = nonce
        self.isDelegationToken = isDelegationToken
    }

    /// The message that opens the login.
    mutating func firstMessage() -> String {
        var bare = "n=\(Self.escape(self.username)),r=\(self.nonce)"
        if self.isDelegationToken { bare += ",tokenauth=true" }
        self.state = .waitsForSalt(clientFirstBare: bare)
        return Self.gs2Header + bare
    }

    /// Takes the first message of the server and returns the proof. Hashes as often as the server says: call it on no
    /// event loop.
    mutating func receivedFirst(_ message: String) throws(Failure) -> String {
        guard case .waitsForSalt(let clientFirstBare) = self.state else {
            throw Failure(description: "the broker sent more than SCRAM has")
        }
        self.state = .done
        let fields = message.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count >= 3, let nonce = Self.value(of: "r", fields[0]),
            let salt = Self.value(of: "s", fields[1]).flatMap({ Base64.decode($0) }), !salt.isEmpty,
            let iterations = Self.value(of: "i", fields[2]).flatMap({ Int($0) })
        else {
            if let reason = Self.serverError(fields) { throw Failure(description: "the broker says: \(reason)") }
            throw Failure(description: "the broker's first SCRAM message is malformed")
        }
        guard nonce.hasPrefix(self.nonce), nonce.utf8.count > self.nonce.utf8.count else {
            throw Failure(description: "the broker did not keep to this client's nonce: it may be an impostor")
        }
        guard iterations >= ScramMechanism.iterationsMin else {
            throw Failure(
                description: "the broker asks for \(iterations) iterations, and \(ScramMechanism.iterationsMin) are the"
                    + " least that is safe: store the user's credentials again with more")
        }
        guard iterations <= ScramMechanism.iterationsMax else {
            throw Failure(
                description: "the broker asks for \(iterations) iterations; at most \(ScramMechanism.iterationsMax) are"
                    + " accepted")
        }
        let keys = ScramKeys(self.mechanism, password: self.password, salt: salt, iterations: iterations)
        let withoutProof = "\(Self.channelBinding),r=\(nonce)"
        let authMessage = "\(clientFirstBare),\(message),\(withoutProof)"
        self.state = .waitsForSignature(expected: keys.serverSignature(authMessage: authMessage))
        return "\(withoutProof),p=\(Base64.encode(keys.clientProof(authMessage: authMessage)))"
    }

    /// Takes the last message. The login is complete when this returns; before, the broker may be anybody.
    mutating func receivedFinal(_ message: String) throws(Failure) {
        guard case .waitsForSignature(let expected) = self.state else {
            throw Failure(description: "the broker sent more than SCRAM has")
        }
        self.state = .done
        let fields = message.split(separator: ",", omittingEmptySubsequences: false)
        if let reason = Self.serverError(fields) { throw Failure(description: "the broker says: \(reason)") }
        guard let signature = fields.first.flatMap({ Self.value(of: "v", $0) }).flatMap({ Base64.decode($0) }) else {
            throw Failure(description: "the broker's last SCRAM message is malformed")
        }
        guard ScramKeys.areEqual(signature, expected) else {
            throw Failure(
                description: "the broker's signature is wrong: it does not know the password, and may be an impostor")
        }
    }

    /// Commas and equals signs have a meaning in SCRAM's messages.
    private static func escape(_ name: String) -> String {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "=": escaped += "=3D"
            case ",": escaped += "=2C"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    private static func value(of name: Character, _ field: Substring) -> Substring? {
        guard field.first == name, field.dropFirst().first == "=" else { return nil }
        return field.dropFirst(2)
    }

    private static func serverError(_ fields: [Substring]) -> Substring? {
        fields.first.flatMap { Self.value(of: "e", $0) }
    }
}

#endif
