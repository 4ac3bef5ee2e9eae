// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import LoadGenerator

/// The result of a run for people.
struct BenchTable {
    private let report: BenchReport

    init(_ report: BenchReport) { self.report = report }

    var lines: [String] {
        let report = self.report
        var lines = [
            "\(report.name): \(BenchText.workload(report.workload, mode: report.mode))", "",
        ]
        lines += self.table.lines()
        lines.append("")
        lines.append(self.totals)
        if let seconds = report.totals.backlogDrainedAfter {
            lines.append("backlog caught up with after \(BenchText.number(seconds, digits: 1)) s")
        }
        if let ping = report.cluster.pingMs {
            lines.append(
                "network and threads alone (ApiVersions): p50 \(BenchText.ms(ping.p50)), p99 \(BenchText.ms(ping.p99))"
                    + " ms")
        }
        lines.append(self.machine)
        lines += report.errors.map { "\($0.kind): \($0.count) x \($0.message)" }
        return lines
    }

    private var table: TextTable {
        var table = TextTable([
            .init("PHASE"), .init("SECONDS", .right), .init("RECORDS/S", .right), .init("MB/S", .right),
            .init("P50 MS", .right), .init("P90", .right), .init("P99", .right), .init("P99.9", .right),
            .init("MAX", .right), .init("ERRORS", .right),
        ])
        for phase in self.report.phases {
            let latency = phase.latencyMs
            func ms(_ value: Double?) -> String { value.map { BenchText.ms($0) } ?? "-" }
            table.append([
                phase.name, BenchText.number(phase.seconds, digits: 1),
                BenchText.number(phase.recordsPerSecond, digits: 0),
                BenchText.number(phase.bytesPerSecond / 1e6, digits: 2), ms(latency?.p50), ms(latency?.p90),
                ms(latency?.p99), ms(latency?.p999), ms(latency?.max), "\(phase.failed)",
            ])
        }
        return table
    }

    private var totals: String {
        let totals = self.report.totals
        var parts = ["\(totals.sent) records sent", "\(totals.acknowledged) acknowledged"]
        if let inLog = totals.inLog { parts.append("\(inLog) in the log") }
        if let received = totals.received { parts.append("\(received) received") }
        if totals.failed > 0 { parts.append("\(totals.failed) failed") }
        return parts.joined(separator: ", ")
    }

    private var machine: String {
        let machine = self.report.machine
        var parts = ["client \(BenchText.number(machine.clientCores, digits: 2)) of \(machine.cores) cores"]
        if let busiest = machine.busiestThread {
            parts.append("its busiest thread \(BenchText.number(busiest * 100, digits: 0)) %")
        }
        if let broker = machine.brokerCores { parts.append("broker \(BenchText.number(broker, digits: 2))") }
        if let busy = machine.busyCores { parts.append("all \(BenchText.number(busy, digits: 2))") }
        if let waited = machine.producersWaited {
            parts.append("producers waited \(BenchText.number(waited * 100, digits: 0)) % of the time")
        }
        return parts.joined(separator: ", ") + "\n" + machine.verdict
    }
}
