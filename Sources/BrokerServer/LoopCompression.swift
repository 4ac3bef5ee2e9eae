// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import NIOCore
import Synchronization

/// The contexts for compressed batches, one set for each event loop: they are large, and a loop uses one at a time.
final class LoopCompression: Sendable {
    private let byLoop = Mutex<[ObjectIdentifier: NIOLoopBound<CompressionContexts>]>([:])

    /// The contexts of a loop, to be called and used on it.
    func contexts(of eventLoop: any EventLoop) -> NIOLoopBound<CompressionContexts> {
        self.byLoop.withLock { byLoop in
            let id = ObjectIdentifier(eventLoop)
            if let contexts = byLoop[id] { return contexts }
            let contexts = NIOLoopBound(CompressionContexts(), eventLoop: eventLoop)
            byLoop[id] = contexts
            return contexts
        }
    }
}
