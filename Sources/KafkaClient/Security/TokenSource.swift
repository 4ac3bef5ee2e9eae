// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Asks for tokens, one at a time, and hands each out for as long as it is good.
final class TokenSource: Sendable {
    /// The part of a token's life in which it is used for new logins.
    static let usedFor = 0.8

    private struct Held {
        var token: OAuthBearerToken
        var usableUntil: Duration
    }

    private let held = Mutex<Held?>(nil)
    private let asking = SharedWork<OAuthBearerToken>()
    private let fetch: @Sendable () async throws -> OAuthBearerToken
    private let uptime: @Sendable () -> Duration

    /// - Parameter uptime: the time since a fixed moment.
    init(
        uptime: @escaping @Sendable () -> Duration, fetch: @escaping @Sendable () async throws -> OAuthBearerToken
    ) {
        self.uptime = uptime
        self.fetch = fetch
    }

    /// A token that is good for a login now. Throws what the source throws.
    func token() async throws -> OAuthBearerToken {
        let now = self.uptime()
        if let held = self.held.withLock(\.self), now < held.usableUntil { return held.token }
        return try await self.asking.run {
            let token = try await self.fetch()
            self.held.withLock { held in
                held = token.lifetime.map { Held(token: token, usableUntil: self.uptime() + $0 * Self.usedFor) }
            }
            return token
        }
    }

    /// The broker did not take it: the next login gets another one.
    func discard() { self.held.withLock { $0 = nil } }
}
