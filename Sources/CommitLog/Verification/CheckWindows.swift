// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Windows for checking batches, each used by one thread at a time and then by the next: a check reads through memory
/// that is still in the processor's cache, and as many windows exist as checks have ever run side by side.
final class CheckWindows: Sendable {
    /// Half of what the second-level caches of today's server cores hold or less, and enough that a system call for
    /// each costs next to nothing.
    static let windowBytes = 128 << 10

    /// For all logs of the process: it is threads that need windows, not logs.
    static let shared = CheckWindows()

    private let free = Mutex<[ScanWindow]>([])

    /// Lends a window for the time of the call. The one given back last is lent first.
    func withWindow<Result>(_ body: (ScanWindow) throws(LogError) -> Result) throws(LogError) -> Result {
        let window = self.free.withLock { $0.popLast() } ?? ScanWindow(byteCount: Self.windowBytes)
        defer { self.free.withLock { $0.append(window) } }
        return try body(window)
    }
}
