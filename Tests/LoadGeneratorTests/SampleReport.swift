// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

@testable import LoadGenerator

/// A report as a run of half a minute may have it, made of a seed.
enum SampleReport {
    /// What two brokers may say, with long names.
    static var brokerTimes: BenchReport.BrokerTimes {
        let latency = BenchReport.Latency(mean: 2.31, p50: 2, p90: 3, p99: 14.1, p999: 20, p9999: 20, max: 21)
        let times = BenchReport.Times(count: 98_765, mean: 1.23, p50: 1.11, p99: 12.3)
        let requests = BenchReport.Requests(
            api: "Produce", clientCount: 98_765, clientMs: latency, totalMs: times, localMs: times, waitMs: times,
            queueMs: times, diskMs: times, restMs: 1.08)
        var fetches = requests
        fetches.api = "Fetch"
        return BenchReport.BrokerTimes(
            admin: ["kafka-0.kafka.default.svc.cluster.local:9644", "kafka-1.kafka.default.svc.cluster.local:9644"],
            requests: [requests, fetches], recordMs: .init(all: 3, beforeRequest: 0.69, rest: 1.08, broker: 1.23),
            problems: ["no times of the broker at kafka-2.kafka.default.svc.cluster.local:9644: it did not answer"])
    }

    static func make(_ name: String = "sample", seed: UInt64 = 1, slowness: Double = 1) -> BenchReport {
        var random = FastRandom(seed: seed)
        let workload = Workload(mode: .mixed, name: name)
        let start: Int64 = 0
        let second: Int64 = 1_000_000_000
        var statistics = RunStatistics(
            start: start, countFrom: 3 * second, produces: true, consumes: true, subscriptions: 1, backlog: 0)
        for number in Int64(0)..<33 {
            func interval(_ milliseconds: Double) -> RecordedInterval {
                var interval = RecordedInterval()
                for _ in 0..<3000 {
                    // Most are quick, a few are not.
                    let tail = Double(1 + random.next(below: 1000))
                    let latency = milliseconds * slowness * (1 + 0.3 * Double(random.next(below: 100)) / 100 + 4 / tail)
                    interval.records += 1
                    interval.bytes += 1024
                    if number >= 3 {
                        interval.counted.record(Int64(latency * 1e6))
                        interval.countedRecords += 1
                        interval.countedBytes += 1024
                    } else {
                        interval.uncounted.record(Int64(latency * 1e6))
                    }
                }
                interval.lastAt = (number + 1) * second
                return interval
            }
            statistics.addProduced(interval(2))
            statistics.addConsumed(interval(3))
            _ = statistics.endPoint(at: (number + 1) * second, clientCores: 0.4)
        }
        let usage = (
            from: MachineUsage(client: 0, threads: [1: 0], broker: 0, busy: 0, at: 0),
            to: MachineUsage(client: 12, threads: [1: 9], broker: 15, busy: 30, at: 30 * second)
        )
        let end = 33 * second
        let phases =
            [statistics.producePhase("produce", end: end)].compactMap(\.self) + statistics.consumePhases(end: end)
        return BenchReport(
            name: name, mode: .mixed, startedAt: "2026-01-01T00:00:00Z", outcome: .complete,
            workload: BenchReport.Settings(workload),
            cluster: BenchReport.Cluster(id: "c", brokers: ["127.0.0.1:9092"], pingMs: nil),
            machine: BenchReport.Machine(from: usage.from, to: usage.to, cores: 2, waited: 0.1, kept: nil),
            phases: phases, series: statistics.series,
            totals: BenchReport.Totals(
                sent: 99_000, acknowledged: 99_000, failed: 0, received: 99_000, inLog: 99_000,
                backlogDrainedAfter: nil),
            errors: [])
    }
}
