// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Counts of a phase that are needed while it runs, and not only every second.
final class LoadTally: Sendable {
    private let sentCount = Atomic<Int>(0)
    private let acknowledgedCount = Atomic<Int>(0)
    private let receivedCount = Atomic<Int>(0)
    private let waitedNanoseconds = Atomic<Int64>(0)

    /// A producer that ended had handed so many records to the client.
    func sent(_ records: Int) { self.sentCount.wrappingAdd(records, ordering: .relaxed) }
    /// So many of them are in the log.
    func acknowledged(_ records: Int) { self.acknowledgedCount.wrappingAdd(records, ordering: .relaxed) }
    /// A consumer was given so many.
    func received(_ records: Int) { self.receivedCount.wrappingAdd(records, ordering: .relaxed) }
    /// A producer waited for the memory of records that were not acknowledged yet.
    func waited(_ nanoseconds: Int64) { self.waitedNanoseconds.wrappingAdd(nanoseconds, ordering: .relaxed) }

    var sent: Int { self.sentCount.load(ordering: .relaxed) }
    var acknowledged: Int { self.acknowledgedCount.load(ordering: .relaxed) }
    var received: Int { self.receivedCount.load(ordering: .relaxed) }
    /// Of all producers together, in seconds.
    var waitedSeconds: Double { Double(self.waitedNanoseconds.load(ordering: .relaxed)) / 1e9 }
}
