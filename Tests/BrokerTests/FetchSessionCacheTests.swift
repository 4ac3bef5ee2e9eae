// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Testing

@testable import Broker

@Suite("Incremental fetch sessions (KIP-227)")
struct FetchSessionCacheTests {
    private static func target(_ partition: Int32, offset: Int64 = 0) -> FetchTarget {
        FetchTarget(
            key: .init(topic: "orders", topicID: .zero, partition: partition),
            fetchOffset: offset,
            maxBytes: 1_000,
            currentLeaderEpoch: -1,
            lastFetchedEpoch: -1
        )
    }

    private static func fetched(_ partition: Int32, highWatermark: Int64, bytes: Int = 0) -> FetchedPartition {
        var fetched = FetchedPartition(key: self.target(partition).key)
        fetched.highWatermark = highWatermark
        fetched.logStartOffset = 0
        if bytes > 0 { fetched.records = .bytes(.external(token: 0, byteCount: bytes)) }
        return fetched
    }

    private static func request(
        _ id: Int32,
        _ epoch: Int32,
        _ targets: [FetchTarget] = [],
        forgetting forgotten: [FetchTarget] = []
    ) -> FetchSessionCache.Request {
        .init(
            sessionID: id,
            epoch: epoch,
            usesTopicIDs: false,
            targets: targets,
            forgotten: forgotten.map(\.key)
        )
    }

    private var generator = SystemRandomNumberGenerator()

    private mutating func begin(
        _ cache: inout FetchSessionCache,
        _ request: FetchSessionCache.Request,
        now: Int64 = 0
    ) -> Result<FetchSessionCache.Plan, FetchSessionCache.SessionError> {
        cache.begin(request, now: now, using: &self.generator)
    }

