// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import Testing

@testable import LoadGenerator

@Suite("Workload") struct WorkloadTests {
    @Test(
        "sizes are read and written as text",
        arguments: ["fixed:100", "uniform:100-1000", "normal:1000,200", "zipf:1-100000"])
    func sizes(text: String) throws {
        let size = try #require(SizeDistribution(text))
        #expect(size.description == text)
        var random = FastRandom(seed: 7)
        let samples = (0..<20_000).map { _ in size.sample(using: &random) }
        #expect(samples.allSatisfy { size.range.contains($0) })
        let mean = Double(samples.reduce(0, +)) / Double(samples.count)
        #expect(abs(mean - size.mean) <= size.mean * 0.05, "a mean of \(mean) where \(size.mean) is said")
    }

    @Test(
        "sizes that are none are refused",
        arguments: [
            "", "x", "-1", "fixed:", "uniform:10-5", "uniform:5", "zipf:0-5", "normal:5", "normal:-1,3",
            "1073741825", "uniform:1-9223372036854775807", "normal:1,9223372036854775807", "cubic:1-2",
        ])
    func badSizes(text: String) { #expect(SizeDistribution(text) == nil) }

    @Test("keys are read and written as text")
    func keys() {
        for text in ["none", "partition", "random:5", "round-robin:1000000"] {
            #expect(KeyChoice(text)?.description == text)
        }
        for text in ["", "none:1", "random:0", "random:", "random:x", "round-robin:1000001", "all"] {
            #expect(KeyChoice(text) == nil, "\(text)")
        }
    }

    @Test("topics and partitions are shared out evenly, each partition once in a subscription")
    func plan() {
        var workload = Workload(mode: .mixed)
        workload.topicCount = 5
        workload.partitionsPerTopic = 3
        workload.producers = .total(2)
        workload.consumers = .total(4)
        workload.subscriptions = 2
        let plan = LoadPlan(workload)
        #expect(plan.writers == [[0, 2, 4], [1, 3]])
        for subscription in 0..<2 {
            let readers = plan.readers.filter { $0.subscription == subscription }
            #expect(readers.map(\.partitions.count).sorted() == [3, 4, 4, 4])
            #expect(Set(readers.flatMap(\.partitions)).count == 15)
        }
    }

    @Test("with more producers than topics, and with so many of each, every topic has its own")
    func perTopic() {
        var workload = Workload(mode: .produce)
        workload.topicCount = 2
        workload.producers = .total(5)
        #expect(LoadPlan(workload).writers == [[0], [1], [0], [1], [0]])
        workload.producers = .perTopic(2)
        #expect(LoadPlan(workload).writers == [[0], [0], [1], [1]])
        workload.partitionsPerTopic = 2
        workload.consumers = .perTopic(3)
        // Two partitions cannot be shared by three.
        #expect(LoadPlan(workload).readers.map(\.partitions.count) == [1, 1, 1, 1])
    }

    @Test("what no run could do is refused with the reason")
    func limits() {
        func reason(_ mode: Workload.Mode = .produce, _ change: (inout Workload) -> Void) -> String? {
            var workload = Workload(mode: mode)
            change(&workload)
            do {
                try workload.validate()
                return nil
            } catch {
                return error.description
            }
        }
        for mode in Workload.Mode.allCases { #expect(reason(mode) { _ in } == nil) }
        #expect(reason { $0.topicCount = 0 }?.contains("topics is 1") == true)
        #expect(reason { $0.partitionsPerTopic = Int.max }?.contains("partitions") == true)
        #expect(reason { $0.producers = .perTopic(Int.max) }?.contains("producers") == true)
        #expect(reason { $0.rate = -1 }?.contains("rate") == true)
        #expect(reason { $0.rate = .nan }?.contains("rate") == true)
        #expect(reason { $0.warmUp = .infinity }?.contains("warm-up") == true)
        #expect(reason { $0.limit = .seconds(0) }?.contains("seconds") == true)
        #expect(reason { $0.batchBytes = 10 }?.contains("batch") == true)
        #expect(reason(.endToEnd) { $0.size = .fixed(15) }?.contains("16 bytes") == true)
        #expect(reason(.consume) { $0.backlogBytes = 0 }?.contains("backlog") == true)
        #expect(reason(.consume) { $0.limit = .records(5) }?.contains("backlog") == true)
    }

    @Test("records take keys, partitions and payloads in turn, and the same seed gives the same")
    func source() {
        var workload = Workload(mode: .produce)
        workload.partitionsPerTopic = 4
        workload.keys = .random(10)
        func choices(_ seed: UInt64) -> [Int] {
            var source = RecordSource(workload, topicCount: 2, share: 1, seed: seed)
            return (0..<100).map { source.next($0).lane ?? -1 }
        }
        #expect(choices(1) == choices(1))
        #expect(choices(1) != choices(2))
        #expect(choices(1).allSatisfy { (0..<8).contains($0) })
        workload.keys = .partition
        var source = RecordSource(workload, topicCount: 1, share: 1, seed: 3)
        #expect(Set((0..<4).map { source.next($0).partition }).count == 4)
    }

    @Test("a stamp is read as it was written, and nothing else is taken for one")
    func stamps() {
        var workload = Workload(mode: .endToEnd)
        workload.size = .fixed(20)
        var source = RecordSource(workload, topicCount: 1, share: 1, seed: 3)
        let stamp = RecordStamp(run: 0xdead_beef, due: -12_345_678_901)
        let value = source.value(source.next(0), stamp: stamp)
        #expect(value.readableBytes == 20)
        #expect(value.withUnsafeReadableBytes { RecordStamp.read($0) } == stamp)
        #expect(value.withUnsafeReadableBytes { RecordStamp.read(.init(rebasing: $0[0..<15])) } == nil)
        let plain = source.value(source.next(1), stamp: nil)
        #expect(plain.withUnsafeReadableBytes { RecordStamp.read($0) } == nil)
    }

    @Test("a pool has the memory that it is given, and payloads as random as is asked for")
    func pool() {
        var workload = Workload(mode: .produce)
        workload.size = .fixed(1 << 20)
        workload.randomBytesRatio = 0.25
        var random = FastRandom(seed: 1)
        let pool = PayloadPool(workload, share: 0.25, using: &random)
        #expect(pool.values.count == 16)
        let zeros = pool.values[3].readableBytesView.reversed().prefix { $0 == 0 }.count
        #expect(abs(zeros - 3 << 18) < 64)
        workload.payload = Array("abc".utf8)
        workload.size = .fixed(7)
        let filled = PayloadPool(workload, share: 1, using: &random)
        #expect(String(buffer: filled.values[0]) == "abcabca")
        #expect(filled.values.count == 1000)
    }
}
