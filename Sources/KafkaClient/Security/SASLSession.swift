// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How long a login is good for (KIP-368), without IO: when the next one is due.
///
/// A broker that ends sessions says after each login how long this one is. The client logs in again over the same
/// connection before that time is over, with the first request that it sends after the due time; so connections that
/// nobody uses are not kept alive, and need no timer.
struct SASLSession {
    /// The part of a session's life after which the next login is due: some time before the end, and not for all
    /// connections in the same moment.
    static let dueAfter = 0.85...0.95

    /// In milliseconds of the caller's clock; nil when the session does not end.
    private(set) var dueAtMs: Int64?

    /// A session that begins now and lasts `lifetimeMs`; 0 or less for one that does not end.
    init(lifetimeMs: Int64, nowMs: Int64, using generator: inout some RandomNumberGenerator) {
        guard lifetimeMs > 0 else { return }
        let wait = Double(lifetimeMs) * Double.random(in: Self.dueAfter, using: &generator)
        let (due, overflow) = nowMs.addingReportingOverflow(Int64(min(wait, Double(Int64.max / 2))))
        self.dueAtMs = overflow ? nil : due
    }

    func isDue(nowMs: Int64) -> Bool { self.dueAtMs.map { nowMs >= $0 } ?? false }
}
