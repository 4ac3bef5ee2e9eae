// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization
import Testing

@testable import KafkaClient

@Suite struct TokenSourceTests {
    /// A source whose tokens count up, and the time.
    private final class Issuer: Sendable {
        let count = Mutex(0)
        let now = Mutex(Duration.zero)

        func source(lifetime: Duration?) -> TokenSource {
            TokenSource(uptime: { self.now.withLock(\.self) }) {
                let number = self.count.withLock { count in
                    count += 1
                    return count
                }
                return OAuthBearerToken(value: "token-\(number)", lifetime: lifetime)
            }
        }
    }

    @Test("a token is used for four fifths of its life")
    func reuse() async throws {
        let issuer = Issuer()
        let source = issuer.source(lifetime: .seconds(100))
        #expect(try await source.token().value == "token-1")
        issuer.now.withLock { $0 = .seconds(79) }
        #expect(try await source.token().value == "token-1")
        issuer.now.withLock { $0 = .seconds(80) }
        #expect(try await source.token().value == "token-2")
    }

    @Test("a token without a lifetime is asked for each time, and one that was refused is not used again")
    func fresh() async throws {
        let unlimited = Issuer().source(lifetime: nil)
        #expect(try await unlimited.token().value == "token-1")
        #expect(try await unlimited.token().value == "token-2")
        let source = Issuer().source(lifetime: .seconds(100))
        _ = try await source.token()
        source.discard()
        #expect(try await source.token().value == "token-2")
    }
}
