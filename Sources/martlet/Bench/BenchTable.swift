// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import LoadGenerator

/// The result of a run for people.
struct BenchTable {
    private let report: BenchReport
    /// More percentiles are wanted.
    private let isWide: Bool

    init(_ report: BenchReport, isWide: Bool = false) {
        self.report = report
        self.isWide = isWide
    }

    func lines(terminal: Terminal = .plain) -> [String] {
        let report = self.report
        var lines = [
            "\(report.name): \(BenchText.workload(report.workload, mode: report.mode))", "",
        ]
        lines += self.table.lines(terminal: terminal)
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
        if let times = report.brokerTimes { lines += self.lines(times, terminal) }
        lines += report.errors.map { "\($0.kind): \($0.count) x \($0.message)" }
        return lines
    }

    private var table: TextTable {
        typealias Cell = (title: String, value: (BenchReport.Latency) -> Double)
        let latencies: [Cell] =
            (self.isWide ? [("MEAN MS", { $0.mean })] : [])
            + [(self.isWide ? "P50" : "P50 MS", { $0.p50 }), ("P90", { $0.p90 }), ("P99", { $0.p99 })]
            + [("P99.9", { $0.p999 })] + (self.isWide ? [("P99.99", { $0.p9999 })] : []) + [("MAX", { $0.max })]
        var table = TextTable(
            [.init("PHASE"), .init("SECONDS", .right), .init("RECORDS/S", .right), .init("MB/S", .right)]
                + latencies.map { TextTable.Column($0.title, .right) } + [.init("ERRORS", .right)])
        for phase in self.report.phases {
            let cells = [
                phase.name, BenchText.number(phase.seconds, digits: 1),
                BenchText.number(phase.recordsPerSecond, digits: 0),
                BenchText.number(phase.bytesPerSecond / 1e6, digits: 2),
            ]
            let figures = latencies.map { cell in phase.latencyMs.map { BenchText.ms(cell.value($0)) } ?? "-" }
            table.append(
                cells + figures + ["\(phase.failed)"],
                styles: phase.failed > 0 ? [cells.count + figures.count: .bad] : [:])
        }
        return table
    }

    /// What the brokers told: a table of its own, with an empty line before it.
    private func lines(_ times: BenchReport.BrokerTimes, _ terminal: Terminal) -> [String] {
        let content = BrokerTimesTable(times, isWide: self.isWide)
        guard !content.rows.isEmpty else { return content.notes }
        var table = TextTable(
            content.titles.enumerated().map { TextTable.Column($1, $0 == 0 ? .left : .right) })
        for row in content.rows { table.append(row) }
        return [""] + table.lines(terminal: terminal) + content.notes
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
