// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

/// Two brokers with endless partitions and elections among them, of which some lose the end of a log; a receiver that
/// does what it likes, and what may come out of the fetcher between them.
struct FetcherModel {
    private static let brokers = [BrokerAddress(host: "a", port: 1), BrokerAddress(host: "b", port: 2)]
    private static let batchSize: Int64 = 5
    private static let bytesMax = 4000
    /// So many offsets were written under each leader epoch.
    private static let offsetsPerEpoch: Int64 = 50
    /// No record was written under a later one.
    private static let epochMax: Int32 = 1000

    private var generator: SplitMix
    private var fetcher: Fetcher
    private let partitions = (0..<4).map { TopicPartition(topic: "orders", partition: PartitionIndex($0)) }
    private var underWay: [Fetcher.Plan] = []
    private var hand: Fetcher.Delivery?
    /// What has to come out next.
    private var expected: [TopicPartition: Int64] = [:]
    private var paused: Set<TopicPartition> = []
    private var epoch = Self.epochMax
    private var canTruncate = true
    private(set) var delivered = 0
    private(set) var checked = 0

    init(seed: UInt64) {
        self.generator = SplitMix(seed: seed)
        let limits = Fetcher.Limits(bytesMax: Self.bytesMax, answerBytesMax: 1500, partitionBytesMax: 500)
        self.fetcher = Fetcher(limits: limits, retry: RetryPolicy())
    }

    mutating func step() throws {
        let partition = self.partitions[Int.random(in: 0..<4, using: &self.generator)]
        switch Int.random(in: 0..<20, using: &self.generator) {
        case 0: self.assignOrRemove(partition)
        case 1: self.seek(partition)
        case 2: self.pauseOrResume(partition)
        case 3: self.lead(partition, self.brokers.randomElement(using: &self.generator))
        case 4..<8: self.send()
        case 8..<12: try self.answer()
        case 12..<16: self.take()
        case 16..<18: self.lookUp()
        default: self.letGo()
        }
        #expect(self.fetcher.bytesInUse <= Self.bytesMax)
    }

    private var brokers: [BrokerAddress] { Self.brokers }

    /// When nothing more happens from outside, everything that is assigned comes out.
    mutating func drain() throws {
        self.canTruncate = false
        for partition in self.partitions {
            if self.expected[partition] == nil { self.assignOrRemove(partition) }
            if self.paused.contains(partition) { self.pauseOrResume(partition) }
            self.lead(partition, self.brokers[0])
        }
        var before = self.expected
        for _ in 0..<200 {
            self.letGo()
            self.take()
            self.lookUp()
            self.send()
            try self.answer()
            before = before.filter { self.expected[$0.key] == $0.value }
        }
        #expect(before.isEmpty, "these are stuck: \(before)")
    }

    private mutating func assignOrRemove(_ partition: TopicPartition) {
        if self.expected.removeValue(forKey: partition) != nil {
            self.fetcher.remove(partition)
            self.paused.remove(partition)
        } else {
            let offset = Int64.random(in: 0..<100, using: &self.generator)
            self.fetcher.assign(partition, start: .offset(Offset(offset)))
            self.expected[partition] = offset
            self.lead(partition, self.brokers.randomElement(using: &self.generator))
        }
    }

    private mutating func seek(_ partition: TopicPartition) {
        let offset = Int64.random(in: 0..<100, using: &self.generator)
        guard self.fetcher.seek(partition, to: .offset(Offset(offset))) != nil else { return }
        self.expected[partition] = offset
    }

    private mutating func pauseOrResume(_ partition: TopicPartition) {
        guard self.expected[partition] != nil else { return }
        if self.paused.remove(partition) != nil {
            self.fetcher.resume(partition)
        } else {
            self.paused.insert(partition)
            self.fetcher.pause(partition)
        }
    }

    private mutating func lead(_ partition: TopicPartition, _ broker: BrokerAddress?) {
        guard let broker else { return }
        // Sometimes another leader, sometimes the same again, sometimes one that does not tell its epoch.
        if self.canTruncate, Bool.random(using: &self.generator) { self.epoch += 1 }
        let isTold = Int.random(in: 0..<4, using: &self.generator) > 0
        self.fetcher.found(
            .init(address: broker, epoch: isTold ? LeaderEpoch(self.epoch) : .none), of: partition, topicID: nil)
    }

    /// Leaders answer at once. Some have lost the end of their log.
    private mutating func lookUp() {
        for lookup in self.fetcher.takeLookups(nowMs: .max).due {
            if case .checks(let checks, _) = lookup.question {
                for (partition, check) in checks.sorted(by: { $0.key < $1.key }) { self.answer(check, of: partition) }
            }
            self.fetcher.finished(lookup)
        }
    }

