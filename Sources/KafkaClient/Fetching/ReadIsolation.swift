// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which records of transactions are read (KIP-98). Java: `isolation.level`.
public enum ReadIsolation: Int8, Hashable, Sendable {
    /// All that are written, also those of transactions that are open or were aborted.
    case readUncommitted = 0
    /// Those of committed transactions and those without one, up to the first transaction that is still open: the last
    /// stable offset.
    case readCommitted = 1
}
