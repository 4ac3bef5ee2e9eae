// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

/// What happens when a leader was elected that does not have all that was read from the one before, without IO.
@Suite struct TruncationTests {
    private static let orders = TopicPartition(topic: "orders", partition: 0)
    private static let broker = BrokerAddress(host: "a", port: 1)

    private static func batch(_ offset: Int64, count: Int, epoch: Int32) throws -> ByteBuffer {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = offset
        options.partitionLeaderEpoch = epoch
        var builder = RecordBatchBuilder(options)
        for _ in 0..<count { try builder.append(key: nil, value: ByteBuffer(string: "v"), timestamp: 0) }
        return try builder.finish().bytes
    }

    private static func state() -> ConsumerState {
        let limits = Fetcher.Limits(bytesMax: 1_000_000, answerBytesMax: 100_000, partitionBytesMax: 10_000)
        var state = ConsumerState(fetcher: Fetcher(limits: limits, retry: RetryPolicy()), nowMs: 0)
        state.phase = .running
        state.assign(Self.orders, start: .offset(0))
        return state
    }

    private static func lead(_ fetcher: inout Fetcher, epoch: LeaderEpoch) {
        fetcher.found(.init(address: Self.broker, epoch: epoch), of: Self.orders, topicID: nil)
    }

    private static func plan(_ fetcher: inout Fetcher) -> Fetcher.Plan? {
        guard case .fetch(let plan) = fetcher.step(for: Self.broker) else { return nil }
        return plan
    }

    /// Answers a plan with batches of five records of one epoch each.
    private static func receive(_ plan: Fetcher.Plan?, epochs: [Int32], _ fetcher: inout Fetcher) throws {
        let plan = try #require(plan)
        var generator = SplitMix(seed: 1)
        var offset = plan.entries[0].position.offset
        let first = offset
        var records = ByteBuffer()
        for epoch in epochs {
            records.writeImmutableBuffer(try Self.batch(offset, count: 5, epoch: epoch))
            offset += 5
        }
        let fetched = FetchedPartition(
            partition: Self.orders, errorCode: .none, highWatermark: 100, logStartOffset: 0, records: records)
        let batches = FetchedBatches(fetched, from: first, isolation: .readUncommitted, verifiesChecksums: false)
        let answer = Fetcher.Answer(
            partition: Self.orders, errorCode: .none, highWatermark: 100, logStartOffset: 0, batches: batches)
        _ = fetcher.received(plan, [answer], nowMs: 0, using: &generator)
    }

    /// The check that is due, which counts as answered.
    private static func takeCheck(_ fetcher: inout Fetcher) -> Fetcher.Check? {
        let due = fetcher.takeLookups(nowMs: 0).due
        for lookup in due { fetcher.finished(lookup) }
        guard case .checks(let checks, Self.broker)? = due.first?.question else { return nil }
        return checks[Self.orders]
    }

    private static func answer(
        _ fetcher: inout Fetcher, _ check: Fetcher.Check, _ end: Fetcher.EpochEnd?
    ) -> Fetcher.Truncation? { fetcher.checked(Self.orders, check, end: end) }

    private static func truncate(
        _ state: inout ConsumerState, _ truncation: Fetcher.Truncation, _ end: Fetcher.EpochEnd
    ) -> [Offset]? { state.truncate(truncation, to: end).map { [$0.from, $0.to] } }

    private static func take(_ state: inout ConsumerState, _ iteration: Int, _ progress: RecordProgress? = nil)
        -> Int64?
    {
        guard case .batch(let delivery) = state.ask(iteration: iteration, progress: progress, remaining: nil, nowMs: 0)
        else { return nil }
        return delivery.next
    }

    @Test("a leader of another epoch is asked before it is fetched from, once")
    func asked() throws {
        var fetcher = Self.state().fetcher
        Self.lead(&fetcher, epoch: 3)
        #expect(Self.takeCheck(&fetcher) == nil, "nothing was read yet")
        try Self.receive(Self.plan(&fetcher), epochs: [2, 3], &fetcher)
        Self.lead(&fetcher, epoch: 4)
        #expect(Self.plan(&fetcher) == nil)
        let check = try #require(Self.takeCheck(&fetcher))
        #expect(check == Fetcher.Check(number: 1, offset: 10, epoch: 3, leaderEpoch: 4))
        fetcher.hasRoom = false
        #expect(Self.answer(&fetcher, check, .init(epoch: 3, offset: 10)) == nil)
        #expect(fetcher.hasRoom)
        #expect(Self.takeCheck(&fetcher) == nil)
        #expect(Self.plan(&fetcher)?.entries.map(\.position.offset) == [10])
    }