    @Test("a fetch of epoch -1 gets no session")
    mutating func sessionless() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let plan = try self.begin(&cache, Self.request(0, -1, [Self.target(0)])).get()
        #expect(plan.sessionID == 0)
        #expect(cache.sessionCount == 0)
        #expect(cache.finish(plan, [Self.fetched(0, highWatermark: 0)]).count == 1)
    }

    @Test("a partition named twice is read once, as it was named last", arguments: [Int32(-1), 0])
    mutating func repeated(epoch: Int32) throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let targets = [Self.target(0, offset: 1), Self.target(1), Self.target(0, offset: 7)]
        let plan = try self.begin(&cache, Self.request(0, epoch, targets)).get()
        #expect(plan.targets.map(\.key.partition) == [0, 1])
        #expect(plan.targets.first?.fetchOffset == 7)
    }

    @Test("an incremental fetch names only partitions with news")
    mutating func incremental() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0), Self.target(1)])).get()
        #expect(full.sessionID != 0)
        let first = cache.finish(full, [Self.fetched(0, highWatermark: 5), Self.fetched(1, highWatermark: 5)])
        #expect(first.count == 2)

        let second = try self.begin(&cache, Self.request(full.sessionID, 1)).get()
        #expect(second.targets.map(\.key.partition) == [0, 1])
        let news = cache.finish(second, [Self.fetched(0, highWatermark: 5), Self.fetched(1, highWatermark: 6)])
        #expect(news.map(\.key.partition) == [1])

        let third = try self.begin(&cache, Self.request(full.sessionID, 2)).get()
        let records = [Self.fetched(0, highWatermark: 5, bytes: 100), Self.fetched(1, highWatermark: 6)]
        #expect(cache.finish(third, records).map(\.key.partition) == [0])
    }

    @Test("a partition that gave records is read last the next time")
    mutating func fairness() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let full = try self.begin(&cache, Self.request(0, 0, (0..<3).map { Self.target($0) })).get()
        _ = cache.finish(
            full,
            [
                Self.fetched(0, highWatermark: 5, bytes: 10), Self.fetched(1, highWatermark: 0),
                Self.fetched(2, highWatermark: 0),
            ]
        )
        let next = try self.begin(&cache, Self.request(full.sessionID, 1)).get()
        #expect(next.targets.map(\.key.partition) == [1, 2, 0])
    }

    @Test("after an error the recovered partition is named although its offsets are the old ones")
    mutating func errorIsForgotten() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0)])).get()
        _ = cache.finish(full, [Self.fetched(0, highWatermark: 5)])
        let failing = try self.begin(&cache, Self.request(full.sessionID, 1)).get()
        let error = FetchedPartition(key: Self.target(0).key, errorCode: .kafkaStorageError)
        #expect(cache.finish(failing, [error]).count == 1)
        let recovered = try self.begin(&cache, Self.request(full.sessionID, 2)).get()
        #expect(cache.finish(recovered, [Self.fetched(0, highWatermark: 5)]).count == 1)
    }

    @Test("partitions are added, changed and forgotten")
    mutating func updates() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0), Self.target(1)])).get()
        let changed = Self.request(
            full.sessionID, 1, [Self.target(0, offset: 9), Self.target(2)], forgetting: [Self.target(1)])
        let plan = try self.begin(&cache, changed).get()
        #expect(plan.targets.map(\.key.partition) == [0, 2])
        #expect(plan.targets.first?.fetchOffset == 9)
        #expect(cache.partitionCount == 2)
    }

    @Test("a session whose last partition is forgotten ends")
    mutating func emptied() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0)])).get()
        let plan = try self.begin(&cache, Self.request(full.sessionID, 1, forgetting: [Self.target(0)])).get()
        #expect(plan.sessionID == 0)
        #expect(cache.sessionCount == 0)
        #expect(cache.partitionCount == 0)
    }

    @Test("unknown sessions, wrong epochs and a change to topic ids are told apart")
    mutating func errors() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        #expect(throws: FetchSessionCache.SessionError.notFound) { try self.begin(&cache, Self.request(7, 1)).get() }
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0)])).get()
        #expect(throws: FetchSessionCache.SessionError.wrongEpoch) {
            try self.begin(&cache, Self.request(full.sessionID, 2)).get()
        }
        var byID = Self.request(full.sessionID, 1)
        byID.usesTopicIDs = true
        #expect(throws: FetchSessionCache.SessionError.mixedTopicIDs) { try self.begin(&cache, byID).get() }
    }

    @Test("a full fetch that names a session ends it")
    mutating func restart() throws {
        var cache = FetchSessionCache(maxSessions: 10)
        let old = try self.begin(&cache, Self.request(0, 0, [Self.target(0)])).get()
        let new = try self.begin(&cache, Self.request(old.sessionID, 0, [Self.target(0)])).get()
        #expect(cache.sessionCount == 1)
        #expect(throws: FetchSessionCache.SessionError.notFound) {
            try self.begin(&cache, Self.request(old.sessionID, 1)).get()
        }
        #expect(new.sessionID != 0)
    }

    @Test("without a free slot a fetch goes without a session, until one has been idle for two minutes")
    mutating func eviction() throws {
        var cache = FetchSessionCache(maxSessions: 1)
        let held = try self.begin(&cache, Self.request(0, 0, [Self.target(0)]), now: 0).get()
        let refused = try self.begin(&cache, Self.request(0, 0, [Self.target(0)]), now: 1_000).get()
        #expect(refused.sessionID == 0)
        let later = FetchSessionCache.idleBeforeEviction + 1
        let granted = try self.begin(&cache, Self.request(0, 0, [Self.target(0)]), now: later).get()
        #expect(granted.sessionID != 0)
        #expect(granted.sessionID != held.sessionID)
        #expect(cache.sessionCount == 1)
    }

    @Test("session epochs begin again at 1 after the largest")
    mutating func epochWraps() throws {
        var cache = FetchSessionCache(maxSessions: 1)
        let full = try self.begin(&cache, Self.request(0, 0, [Self.target(0)])).get()
        cache.setNextEpoch(Int32.max, of: full.sessionID)
        _ = try self.begin(&cache, Self.request(full.sessionID, Int32.max)).get()
        _ = try self.begin(&cache, Self.request(full.sessionID, 1)).get()
    }
}
