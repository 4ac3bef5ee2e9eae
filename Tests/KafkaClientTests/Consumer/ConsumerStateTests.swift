// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct ConsumerStateTests {
    private static let orders = TopicPartition(topic: "orders", partition: 0)

    /// A consumer that runs, with two batches of five records buffered.
    private static func state() throws -> ConsumerState {
        let limits = Fetcher.Limits(bytesMax: 100_000, answerBytesMax: 10_000, partitionBytesMax: 10_000)
        var state = ConsumerState(fetcher: Fetcher(limits: limits, retry: RetryPolicy()), nowMs: 0)
        state.phase = .running
        state.assign(Self.orders, start: .offset(0))
        let broker = BrokerAddress(host: "a", port: 1)
        state.fetcher.found(.init(address: broker, epoch: .none), of: Self.orders, topicID: nil)
        guard case .fetch(let plan) = state.fetcher.step(for: broker) else { return state }
        var records = try ReadCursorTests.batch(0, count: 5)
        records.writeImmutableBuffer(try ReadCursorTests.batch(5, count: 5))
        let fetched = FetchedPartition(
            partition: Self.orders, errorCode: .none, highWatermark: 10, logStartOffset: 0, records: records)
        let batches = FetchedBatches(fetched, from: 0, isolation: .readUncommitted, verifiesChecksums: false)
        let answer = Fetcher.Answer(
            partition: Self.orders, errorCode: .none, highWatermark: 10, logStartOffset: 0, batches: batches)
        _ = state.fetcher.received(plan, [answer], nowMs: 0, using: &state.generator)
        return state
    }

    private static func ask(
        _ state: inout ConsumerState, _ iteration: Int, progress: RecordProgress? = nil, remaining: Int64? = nil,
        nowMs: Int64 = 0
    ) -> Int64? {
        let answer = state.ask(iteration: iteration, progress: progress, remaining: remaining, nowMs: nowMs)
        guard case .batch(let delivery) = answer else { return nil }
        return delivery.start
    }

    @Test("a batch is processed when the next one is asked for, and not before")
    func processed() throws {
        var state = try Self.state()
        let iteration = state.beginIteration()
        #expect(Self.ask(&state, iteration) == 0)
        #expect(state.offsets.position(of: Self.orders) == 0)
        #expect(Self.ask(&state, iteration) == 5)
        #expect(state.offsets.position(of: Self.orders) == 5)
        state.endIteration(iteration)
        #expect(state.offsets.position(of: Self.orders) == 5, "who stops asking has not processed it")
        #expect(state.position(of: Self.orders) == 10)
    }

    @Test("records are processed one by one, and the rest of a batch goes to the next iterator")
    func records() throws {
        var state = try Self.state()
        let progress = RecordProgress()
        let iteration = state.beginIteration()
        #expect(Self.ask(&state, iteration, progress: progress) == 0)
        progress.delivered.store(3, ordering: .relaxed)
        progress.processed.store(2, ordering: .relaxed)
        #expect(state.position(of: Self.orders) == 3)
        #expect(state.uncommitted()[Self.orders]?.next == 2)
        let next = state.beginIteration()
        #expect(Self.ask(&state, next) == 3)
        state.endIteration(iteration)
        #expect(state.hand != nil, "an old iterator takes nothing from the new one")
        guard case .fail = state.ask(iteration: iteration, progress: nil, remaining: nil, nowMs: 0) else {
            Issue.record("an old iterator is served")
            return
        }
    }

    @Test("an old iterator that gives up waiting does not speak for the new one")
    func stopsAsking() throws {
        var state = try Self.state()
        let old = state.beginIteration()
        for _ in 0..<3 { _ = Self.ask(&state, old) }
        #expect(state.isAsking)
        let new = state.beginIteration()
        #expect(!state.isAsking, "nobody waits any more")
        _ = Self.ask(&state, new)
        state.stopAsking(iteration: old)
        #expect(state.isAsking)
        state.stopAsking(iteration: new)
        #expect(!state.isAsking)
    }

    @Test("what is in hand during a seek, or when its partition is lost, does not count when it is processed")
    func seek() throws {
        var state = try Self.state()
        let iteration = state.beginIteration()
        _ = Self.ask(&state, iteration)
        let isAssigned = state.seek(Self.orders, to: .offset(2))
        #expect(isAssigned)
        _ = Self.ask(&state, iteration)
        #expect(state.offsets.position(of: Self.orders) == 2)

        var lost = try Self.state()
        let another = lost.beginIteration()
        _ = Self.ask(&lost, another)
        #expect(lost.loseAll() == [Self.orders])
        lost.assign(Self.orders, start: .offset(1))
        _ = Self.ask(&lost, another)
        #expect(lost.offsets.position(of: Self.orders) == 1)
    }

    @Test("what is in hand of a partition that is being given up does count")
    func revoked() throws {
        var state = try Self.state()
        let iteration = state.beginIteration()
        _ = Self.ask(&state, iteration)
        state.stopDelivery(of: [Self.orders])
        #expect(state.isInHand([Self.orders]))
        #expect(Self.ask(&state, iteration) == nil, "nothing more of it is delivered")
        #expect(!state.isInHand([Self.orders]))
        #expect(state.uncommitted()[Self.orders]?.next == 5)
    }

    @Test("a receiver is late when it neither asks nor moves; one that waits never is")
    func late() throws {
        var state = try Self.state()
        let group = ConsumerGroupConfiguration("g", topics: .names(["orders"]))
        state.group = GroupPlace(group, ownID: "m", retry: RetryPolicy())
        let progress = RecordProgress()
        let iteration = state.beginIteration()
        _ = Self.ask(&state, iteration, progress: progress, nowMs: 100)
        var isLate = state.isReceiverLate(nowMs: 150, afterMs: 100)
        #expect(!isLate)
        progress.delivered.store(1, ordering: .relaxed)
        isLate = state.isReceiverLate(nowMs: 220, afterMs: 100)
        #expect(!isLate, "it has asked for a record since")
        isLate = state.isReceiverLate(nowMs: 321, afterMs: 100)
        #expect(isLate)
        _ = Self.ask(&state, iteration, nowMs: 330)
        _ = Self.ask(&state, iteration, nowMs: 340)
        #expect(state.isAsking)
        isLate = state.isReceiverLate(nowMs: 10_000, afterMs: 100)
        #expect(!isLate)
    }
}
