// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Foundation
import Synchronization

private let starting = Mutex<Void>(())

extension Process {
    /// Runs the program, one after the other in this process.
    ///
    /// Foundation notices that a program has ended when its end of a pair of sockets is closed. A program that is
    /// started on another thread at the same moment may inherit that end, and then the first has not ended before the
    /// second has.
    public func start() throws { try starting.withLock { _ in try self.run() } }
}