    @Test(
        "the leader that wrote the last record is not asked, nor where epochs are not known",
        arguments: [(3, 3), (-1, 3), (3, -1), (-1, -1)] as [(Int32, Int32)])
    func notAsked(written: Int32, leader: Int32) throws {
        var fetcher = Self.state().fetcher
        Self.lead(&fetcher, epoch: 3)
        try Self.receive(Self.plan(&fetcher), epochs: [written], &fetcher)
        Self.lead(&fetcher, epoch: LeaderEpoch(leader))
        #expect(Self.takeCheck(&fetcher) == nil)
        #expect(Self.plan(&fetcher) != nil)
    }

    @Test("what comes of a fetch that was under way when the leader changed counts for nothing")
    func underWay() throws {
        var fetcher = Self.state().fetcher
        Self.lead(&fetcher, epoch: 3)
        try Self.receive(Self.plan(&fetcher), epochs: [3], &fetcher)
        let plan = Self.plan(&fetcher)
        Self.lead(&fetcher, epoch: 4)
        try Self.receive(plan, epochs: [3], &fetcher)
        let check = try #require(Self.takeCheck(&fetcher))
        #expect(check.offset == 5)
        _ = fetcher.checked(Self.orders, check, end: .init(epoch: 3, offset: 5))
        #expect(Self.plan(&fetcher)?.entries.map(\.position.offset) == [5])
    }

    @Test("what is buffered and not in the log is dropped, and fetched again if what was delivered is there")
    func buffered() throws {
        var state = Self.state()
        Self.lead(&state.fetcher, epoch: 3)
        try Self.receive(Self.plan(&state.fetcher), epochs: [2, 3, 3], &state.fetcher)
        let iteration = state.beginIteration()
        #expect(Self.take(&state, iteration) == 5)
        Self.lead(&state.fetcher, epoch: 4)
        let check = try #require(Self.takeCheck(&state.fetcher))
        #expect(check.offset == 15)
        #expect(Self.answer(&state.fetcher, check, .init(epoch: 3, offset: 14)) == nil)
        let second = try #require(Self.takeCheck(&state.fetcher))
        #expect(second == Fetcher.Check(number: 1, offset: 5, epoch: 2, leaderEpoch: 4))
        #expect(Self.answer(&state.fetcher, second, .init(epoch: 2, offset: 5)) == nil)
        #expect(Self.plan(&state.fetcher)?.entries.map(\.position.offset) == [5])
        #expect(state.fetcher.bytesInUse > 0 && Self.take(&state, iteration) == nil)
    }

