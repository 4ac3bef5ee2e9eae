// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A page with the figures and plots of one run, or of several beside each other. Everything is in it: it opens from
/// the disk, and needs nothing from the net.
public struct HTMLReport: Sendable {
    private let comparison: Comparison

    /// The page of one run.
    public init(_ report: BenchReport) {
        self.comparison = Comparison([Comparison.Run(label: report.name, report: report)])
    }

    /// The page of several runs.
    public init(_ comparison: Comparison) { self.comparison = comparison }

    /// The page, in HTML. Linear in the length of the runs.
    public var text: String {
        let runs = self.comparison.runs
        let title = runs.count == 1 ? runs[0].report.name : "\(runs.count) runs"
        let body = runs.count == 1 ? self.single(runs[0].report) : self.several
        let plots = ReportPlots(runs).all.map(\.html).joined()
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title.htmlEscaped) · martlet bench</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <header><h1>\(title.htmlEscaped)</h1>\(self.subtitle)</header>
            <main>\(body)<section class="plots">\(plots)</section>\(self.details)</main>
            <footer>martlet bench, report version \(BenchReport.currentVersion). Latency counts from the moment
            at which a record was due.</footer>
            </body>
            </html>

            """
    }

    private var subtitle: String {
        self.comparison.runs.map { run in
            let report = run.report
            let name = self.comparison.runs.count == 1 ? "" : "<b>\(run.label.htmlEscaped)</b>: "
            let outcome = report.outcome == .complete ? "" : " <mark>interrupted</mark>"
            let workload = BenchText.workload(report.workload, mode: report.mode).htmlEscaped
            return "<p>\(name)\(workload). \(report.startedAt.htmlEscaped)\(outcome)</p>"
        }.joined()
    }

    // MARK: One run

    private func single(_ report: BenchReport) -> String {
        var cards: [(String, String, String)] = []
        for phase in report.phases where phase.name != "fill" {
            if phase.name != "end-to-end" {
                cards.append(
                    (
                        phase.name, BenchText.number(phase.bytesPerSecond / 1e6, digits: 1) + " MB/s",
                        BenchText.number(phase.recordsPerSecond, digits: 0) + " records/s"
                    ))
            }
            if let latency = phase.latencyMs {
                cards.append(
                    (
                        "\(phase.name) latency", "\(BenchText.ms(latency.p99)) ms p99",
                        "p50 \(BenchText.ms(latency.p50)), max \(BenchText.ms(latency.max))"
                    ))
            }
        }
        let items = cards.map { name, value, more in
            "<div class=\"card\"><h2>\(name.htmlEscaped)</h2><strong>\(value.htmlEscaped)</strong>"
                + "<span>\(more.htmlEscaped)</span></div>"
        }
        return "<section class=\"cards\">\(items.joined())</section>" + self.phases(report)
            + self.brokerTimes(report)
    }

    private func phases(_ report: BenchReport) -> String {
        let titles = [
            "phase", "seconds", "records/s", "MB/s", "p50 ms", "p90", "p99", "p99.9", "p99.99", "max", "errors",
        ]
        let rows = report.phases.map { phase -> [String] in
            let latency = phase.latencyMs
            func ms(_ value: Double?) -> String { value.map { BenchText.ms($0) } ?? "–" }
            return [
                phase.name, BenchText.number(phase.seconds, digits: 1),
                BenchText.number(phase.recordsPerSecond, digits: 0),
                BenchText.number(phase.bytesPerSecond / 1e6, digits: 2), ms(latency?.p50), ms(latency?.p90),
                ms(latency?.p99), ms(latency?.p999), ms(latency?.p9999), ms(latency?.max), "\(phase.failed)",
            ]
        }
        return "<section>\(Self.table(titles, rows))</section>"
    }

    /// Nothing for a run in which the brokers were not asked.
    private func brokerTimes(_ report: BenchReport) -> String {
        guard let times = report.brokerTimes else { return "" }
        let content = BrokerTimesTable(times, isWide: true)
        let table = content.rows.isEmpty ? "" : Self.table(content.titles.map { $0.lowercased() }, content.rows)
        let notes = content.notes.map { "<li>\($0.htmlEscaped)</li>" }.joined()
        return "<section id=\"broker\"><h2>In the brokers</h2>\(table)<ul>\(notes)</ul></section>"
    }

    private static func table(_ titles: [String], _ rows: [[String]]) -> String {
        let head = titles.map { "<th>\($0.htmlEscaped)</th>" }.joined()
        let body = rows.map { "<tr>\($0.map { "<td>\($0.htmlEscaped)</td>" }.joined())</tr>" }.joined()
        return "<table><thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table>"
    }

    // MARK: Several

    private var several: String {
        let labels = self.comparison.labels
        let titles = ["phase", "figure"] + labels.enumerated().flatMap { $0 == 0 ? [$1] : [$1, "ratio"] }
        let rows = self.comparison.rows.map { row -> [String] in
            [row.phase, row.figure.title]
                + row.values.enumerated().flatMap { position, value -> [String] in
                    let text = value.map { row.figure.text($0) } ?? "–"
                    guard position > 0 else { return [text] }
                    return [text, row.ratio(position).map { BenchText.number($0, digits: 2) } ?? "–"]
                }
        }
        let differences = self.comparison.differences.map { "<li>\($0.htmlEscaped)</li>" }.joined()
        return "<section>\(Self.table(titles, rows))\(differences.isEmpty ? "" : "<ul>\(differences)</ul>")</section>"
    }

    // MARK: The rest

    private var details: String {
        self.comparison.runs.map { run in
            let report = run.report
            var lines = [Self.totals(report.totals), Self.machine(report.machine)]
            if let ping = report.cluster.pingMs {
                lines.append(
                    "Network and threads alone, by ApiVersions: p50 \(BenchText.ms(ping.p50)) ms, p99"
                        + " \(BenchText.ms(ping.p99)) ms.")
            }
            lines.append("Brokers: \(report.cluster.brokers.joined(separator: ", ")).")
            lines += report.errors.map { "\($0.count) × \($0.kind): \($0.message)" }
            let items = lines.map { "<li>\($0.htmlEscaped)</li>" }.joined()
            return "<section><h2>\(self.comparison.runs.count == 1 ? "Details" : run.label.htmlEscaped)</h2>"
                + "<ul>\(items)</ul></section>"
        }.joined()
    }

    private static func totals(_ totals: BenchReport.Totals) -> String {
        var text = "\(totals.sent) records sent, \(totals.acknowledged) acknowledged, \(totals.failed) failed"
        if let inLog = totals.inLog { text += ", \(inLog) in the log" }
        if let received = totals.received { text += ", \(received) received" }
        if let seconds = totals.backlogDrainedAfter {
            text += "; backlog caught up with after \(BenchText.number(seconds, digits: 1)) s"
        }
        return text + "."
    }

    private static func machine(_ machine: BenchReport.Machine) -> String {
        var text = "Client: \(BenchText.number(machine.clientCores, digits: 2)) of \(machine.cores) cores"
        if let busiest = machine.busiestThread {
            text += ", its busiest thread \(BenchText.number(busiest * 100, digits: 0)) %"
        }
        if let broker = machine.brokerCores { text += "; broker \(BenchText.number(broker, digits: 2)) cores" }
        if let busy = machine.busyCores { text += "; all processes \(BenchText.number(busy, digits: 2)) cores" }
        return text + ". " + machine.verdict.prefix(1).uppercased() + machine.verdict.dropFirst() + "."
    }

    /// Colours that people with any kind of sight tell apart, by Okabe and Ito, with lighter ones for the dark.
    private static let style = """
        :root{--back:#fbfbfa;--card:#fff;--ink:#1d2327;--soft:#5b666e;--rule:#dfe3e6;
        --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b5569a;--c4:#8a6d00;--c5:#3a8fc4;--c6:#6b4fa0;--c7:#555}
        @media(prefers-color-scheme:dark){:root{--back:#14181b;--card:#1c2226;--ink:#e8ecee;--soft:#9aa6ad;
        --rule:#333c42;        --c0:#56b4e9;--c1:#f0903a;--c2:#3fc79a;--c3:#e08cc4;--c4:#e3cf4a;--c5:#9fd3f2;--c6:#b7a2e8;--c7:#bbb}}
        *{box-sizing:border-box}
        body{margin:0 auto;max-width:1560px;padding:24px;background:var(--back);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
        h1{font-size:26px;margin:0 0 4px}h2{font-size:13px;font-weight:600;color:var(--soft);margin:0 0 4px}
        header p,footer{color:var(--soft);margin:0 0 4px}footer{font-size:13px;margin-top:24px}
        section{margin-top:20px}
        .cards{display:flex;flex-wrap:wrap;gap:16px}
        .card,figure,table{background:var(--card);border:1px solid var(--rule);border-radius:10px}
        .card{padding:14px 18px;min-width:190px;flex:1}
        .card strong{display:block;font-size:24px;font-variant-numeric:tabular-nums}.card span{color:var(--soft)}
        table{border-collapse:separate;border-spacing:0;width:100%;font-variant-numeric:tabular-nums;overflow:hidden}
        th,td{padding:7px 14px;text-align:right;border-bottom:1px solid var(--rule)}
        th{color:var(--soft);font-weight:600;font-size:13px}tr:last-child td{border-bottom:0}
        th:first-child,td:first-child{text-align:left}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:16px}
        figure{margin:0;padding:14px 14px 8px}figcaption{font-weight:600;margin-bottom:6px}
        figure>svg{width:100%;height:auto;display:block}
        .grid{stroke:var(--rule);stroke-width:1}.marker{stroke:var(--soft);stroke-dasharray:4 4}
        .tick{fill:var(--soft);font-size:11px}.axis{fill:var(--soft);font-size:12px}
        .line{fill:none;stroke-width:2;stroke-linejoin:round}.touch{fill:transparent;stroke:none}
        .touch:hover{fill:var(--ink)}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:6px 0;color:var(--soft);
        font-size:13px}.key{width:24px;height:8px;margin-right:6px;vertical-align:middle}
        mark{background:var(--c1);color:#fff;padding:0 6px;border-radius:4px}
        \((0..<Plot.colorCount).map { ".line.c\($0){stroke:var(--c\($0))}.dot.c\($0){fill:var(--c\($0))}" }.joined())
        """
}
