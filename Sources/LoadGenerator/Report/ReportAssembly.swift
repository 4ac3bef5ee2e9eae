// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// Puts the report together from what the phases came to.
struct ReportAssembly {
    /// A load that reached so much of its rate has kept to it.
    static let keptRate = 0.98

    let workload: Workload
    let cluster: ClusterDescription
    let startedAt: String
    var fill: LoadPhase.Outcome?
    var load: LoadPhase.Outcome?
    var inLog: Int?
    /// What the brokers told of the load; nil when nobody asked.
    var watch: BrokerWatch?
    var isInterrupted = false

    var report: BenchReport {
        BenchReport(
            name: self.workload.name, mode: self.workload.mode, startedAt: self.startedAt,
            outcome: self.isInterrupted ? .interrupted : .complete, workload: BenchReport.Settings(self.workload),
            cluster: BenchReport.Cluster(
                id: self.cluster.clusterID, brokers: self.cluster.brokers.map { "\($0.address)" },
                pingMs: self.load.flatMap { BenchReport.Latency($0.ping) }),
            machine: self.machine, phases: self.phases, series: self.load?.statistics.series ?? [],
            totals: self.totals, errors: self.errors, brokerTimes: self.brokerTimes)
    }

    private var brokerTimes: BenchReport.BrokerTimes? {
        self.watch.map { watch in
            BenchReport.BrokerTimes(
                watch.outcome, requests: watch.requests,
                produce: self.load?.statistics.producePhase("produce", end: self.load?.end),
                waitsForAnswers: self.workload.acks != .none)
        }
    }

    private var phases: [BenchReport.Phase] {
        let fill = self.fill?.statistics.producePhase("fill", end: self.fill?.end)
        guard let load = self.load else { return [fill].compactMap(\.self) }
        return [fill, load.statistics.producePhase("produce", end: load.end)].compactMap(\.self)
            + load.statistics.consumePhases(end: load.end)
    }

    private var machine: BenchReport.Machine {
        guard let outcome = self.load ?? self.fill else {
            return BenchReport.Machine(
                cores: MachineUsage.cores, clientCores: 0, clientWasBottleneck: false, verdict: "there was no load")
        }
        var kept: Bool?
        if self.load != nil, let rate = self.workload.rate {
            let reached = outcome.statistics.producePhase("produce", end: outcome.end)?.recordsPerSecond ?? 0
            kept = reached >= rate * Self.keptRate
        }
        return BenchReport.Machine(
            from: outcome.usage.from, to: outcome.usage.to, cores: MachineUsage.cores, waited: outcome.waited,
            kept: kept)
    }

    private var totals: BenchReport.Totals {
        let outcomes = [self.fill, self.load].compactMap(\.self)
        return BenchReport.Totals(
            sent: outcomes.reduce(0) { $0 + $1.sent },
            acknowledged: outcomes.reduce(0) { $0 + $1.acknowledged },
            failed: outcomes.reduce(0) { $0 + ($1.statistics.produced?.totals.failures ?? 0) },
            received: self.load?.statistics.consumed?.totals.records, inLog: self.inLog,
            backlogDrainedAfter: self.load?.statistics.backlogDrainedAfter)
    }

    private var errors: [BenchReport.Failure] {
        [self.fill, self.load].compactMap(\.self).flatMap(\.errors).map { error in
            BenchReport.Failure(kind: error.kind, message: error.message, count: error.count)
        }
    }
}
