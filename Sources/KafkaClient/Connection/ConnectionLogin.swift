// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore
import Synchronization

/// The logins of one connection: the first before any other request, more when sessions end (KIP-368).
///
/// What is said is decided by ``SASLExchange``, and when by ``SASLSession``.
final class ConnectionLogin: Sendable {
    /// Random bytes in the nonce of SCRAM: as many as nobody guesses, a multiple of three for base64.
    private static let nonceBytes = 24

    private let requests: RequestChannel
    private let versions: BrokerVersions
    private let sasl: KafkaSASL
    private let tokens: TokenSource?
    private let session: Mutex<SASLSession>
    private let renewing = SharedWork<Void>()

    private init(_ requests: RequestChannel, versions: BrokerVersions, sasl: KafkaSASL, tokens: TokenSource?) {
        self.requests = requests
        self.versions = versions
        self.sasl = sasl
        self.tokens = tokens
        var generator = SystemRandomNumberGenerator()
        self.session = Mutex(SASLSession(lifetimeMs: 0, nowMs: 0, using: &generator))
    }

    /// Logs in, if the configuration says so. Throws `authenticationFailed`, and what the connection throws.
    static func begin(
        _ requests: RequestChannel, versions: BrokerVersions, security: ConnectionSecurity
    ) async throws -> ConnectionLogin? {
        guard let sasl = security.configuration.sasl else { return nil }
        let login = ConnectionLogin(requests, versions: versions, sasl: sasl, tokens: security.tokens)
        try await login.logIn()
        return login
    }

    /// Logs in again if the session is about to end. Costs a look at the clock when it is not.
    func renewIfDue() async throws {
        guard self.isDue else { return }
        try await self.renewing.run {
            guard self.isDue else { return }
            do {
                try await self.logIn()
            } catch let error as KafkaClientError {
                if error.code == .authenticationFailed { self.tokens?.discard() }
                // Nobody knows where the broker stands in the login: the next connection begins anew.
                // The only error is that it is closed already.
                try? await self.requests.channel.close()
                throw error
            }
        }
    }

    private var nowMs: Int64 { self.requests.channel.eventLoop.now.sinceStart.milliseconds }

    /// The session is about to end, or has ended.
    var isDue: Bool {
        let session = self.session.withLock(\.self)
        return session.dueAtMs != nil && session.isDue(nowMs: self.nowMs)
    }

    private func logIn() async throws {
        // The token first: asking for it takes its time, may be cancelled, and must not hold up other requests.
        let token = try await self.token()
        var generator = SystemRandomNumberGenerator()
        let nonce = Base64.encode((0..<Self.nonceBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        let lifetimeMs = try await self.exchange(token: token, nonce: nonce)
        let session = SASLSession(lifetimeMs: lifetimeMs, nowMs: self.nowMs, using: &generator)
        self.session.withLock { $0 = session }
        self.requests.endLogin()
    }

    private func token() async throws -> OAuthBearerToken? {
        do {
            return try await self.tokens?.token()
        } catch let error where !(error is CancellationError) {
            // Whoever issues tokens may be back soon: this is no refusal.
            throw KafkaClientError(
                .connectionFailed, "cannot log in to \(self.requests.address): no token could be got: \(error)",
                cause: error)
        }
    }

    /// Returns how long the session lasts, in milliseconds; 0 for ever.
    private func exchange(token: OAuthBearerToken?, nonce: String) async throws -> Int64 {
        var exchange: SASLExchange
        do throws(SASLExchange.Failure) {
            exchange = try SASLExchange(self.sasl, token: token, nonce: nonce)
        } catch {
            throw self.failure(error.description, cause: error)
        }
        try await self.shakeHands()
        let version = try self.versions.highest(
            of: SaslAuthenticateRequest.self, in: 0...2, broker: self.requests.address)
        var next = exchange.first()
        while true {
            var request = SaslAuthenticateRequest()
            request.authBytes = next
            let response = try await self.requests.login(request, version: version)
            let errorCode = ErrorCode(rawValue: response.errorCode)
            guard errorCode == .none else {
                let reasons = [exchange.reasonGiven, response.errorMessage, errorCode.name].compactMap(\.self)
                throw self.failure(reasons.joined(separator: ": "), errorCode: errorCode)
            }
            do throws(SASLExchange.Failure) {
                switch try exchange.received(response.authBytes) {
                case .send(let bytes): next = bytes
                case .done: return response.sessionLifetimeMs
                }
            } catch {
                throw self.failure(error.description, cause: error)
            }
        }
    }

    private func shakeHands() async throws {
        guard self.versions[.saslHandshake] != nil, self.versions[.saslAuthenticate] != nil else {
            throw self.failure("it offers no login; take the port of a listener with SASL, or connect without")
        }
        let version = try self.versions.highest(of: SaslHandshakeRequest.self, in: 1...1, broker: self.requests.address)
        var request = SaslHandshakeRequest()
        request.mechanism = self.sasl.mechanismName
        let response = try await self.requests.login(request, version: version)
        let errorCode = ErrorCode(rawValue: response.errorCode)
        switch errorCode {
        case .none: break
        case .unsupportedSaslMechanism:
            let offered = response.mechanisms.isEmpty ? "none" : response.mechanisms.joined(separator: ", ")
            throw self.failure("it does not offer this mechanism, but \(offered)", errorCode: errorCode)
        case .illegalSaslState:
            throw self.failure(
                "it expects no login; take the port of a listener with SASL, or connect without", errorCode: errorCode)
        default:
            throw self.failure(errorCode.name, errorCode: errorCode)
        }
    }

    private func failure(
        _ reason: String, errorCode: ErrorCode? = nil, cause: (any Error)? = nil
    ) -> KafkaClientError {
        var error = KafkaClientError(
            .authenticationFailed, "\(self.requests.address) refused the login (\(self.sasl)): \(reason)", cause: cause)
        error.errorCode = errorCode
        return error
    }
}
