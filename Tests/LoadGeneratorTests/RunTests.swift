// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import MartletTestKit
import Synchronization
import Testing

@testable import LoadGenerator

/// Whole runs against a broker in this process.
@Suite("BenchRun", .serialized) struct RunTests {
    private static func run(
        _ workload: Workload, on martlet: Martlet, _ change: (inout BenchRun) -> Void = { _ in }
    ) async throws -> BenchReport {
        let configuration = try KafkaClusterConfiguration(bootstrap: martlet.bootstrap)
        var run = BenchRun(workload)
        change(&run)
        return try await KafkaCluster.withCluster(configuration) { [run] cluster in
            try await run.run(on: cluster, startedAt: "2026-01-01T00:00:00Z", seed: 7)
        }
    }

    private static func topicCount(_ martlet: Martlet) async throws -> Int {
        try await KafkaCluster.withCluster(try KafkaClusterConfiguration(bootstrap: martlet.bootstrap)) {
            try await $0.listTopics().count
        }
    }

    @Test(
        "every record that is sent is acknowledged and in the log, whatever its keys, codec and acks",
        arguments: [
            (KeyChoice.none, CompressionCodec.none, RequiredAcks.all), (.random(50), .lz4, .leader),
            (.roundRobin(7), .zstd, .all), (.partition, .gzip, .all), (.none, .snappy, .none),
        ])
    func produce(keys: KeyChoice, codec: CompressionCodec, acks: RequiredAcks) async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .produce)
            workload.keys = keys
            workload.codec = codec
            workload.acks = acks
            workload.topicCount = 2
            workload.producers = .total(3)
            workload.size = .uniform(0, 300)
            workload.limit = .records(2000)
            let report = try await Self.run(workload, on: martlet)
            #expect(report.problem == nil)
            #expect((report.totals.sent, report.totals.acknowledged, report.totals.failed) == (2000, 2000, 0))
            if acks != .none { #expect(report.totals.inLog == 2000) }
            #expect(report.totals.received == nil)
            let phase = try #require(report.phases.first)
            #expect((phase.name, phase.records) == ("produce", 2000))
            #expect(try #require(phase.histogram.flatMap { LatencyHistogram(encoded: $0) }).count == 2000)
            #expect(try await Self.topicCount(martlet) == 0)
        }
    }

    @Test("at a rate, so many records are sent as are due, and readers get each of them with its age")
    func endToEnd() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .endToEnd)
            workload.rate = 500
            workload.limit = .seconds(1)
            workload.warmUp = 0.2
            workload.producers = .total(2)
            workload.consumers = .total(2)
            workload.subscriptions = 2
            workload.size = .fixed(16)
            let report = try await Self.run(workload, on: martlet)
            #expect(report.problem == nil)
            #expect(report.totals.sent == 600)
            #expect((report.totals.inLog, report.totals.received) == (600, 1200))
            let rows = Dictionary(uniqueKeysWithValues: report.phases.map { ($0.name, $0) })
            let written = try #require(rows["produce"]?.histogram.flatMap { LatencyHistogram(encoded: $0) })
            let read = try #require(rows["end-to-end"]?.histogram.flatMap { LatencyHistogram(encoded: $0) })
            // Those that were due in the warm-up do not count, those that were late at the end do.
            #expect((written.count, read.count) == (500, 1000))
            #expect(!report.series.isEmpty)
        }
    }

    @Test("a backlog is written first and read once, or again and again until the time is over")
    func consume() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .consume)
            workload.backlogBytes = 200_000
            workload.size = .fixed(100)
            workload.consumers = .total(2)
            workload.codec = .lz4
            workload.limit = .backlog
            let once = try await Self.run(workload, on: martlet)
            #expect(once.problem == nil)
            #expect(once.phases.map(\.name) == ["fill", "consume"])
            #expect(once.phases.map(\.records) == [2000, 2000])
            #expect((once.totals.inLog, once.totals.received) == (2000, 2000))
            workload.limit = .seconds(600)
            let received = Mutex(0.0)
            let looping = try await Self.run(workload, on: martlet) { run in
                let ending = run
                run.observer = { progress in
                    guard case .point(_, let point) = progress, let consumed = point.consumed else { return }
                    let sum = received.withLock { sum in
                        sum += consumed.recordsPerSecond * point.seconds
                        return sum
                    }
                    if sum > 4000 { ending.end() }
                }
            }
            #expect(looping.outcome == .interrupted)
            #expect(try #require(looping.totals.received) > 4000)
        }
    }

    @Test("readers of a mixed run begin with its backlog, by a group too, and the report tells when it was drained")
    func mixed() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .mixed)
            workload.backlogBytes = 100_000
            workload.size = .fixed(100)
            workload.rate = 1000
            workload.limit = .seconds(1.2)
            workload.warmUp = 0
            workload.usesGroups = true
            let report = try await Self.run(workload, on: martlet) { $0.keepsTopics = true }
            #expect(report.problem == nil)
            #expect(report.totals.received == report.totals.sent)
            #expect(report.totals.inLog == report.totals.sent)
            #expect(report.totals.backlogDrainedAfter != nil)
            #expect(try await Self.topicCount(martlet) == 1)
        }
    }

    @Test("a run that is ended early has the figures until then, and leaves nothing behind")
    func ended() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .produce)
            workload.rate = 200
            workload.limit = .seconds(600)
            workload.warmUp = 0
            let report = try await Self.run(workload, on: martlet) { run in
                let ending = run
                run.observer = { if case .point = $0 { ending.end() } }
            }
            #expect(report.outcome == .interrupted)
            #expect(report.problem?.contains("interrupted") == true)
            #expect(report.totals.sent > 0)
            #expect(report.totals.inLog == report.totals.acknowledged)
            #expect(try await Self.topicCount(martlet) == 0)
        }
    }

    @Test("records that a broker refuses are counted with the reason, and the run says that it failed")
    func refused() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .produce)
            workload.size = .fixed(5000)
            workload.topicConfigs = ["max.message.bytes": "1000"]
            workload.limit = .records(10)
            let report = try await Self.run(workload, on: martlet)
            #expect((report.totals.sent, report.totals.failed, report.totals.inLog) == (10, 10, 0))
            #expect(report.errors.first?.kind == "MESSAGE_TOO_LARGE")
            #expect(report.problem?.hasPrefix("10 records failed") == true)
        }
    }

    @Test("a broker that goes away in the middle does not keep the run from its end")
    func brokerGone() async throws {
        try await withMartlet { martlet in
            var workload = Workload(mode: .mixed)
            workload.rate = 500
            workload.limit = .seconds(1.5)
            workload.warmUp = 0
            let (points, point) = AsyncStream<Void>.makeStream()
            async let killed: Void = {
                for await _ in points { return try await martlet.kill() }
            }()
            let report = try await Self.run(workload, on: martlet) { run in
                run.drainSeconds = 0.5
                run.observer = { if case .point = $0 { point.yield() } }
            }
            try await killed
            #expect(report.totals.failed > 0)
            #expect(report.totals.sent == report.totals.acknowledged + report.totals.failed)
            #expect(report.problem?.contains("not acknowledged within 0.5 s") == true, "\(report.errors)")
            #expect(report.totals.inLog == nil)
        }
    }
}