    @Test("a position behind the end of its epoch is a truncation, unless somebody has sought meanwhile")
    func truncated() throws {
        var state = Self.state()
        Self.lead(&state.fetcher, epoch: 3)
        try Self.receive(Self.plan(&state.fetcher), epochs: [3, 3], &state.fetcher)
        let iteration = state.beginIteration()
        while Self.take(&state, iteration) != nil {}
        Self.lead(&state.fetcher, epoch: 4)
        let check = try #require(Self.takeCheck(&state.fetcher))
        let end = Fetcher.EpochEnd(epoch: 2, offset: 8)
        let truncation = try #require(Self.answer(&state.fetcher, check, end))
        #expect(truncation.error.errorCode == .offsetOutOfRange)
        #expect(
            truncation.error.message
                == "the log of orders-0 was truncated: what was read up to position 10, of leader epoch 3, is not in"
                + " the log of leader epoch 4; the two part at offset 8, the end of leader epoch 2; seek or commit"
                + " another offset, or set offsetReset to .earliest or .latest")
        var sought = state
        let isAssigned = sought.seek(Self.orders, to: .offset(70))
        #expect(isAssigned)
        #expect(Self.answer(&sought.fetcher, check, end) == nil)
        #expect(Self.truncate(&sought, truncation, end) == nil)
        #expect(Self.truncate(&state, truncation, end) == [10, 8])
        let uncommitted = state.uncommitted()
        #expect(uncommitted == [Self.orders: .init(next: 8, leaderEpoch: 2)])
        let again = try #require(Self.takeCheck(&state.fetcher))
        #expect(again.epoch == 2 && again.offset == 8)
    }

    @Test("nothing that is in the receiver's hands, or was not delivered, is passed over by a truncation")
    func inHand() throws {
        func truncation(_ state: inout ConsumerState) throws -> Fetcher.Truncation {
            Self.lead(&state.fetcher, epoch: 4)
            let check = try #require(Self.takeCheck(&state.fetcher))
            return try #require(Self.answer(&state.fetcher, check, .init(epoch: 3, offset: 4)))
        }
        var batches = Self.state()
        Self.lead(&batches.fetcher, epoch: 3)
        try Self.receive(Self.plan(&batches.fetcher), epochs: [3], &batches.fetcher)
        let first = batches.beginIteration()
        #expect(Self.take(&batches, first) == 5)
        let ofBatches = try truncation(&batches)
        #expect(Self.truncate(&batches, ofBatches, .init(epoch: 3, offset: 4)) == [5, 4])
        #expect(batches.offsets.position(of: Self.orders) == 0)

        var records = Self.state()
        Self.lead(&records.fetcher, epoch: 3)
        try Self.receive(Self.plan(&records.fetcher), epochs: [3], &records.fetcher)
        let progress = RecordProgress()
        let second = records.beginIteration()
        #expect(Self.take(&records, second, progress) == 5)
        progress.delivered.store(2, ordering: .relaxed)
        progress.processed.store(1, ordering: .relaxed)
        let ofRecords = try truncation(&records)
        #expect(Self.truncate(&records, ofRecords, .init(epoch: 3, offset: 4)) == [5, 2])
        #expect(records.offsets.position(of: Self.orders) == 1)
    }

    @Test("what was committed has the epoch of what lies before it, and is checked with it where it is gone on from")
    func committed() throws {
        var state = Self.state()
        Self.lead(&state.fetcher, epoch: 5)
        let marker = try EndTransactionMarker(outcome: .commit, coordinatorEpoch: 0)
            .batch(producerID: 1, producerEpoch: 0, timestamp: 0, baseOffset: 5, partitionLeaderEpoch: 5)
        var records = try Self.batch(0, count: 5, epoch: 3)
        records.writeImmutableBuffer(marker.bytes)
        let fetched = FetchedPartition(
            partition: Self.orders, errorCode: .none, highWatermark: 6, logStartOffset: 0, records: records)
        let batches = FetchedBatches(fetched, from: 0, isolation: .readUncommitted, verifiesChecksums: false)
        #expect(batches.items.map(\.epoch) == [5])
        let delivery = Fetcher.Delivery(
            partition: Self.orders, number: 1, batch: try #require(batches.items[0].batch), start: 0, next: 6,
            highWatermark: 6, epoch: batches.items[0].epoch)
        #expect(delivery.leaderEpoch(upTo: 5) == 3)
        #expect(delivery.leaderEpoch(upTo: 6) == 5)
        #expect(ConsumedBatch(delivery).leaderEpoch(upTo: 5) == 3)
        #expect(ConsumedBatch(delivery).leaderEpoch(upTo: 6) == 5)

        let isAssigned = state.seek(Self.orders, to: .committed)
        #expect(isAssigned)
        _ = state.begin(Self.orders, number: 2, at: .init(next: 6, leaderEpoch: 4), isCommitted: true)
        let check = try #require(Self.takeCheck(&state.fetcher))
        #expect(check == Fetcher.Check(number: 2, offset: 6, epoch: 4, leaderEpoch: 5))
    }

    @Test("a leader that was asked about one position is asked about another that comes from elsewhere")
    func askedAgain() throws {
        var state = Self.state()
        Self.lead(&state.fetcher, epoch: 3)
        try Self.receive(Self.plan(&state.fetcher), epochs: [3], &state.fetcher)
        Self.lead(&state.fetcher, epoch: 4)
        let check = try #require(Self.takeCheck(&state.fetcher))
        #expect(Self.answer(&state.fetcher, check, .init(epoch: 3, offset: 5)) == nil)
        #expect(Self.takeCheck(&state.fetcher) == nil)
        let isAssigned = state.seek(Self.orders, to: .committed)
        #expect(isAssigned)
        _ = state.begin(Self.orders, number: 2, at: .init(next: 90, leaderEpoch: 3), isCommitted: true)
        #expect(Self.takeCheck(&state.fetcher)?.offset == 90)
    }

    @Test(
        "a batch that is given back whole has the epoch before it, the rest of one its own", arguments: [false, true])
    func givenBack(isPaused: Bool) throws {
        for (start, epoch) in [(Int64(5), LeaderEpoch(2)), (7, 3)] {
            var fetcher = Self.state().fetcher
            Self.lead(&fetcher, epoch: 3)
            try Self.receive(Self.plan(&fetcher), epochs: [2, 3], &fetcher)
            var skipped: [Fetcher.Skip] = []
            if let first = fetcher.take(skipped: &skipped) { fetcher.finish(first) }
            let next = fetcher.take(skipped: &skipped)
            let delivery = try #require(next)
            if isPaused { fetcher.pause(Self.orders) }
            fetcher.giveBack(delivery, from: start)
            if !isPaused { fetcher.pause(Self.orders) }
            Self.lead(&fetcher, epoch: 4)
            #expect(Self.takeCheck(&fetcher)?.offset == start)
            #expect(Self.takeCheck(&fetcher)?.epoch == epoch)
        }
    }
}
