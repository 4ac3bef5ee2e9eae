// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct OffsetTrackerTests {
    private static let orders = TopicPartition(topic: "orders", partition: 0)

    private static func tracker(isCommitted: Bool = true) -> OffsetTracker {
        var tracker = OffsetTracker()
        tracker.begin(Self.orders, at: .init(next: 10), isCommitted: isCommitted)
        return tracker
    }

    @Test("what is done is committed once")
    func commit() {
        var tracker = Self.tracker()
        #expect(tracker.uncommitted.isEmpty)
        tracker.processed(Self.orders, upTo: 15, leaderEpoch: 2)
        #expect(tracker.uncommitted == [Self.orders: .init(next: 15, leaderEpoch: 2)])
        let committed = tracker.uncommitted
        tracker.processed(Self.orders, upTo: 20, leaderEpoch: 2)
        for (partition, position) in committed { tracker.committed(partition, position) }
        #expect(tracker.uncommitted == [Self.orders: .init(next: 20, leaderEpoch: 2)])
    }

    @Test("where a group begins for the first time is committed, though nothing was read")
    func firstPosition() {
        #expect(Self.tracker(isCommitted: false).uncommitted == [Self.orders: .init(next: 10)])
    }

    @Test("progress goes forward only, and not in partitions that were given up")
    func stale() {
        var tracker = Self.tracker()
        tracker.processed(Self.orders, upTo: 5, leaderEpoch: 1)
        #expect(tracker.position(of: Self.orders) == 10)
        tracker.end([Self.orders])
        tracker.processed(Self.orders, upTo: 50, leaderEpoch: 1)
        #expect(tracker.uncommitted.isEmpty)
        #expect(tracker.reading.isEmpty)
    }
}