    private mutating func answer(_ check: Fetcher.Check, of partition: TopicPartition) {
        self.checked += 1
        let record = check.offset - 1
        #expect(check.epoch.rawValue == Self.epoch(of: record), "offset \(check.offset)")
        var end = check.offset
        if self.canTruncate, Bool.random(using: &self.generator) {
            end = Int64.random(in: 0...check.offset, using: &self.generator)
        }
        let ending = Fetcher.EpochEnd(epoch: LeaderEpoch(Self.epoch(of: max(end - 1, 0))), offset: end)
        guard self.fetcher.checked(partition, check, end: ending) != nil else { return }
        #expect(end < check.offset)
        #expect(self.fetcher.position(of: partition) == check.offset, "nothing is buffered")
        guard self.fetcher.seek(partition, to: .offset(Offset(end)), leaderEpoch: ending.epoch) != nil else { return }
        self.expected[partition] = end
    }

    private static func epoch(of offset: Int64) -> Int32 {
        min(Int32(clamping: offset / Self.offsetsPerEpoch), Self.epochMax)
    }

    private static func batch(_ offset: Int64) throws -> ByteBuffer {
        var options = RecordBatchBuilder.Options()
        options.baseOffset = offset
        options.partitionLeaderEpoch = Self.epoch(of: offset)
        var builder = RecordBatchBuilder(options)
        for _ in 0..<Self.batchSize { try builder.append(key: nil, value: ByteBuffer(string: "value"), timestamp: 0) }
        return try builder.finish().bytes
    }

    private mutating func send() {
        for broker in self.brokers {
            guard case .fetch(let plan) = self.fetcher.step(for: broker) else { continue }
            #expect(!self.underWay.contains { $0.broker == broker }, "one Fetch per broker")
            self.underWay.append(plan)
        }
    }

    /// As brokers do: as much as fits, of one partition after the other, and at least one batch.
    private mutating func answer() throws {
        guard let index = self.underWay.indices.randomElement(using: &self.generator) else { return }
        let plan = self.underWay.remove(at: index)
        guard Int.random(in: 0..<8, using: &self.generator) > 0 else {
            self.fetcher.failed(plan, nowMs: 0, using: &self.generator)
            for entry in plan.entries { self.lead(entry.position.partition, plan.broker) }
            return
        }
        var room = plan.bytesMax
        var answers: [Fetcher.Answer] = []
        for entry in plan.entries {
            var records = ByteBuffer()
            var first = entry.position.offset / Self.batchSize * Self.batchSize
            while records.readableBytes < 500 {
                let batch = try Self.batch(first)
                guard batch.readableBytes <= room else { break }
                room -= batch.readableBytes
                records.writeImmutableBuffer(batch)
                first += Self.batchSize
            }
            let fetched = FetchedPartition(
                partition: entry.position.partition, errorCode: .none, highWatermark: 1000, logStartOffset: 0,
                records: records)
            answers.append(
                Fetcher.Answer(
                    partition: fetched.partition, errorCode: .none, highWatermark: 1000, logStartOffset: 0,
                    batches: FetchedBatches(
                        fetched, from: entry.position.offset, isolation: .readUncommitted, verifiesChecksums: false)))
        }
        #expect(self.fetcher.received(plan, answers, nowMs: 0, using: &self.generator).isEmpty)
    }

    private mutating func take() {
        self.letGo()
        var skipped: [Fetcher.Skip] = []
        guard let delivery = self.fetcher.take(skipped: &skipped) else { return }
        #expect(skipped.isEmpty)
        #expect(delivery.start == self.expected[delivery.partition])
        #expect(!self.paused.contains(delivery.partition))
        #expect(delivery.batch.header.baseOffset <= delivery.start)
        #expect(delivery.batch.header.nextOffset == delivery.next)
        self.expected[delivery.partition] = delivery.next
        self.hand = delivery
        self.delivered += 1
    }

    private mutating func letGo() {
        guard let delivery = self.hand else { return }
        self.hand = nil
        guard Bool.random(using: &self.generator) else {
            self.fetcher.finish(delivery)
            return
        }
        let start = Int64.random(in: delivery.start..<delivery.next, using: &self.generator)
        if self.fetcher.isCurrent(delivery.partition, number: delivery.number) {
            self.expected[delivery.partition] = start
        }
        self.fetcher.giveBack(delivery, from: start)
    }
}
