// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Why a connection ended, for requests that come too late to meet its handler.
final class ConnectionFate: Sendable {
    private let reason = Mutex<KafkaClientError?>(nil)

    /// Nil while the connection lives.
    var failure: KafkaClientError? { self.reason.withLock(\.self) }

    /// The first reason counts.
    func end(_ failure: KafkaClientError) { self.reason.withLock { $0 = $0 ?? failure } }
}
