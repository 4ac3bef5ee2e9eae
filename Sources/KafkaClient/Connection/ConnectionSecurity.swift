// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Synchronization

#if TLS
import NIOSSL
#endif

/// What the connections of one cluster have in common for their protection: certificates that were read, and a token.
final class ConnectionSecurity: Sendable {
    let configuration: KafkaSecurity
    let tokens: TokenSource?
    #if TLS
    private let context = Mutex<TLSContext?>(nil)
    #endif

    init(_ configuration: KafkaSecurity) {
        self.configuration = configuration
        if case .oauthBearer(let fetch) = configuration.sasl?.mechanism {
            self.tokens = TokenSource(uptime: { NIODeadline.now().sinceStart }, fetch: fetch)
        } else {
            self.tokens = nil
        }
    }

    static let plaintext = ConnectionSecurity(.plaintext)

    /// Checks the configuration and reads what it names, which blocks. Throws `invalidConfiguration`.
    func prepare() throws(KafkaClientError) {
        try self.configuration.validate()
        #if TLS
        guard let tls = self.configuration.tls, self.context.withLock({ $0 == nil }) else { return }
        // Two tasks may both read: better than to wait with a lock held.
        let context = try TLSContext(tls)
        self.context.withLock { $0 = context }
        #endif
    }

    /// Puts what encrypts in front of a channel's other handlers. Call ``prepare()`` before.
    func addHandlers(to channel: any Channel, address: BrokerAddress) throws {
        #if TLS
        guard let context = self.context.withLock(\.self) else { return }
        try channel.pipeline.syncOperations.addHandler(try context.makeHandler(for: address), position: .first)
        #endif
    }

    /// A connection failed: what may be to blame is read and asked for anew for the next.
    func failed(_ error: KafkaClientError) {
        switch error.code {
        case .tlsFailed, .notKafka:
            #if TLS
            self.context.withLock { $0 = nil }
            #endif
        case .authenticationFailed: self.tokens?.discard()
        default: break
        }
    }
}

extension NIODeadline {
    /// The time since the moment from which deadlines count.
    var sinceStart: Duration { .nanoseconds(Int64(clamping: self.uptimeNanoseconds)) }
}
