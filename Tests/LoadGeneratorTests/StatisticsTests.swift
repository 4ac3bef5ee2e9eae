// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Histogram
import Testing

@testable import LoadGenerator

@Suite("Statistics") struct StatisticsTests {
    private static let second: Int64 = 1_000_000_000

    @Test("a histogram is read from text as it was written")
    func encoding() throws {
        var histogram = LatencyHistogram()
        var random = FastRandom(seed: 5)
        for magnitude in 0..<42 {
            for _ in 0..<20 { histogram.record(Int64(random.next() % (1 << UInt64(magnitude)))) }
        }
        histogram.record(5_000_000, count: 1_000_000_000)
        let read = try #require(LatencyHistogram(encoded: histogram.encoded))
        #expect(read.count == histogram.count)
        for percentile in [0, 10, 50, 90, 99, 99.9, 100.0] {
            #expect(
                histogram.histogram.valuesAreEquivalent(
                    UInt64(read.percentile(percentile)), UInt64(histogram.percentile(percentile))), "\(percentile)")
        }
        #expect(read.encoded == histogram.encoded)
        #expect(try #require(LatencyHistogram(encoded: LatencyHistogram().encoded)).isEmpty)
    }

    @Test("text that is no histogram is refused", arguments: ["", "x", "AAAA", String(repeating: "A", count: 4000)])
    func badEncoding(text: String) { #expect(LatencyHistogram(encoded: text) == nil) }

    @Test("counts that no run can have are refused, and do not overflow")
    func hugeCounts() {
        var histogram = LatencyHistogram()
        histogram.record(1_000_000, count: 1 << 52)
        #expect(LatencyHistogram(encoded: histogram.encoded) != nil)
        #expect(abs(histogram.mean - 1_000_000) < 1000)
        histogram.record(2_000_000, count: 1 << 62)
        histogram.record(4_000_000, count: 1 << 62)
        #expect(LatencyHistogram(encoded: histogram.encoded) == nil)
    }

    @Test("no damage to an encoded histogram does more than make another one, or none")
    func damage() {
        var histogram = LatencyHistogram()
        for value in stride(from: Int64(1), to: 1_000_000_000, by: 9_999_991) { histogram.record(value) }
        let text = Array(histogram.encoded)
        var random = FastRandom(seed: 11)
        for _ in 0..<2000 {
            var damaged = text
            let position = Int(random.next(below: UInt32(damaged.count)))
            damaged[position] = Character(UnicodeScalar(UInt8(ascii: "A") + UInt8(random.next(below: 26))))
            _ = LatencyHistogram(encoded: String(damaged))
        }
    }

    @Test("latencies are those of records that were due while it counts, records those that came in while it counts")
    func window() throws {
        let control = RunControl(start: 0, countFrom: 2 * Self.second, plannedEnd: 4 * Self.second)
        let recorder = Recorder(control)
        // Due in the warm-up and done after it; due and done while it counts; done too late.
        recorder.succeeded([DueRun(due: 1_900_000_000, count: 1)], records: 1, bytes: 10, at: 2_100_000_000)
        recorder.succeeded([DueRun(due: 3 * Self.second, count: 2)], records: 2, bytes: 20, at: 3_001_000_000)
        recorder.succeeded([DueRun(due: 3_900_000_000, count: 4)], records: 4, bytes: 40, at: 4_100_000_000)
        recorder.failed(3)
        var statistics = RunStatistics(
            start: 0, countFrom: 2 * Self.second, produces: true, consumes: false, subscriptions: 1, backlog: 0)
        statistics.addProduced(recorder.take(leaving: RecordedInterval()))
        let phase = try #require(statistics.producePhase("produce", end: 4 * Self.second))
        #expect(phase.records == 3)
        #expect(phase.bytes == 30)
        #expect(phase.recordsPerSecond == 1.5)
        #expect(phase.failed == 3)
        let latency = try #require(phase.latencyMs)
        // A record that was due in time counts with all the time that it took.
        #expect(abs(latency.max - 200) < 1)
        #expect(abs(latency.p50 - 200) < 1)
        #expect(try #require(phase.histogram.flatMap { LatencyHistogram(encoded: $0) }).count == 6)
        #expect(recorder.take(leaving: RecordedInterval()).records == 0)
    }

    @Test("points of the series have the rates of their own time, and the backlog")
    func series() throws {
        var statistics = RunStatistics(
            start: 0, countFrom: Self.second, produces: true, consumes: true, subscriptions: 2, backlog: 100)
        func interval(_ records: Int) -> RecordedInterval {
            var interval = RecordedInterval()
            interval.records = records
            interval.bytes = records * 1000
            return interval
        }
        statistics.addProduced(interval(50))
        statistics.addConsumed(interval(40))
        let first = statistics.endPoint(at: Self.second / 2, clientCores: 0.5)
        #expect(first.produced?.recordsPerSecond == 100)
        #expect(first.produced?.bytesPerSecond == 100_000)
        #expect(first.at == -0.5)
        #expect(first.backlog == 130)
        statistics.addConsumed(interval(260))
        let second = statistics.endPoint(at: 3 * Self.second / 2, clientCores: 0.5)
        #expect(second.produced?.recordsPerSecond == 0)
        #expect(second.consumed?.recordsPerSecond == 260)
        #expect(second.backlog == 0)
        #expect(statistics.backlogDrainedAfter == 1.5)
    }

    @Test("a run that ends with its last record takes as long as that")
    func lastRecord() throws {
        let control = RunControl(start: 0, countFrom: 0, plannedEnd: nil)
        let recorder = Recorder(control)
        recorder.succeeded([], records: 100, bytes: 0, at: 2 * Self.second)
        var statistics = RunStatistics(
            start: 0, countFrom: 0, produces: true, consumes: false, subscriptions: 1, backlog: 0)
        statistics.addProduced(recorder.take(leaving: RecordedInterval()))
        #expect(try #require(statistics.producePhase("fill", end: nil)).recordsPerSecond == 50)
    }

    @Test("who kept the load from being higher is told from the time of threads, processes and machine")
    func verdict() {
        func machine(
            client: Double, thread: Double, broker: Double?, busy: Double, kept: Bool? = nil
        ) -> BenchReport.Machine {
            let from = MachineUsage(client: 1, threads: [1: 1, 2: 1], broker: broker.map { _ in 1 }, busy: 1, at: 0)
            let to = MachineUsage(
                client: 1 + client * 10, threads: [1: 1 + thread * 10, 2: 1], broker: broker.map { 1 + $0 * 10 },
                busy: 1 + busy * 10, at: 10 * Self.second)
            return BenchReport.Machine(from: from, to: to, cores: 2, waited: 0.5, kept: kept)
        }
        #expect(machine(client: 1.2, thread: 0.95, broker: 0.5, busy: 1.7).clientWasBottleneck)
        #expect(!machine(client: 0.6, thread: 0.4, broker: 1.2, busy: 1.95).clientWasBottleneck)
        #expect(machine(client: 1.2, thread: 0.6, broker: 0.7, busy: 1.95).clientWasBottleneck)
        #expect(!machine(client: 0.6, thread: 0.4, broker: 0.5, busy: 1.2).clientWasBottleneck)
        #expect(!machine(client: 1.2, thread: 0.95, broker: 0.5, busy: 1.7, kept: true).clientWasBottleneck)
        let figures = machine(client: 0.6, thread: 0.4, broker: nil, busy: 1.2)
        #expect(abs(figures.clientCores - 0.6) < 1e-9)
        #expect(figures.brokerCores == nil)
    }

    @Test("the system's tables are read as they are")
    func tables() {
        #expect(MachineUsage.seconds(ofStat: "1 (a) b) S 1 1 1 0 -1 0 0 0 0 0 300 200 0 0") == 5)
        #expect(MachineUsage.seconds(ofStat: "nonsense") == nil)
        #expect(MachineUsage.busySeconds(ofStat: "cpu  100 0 200 5000 300 0 100 7 0 0\ncpu0 1 2 3") == 4)
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0
               1: 0100007F:2384 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 100 0
            """
        #expect(LocalBroker.listeners(table, ports: [9092]) == ["4242"])
        #expect(LocalBroker.listeners(table, ports: [9093]) == [])
    }
}
