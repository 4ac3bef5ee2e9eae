// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct FetcherTests {
    private static let broker = BrokerAddress(host: "a", port: 1)
    private static let other = BrokerAddress(host: "b", port: 2)

    private static func partition(_ index: Int32) -> TopicPartition {
        TopicPartition(topic: "orders", partition: PartitionIndex(index))
    }

    /// A fetcher with partitions of one broker, at offset 0.
    private static func fetcher(
        partitions: Int32 = 1, bytesMax: Int = 1_000_000, partitionBytesMax: Int = 1000
    ) -> Fetcher {
        let limits = Fetcher.Limits(
            bytesMax: bytesMax, answerBytesMax: 100_000, partitionBytesMax: partitionBytesMax)
        var fetcher = Fetcher(limits: limits, retry: RetryPolicy())
        for index in 0..<partitions {
            fetcher.assign(Self.partition(index), start: .offset(0))
            fetcher.found(.init(address: Self.broker, epoch: 3), of: Self.partition(index), topicID: nil)
        }
        return fetcher
    }

    private static func plan(_ fetcher: inout Fetcher, _ broker: BrokerAddress = broker) -> Fetcher.Plan? {
        guard case .fetch(let plan) = fetcher.step(for: broker) else { return nil }
        return plan
    }

    /// What the broker has for an entry: batches of five records up to an end.
    private static func answer(
        _ entry: Fetcher.Plan.Entry, upTo end: Int64, errorCode: ErrorCode = .none
    ) throws -> Fetcher.Answer {
        var records = ByteBuffer()
        var offset = entry.position.offset
        while errorCode == .none, offset < end {
            records.writeImmutableBuffer(try ReadCursorTests.batch(offset, count: 5))
            offset += 5
        }
        let fetched = FetchedPartition(
            partition: entry.position.partition, errorCode: errorCode, highWatermark: end, logStartOffset: 0,
            records: records)
        return Fetcher.Answer(
            partition: fetched.partition, errorCode: errorCode, highWatermark: end, logStartOffset: 0,
            batches: FetchedBatches(
                fetched, from: entry.position.offset, isolation: .readUncommitted, verifiesChecksums: true))
    }

    @discardableResult
    private static func receive(
        _ plan: Fetcher.Plan, upTo end: Int64, errorCode: ErrorCode = .none, _ fetcher: inout Fetcher
    ) throws -> [Fetcher.Trouble] {
        var generator = SplitMix(seed: 1)
        let answers = try plan.entries.map { try Self.answer($0, upTo: end, errorCode: errorCode) }
        return fetcher.received(plan, answers, nowMs: 0, using: &generator)
    }

    private static func take(_ fetcher: inout Fetcher) -> Fetcher.Delivery? {
        var skipped: [Fetcher.Skip] = []
        return fetcher.take(skipped: &skipped)
    }

    @Test("the next Fetch of a broker is sent while the last one's batches are delivered, and one at a time")
    func pipelined() throws {
        var fetcher = Self.fetcher()
        let plan = try #require(Self.plan(&fetcher))
        #expect(plan.entries.map(\.position.offset) == [0])
        #expect(plan.entries.map(\.position.leaderEpoch) == [3])
        #expect(Self.plan(&fetcher) == nil, "one is under way")
        try Self.receive(plan, upTo: 10, &fetcher)
        #expect(Self.plan(&fetcher)?.entries.map(\.position.offset) == [10])
        #expect(Self.take(&fetcher)?.next == 5)
        #expect(fetcher.position(of: Self.partition(0)) == 5)
    }

    @Test("a receiver that stalls stops fetching, within the limit, and goes on when it has let go")
    func bounded() throws {
        let size = try ReadCursorTests.batch(0, count: 5).readableBytes
        var fetcher = Self.fetcher(bytesMax: 8 * size, partitionBytesMax: 100 * size)
        var end: Int64 = 0
        while let plan = Self.plan(&fetcher) {
            #expect(plan.bytesMax == 4 * size)
            end += 10
            try Self.receive(plan, upTo: end, &fetcher)
            #expect(fetcher.bytesInUse <= 8 * size)
        }
        #expect(end == 30, "two batches at a time, as long as four more would fit")
        let first = try #require(Self.take(&fetcher))
        fetcher.finish(first)
        #expect(Self.plan(&fetcher) == nil, "the memory of an answer is one piece")
        let second = try #require(Self.take(&fetcher))
        #expect(Self.plan(&fetcher) == nil, "the receiver still has it")
        fetcher.hasRoom = false
        fetcher.finish(second)
        #expect(fetcher.hasRoom)
        #expect(Self.plan(&fetcher) != nil)
    }

    @Test("a partition that has enough holds back its broker, so that no Fetch waits without it")
    func full() throws {
        var fetcher = Self.fetcher(partitions: 2, partitionBytesMax: 150)
        let plan = try #require(Self.plan(&fetcher))
        let first = try Self.answer(plan.entries[0], upTo: 10)
        var generator = SplitMix(seed: 1)
        _ = fetcher.received(plan, [first], nowMs: 0, using: &generator)
        #expect(Self.plan(&fetcher) == nil)
        fetcher.hasRoom = false
        _ = Self.take(&fetcher)
        #expect(fetcher.hasRoom)
        let next = try #require(Self.plan(&fetcher))
        #expect(
            next.entries.map(\.position.partition) == [Self.partition(1), Self.partition(0)],
            "who got something goes to the end")
    }

    @Test("after a seek nothing from before comes out, neither what is buffered nor what is on its way")
    func seek() throws {
        var fetcher = Self.fetcher()
        let plan = try #require(Self.plan(&fetcher))
        try Self.receive(plan, upTo: 10, &fetcher)
        let onItsWay = try #require(Self.plan(&fetcher))
        #expect(fetcher.seek(Self.partition(0), to: .offset(70)) != nil)
        #expect(Self.take(&fetcher) == nil)
        try Self.receive(onItsWay, upTo: 20, &fetcher)
        #expect(Self.take(&fetcher) == nil)
        #expect(Self.plan(&fetcher)?.entries.map(\.position.offset) == [70])
    }

    @Test("a paused partition gives its memory back, delivers nothing, and is fetched again where the receiver was")
    func pause() throws {
        var fetcher = Self.fetcher()
        let partition = Self.partition(0)
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 10, &fetcher)
        let delivery = try #require(Self.take(&fetcher))
        let onItsWay = try #require(Self.plan(&fetcher))
        fetcher.pause(partition)
        #expect(fetcher.paused == [partition])
        #expect(!fetcher.isDeliverable(partition, number: delivery.number))
        fetcher.giveBack(delivery, from: 3)
        try Self.receive(onItsWay, upTo: 20, &fetcher)
        #expect(Self.take(&fetcher) == nil)
        #expect(Self.plan(&fetcher) == nil)
        #expect(fetcher.bytesInUse == 0)
        fetcher.hasRoom = false
        fetcher.resume(partition)
        #expect(fetcher.hasRoom, "its broker may be waiting")
        #expect(fetcher.paused.isEmpty)
        #expect(fetcher.isDeliverable(partition, number: delivery.number))
        #expect(!fetcher.isDeliverable(partition, number: delivery.number + 1))
        #expect(Self.plan(&fetcher)?.entries.map(\.position.offset) == [3])
    }

    @Test("a seek wakes whoever fetches and whoever looks up")
    func seekWakes() throws {
        var fetcher = Self.fetcher()
        (fetcher.hasRoom, fetcher.hasLookups) = (false, false)
        _ = fetcher.seek(Self.partition(0), to: .earliest)
        #expect(fetcher.hasRoom && fetcher.hasLookups)
        (fetcher.hasRoom, fetcher.hasLookups) = (false, false)
        let isFound = fetcher.found(start: 5, of: Self.partition(0), number: 2)
        #expect(isFound && fetcher.hasRoom)
    }

    @Test("the memory of an answer is in use until all partitions that it has batches of are done with")
    func sharedAnswer() throws {
        let size = try ReadCursorTests.batch(0, count: 5).readableBytes
        var fetcher = Self.fetcher(partitions: 2)
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 5, &fetcher)
        #expect(fetcher.bytesInUse == 2 * size)
        fetcher.finish(try #require(Self.take(&fetcher)))
        #expect(fetcher.bytesInUse == 2 * size)
        fetcher.finish(try #require(Self.take(&fetcher)))
        #expect(fetcher.bytesInUse == 0)
    }

    @Test("the rest of a batch that was given back comes before what other partitions have, also if it was the last")
    func giveBackLast() throws {
        var fetcher = Self.fetcher(partitions: 2)
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 5, &fetcher)
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 10, &fetcher)
        let delivery = try #require(Self.take(&fetcher))
        fetcher.giveBack(delivery, from: 3)
        let again = try #require(Self.take(&fetcher))
        #expect(again.partition == delivery.partition)
        #expect(again.start == 3)
    }

    @Test("the rest of a batch that was given back comes first, and nothing twice")
    func giveBack() throws {
        var fetcher = Self.fetcher(partitions: 2)
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 10, &fetcher)
        let delivery = try #require(Self.take(&fetcher))
        fetcher.giveBack(delivery, from: 3)
        #expect(fetcher.position(of: delivery.partition) == 3)
        let again = try #require(Self.take(&fetcher))
        #expect(again.partition == delivery.partition)
        #expect(again.start == 3)
        #expect(again.next == 5)
    }

    @Test(
        "a leader that moved is looked up again, later each time",
        arguments: [
            ErrorCode.notLeaderOrFollower, .fencedLeaderEpoch, .unknownTopicID, .kafkaStorageError,
        ])
    func moved(errorCode: ErrorCode) throws {
        var fetcher = Self.fetcher()
        let plan = try #require(Self.plan(&fetcher))
        let troubles = try Self.receive(plan, upTo: 10, errorCode: errorCode, &fetcher)
        guard case .moved(Self.partition(0), let error)? = troubles.first else {
            Issue.record("\(troubles)")
            return
        }
        #expect(error.errorCode == errorCode)
        guard case .end = fetcher.step(for: Self.broker) else {
            Issue.record("the broker leads nothing any more")
            return
        }
        let (early, nextMs) = fetcher.takeLookups(nowMs: 0)
        #expect(early.isEmpty)
        let next = try #require(nextMs)
        #expect(next > 0)
        guard case .leaders([Self.partition(0)])? = fetcher.takeLookups(nowMs: next).due.first?.question else {
            Issue.record("nobody asks for the leader")
            return
        }
        fetcher.found(.init(address: Self.other, epoch: 4), of: Self.partition(0), topicID: nil)
        #expect(Self.plan(&fetcher, Self.other)?.entries.map(\.position.offset) == [0])
    }

    @Test("an offset that is gone is told when what comes before it was delivered")
    func outOfRange() throws {
        var fetcher = Self.fetcher()
        try Self.receive(try #require(Self.plan(&fetcher)), upTo: 5, &fetcher)
        let plan = try #require(Self.plan(&fetcher))
        #expect(try Self.receive(plan, upTo: 5, errorCode: .offsetOutOfRange, &fetcher).isEmpty)
        #expect(Self.plan(&fetcher) == nil)
        fetcher.finish(try #require(Self.take(&fetcher)))
        let again = try #require(Self.plan(&fetcher))
        let troubles = try Self.receive(again, upTo: 3, errorCode: .offsetOutOfRange, &fetcher)
        guard case .outOfRange(_, offset: 5, range: 0...3)? = troubles.first else {
            Issue.record("\(troubles)")
            return
        }
    }

    @Test(
        "whatever happens, each partition comes out in order, without gaps or repetition, within the limit",
        arguments: 0..<40)
    func model(seed: UInt64) throws {
        var model = FetcherModel(seed: seed)
        for _ in 0..<400 { try model.step() }
        try model.drain()
        #expect(model.delivered > 50, "the model does something")
        #expect(model.checked > 0)
    }
}

/// A small generator whose numbers depend on its seed alone.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
