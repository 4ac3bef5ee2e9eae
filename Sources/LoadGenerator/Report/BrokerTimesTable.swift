// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where the time of requests went, as a terminal and a page show it.
public struct BrokerTimesTable: Sendable {
    /// Of the columns.
    public let titles: [String]
    /// One for each API; cells without a figure are a dash.
    public let rows: [[String]]
    /// What the figures are, and what is wrong with them: a line each.
    public let notes: [String]

    /// - Parameters:
    ///   - times: of a report.
    ///   - isWide: percentiles of the client, of the work and of the disk are wanted, too.
    public init(_ times: BenchReport.BrokerTimes, isWide: Bool) {
        typealias Column = (title: String, text: (BenchReport.Requests) -> String?)
        func mean(_ times: BenchReport.Times?) -> String? { (times?.mean).map { BenchText.ms($0) } }
        func p99(_ times: BenchReport.Times?) -> String? { (times?.p99).map { BenchText.ms($0) } }
        let columns: [Column?] = [
            ("REQUESTS", { $0.api }), ("COUNT", { "\($0.count)" }),
            ("CLIENT MS", { ($0.clientMs?.mean).map { BenchText.ms($0) } }),
            isWide ? ("P50", { ($0.clientMs?.p50).map { BenchText.ms($0) } }) : nil,
            isWide ? ("P99", { ($0.clientMs?.p99).map { BenchText.ms($0) } }) : nil,
            ("REST", { $0.restMs.map { BenchText.ms($0) } }), ("BROKER MS", { mean($0.totalMs) }),
            ("P50 ~", { BenchText.ms($0.totalMs.p50) }), ("P99 ~", { BenchText.ms($0.totalMs.p99) }),
            ("LOCAL", { mean($0.localMs) }),
            ("WAITING", { row in row.perRequest(row.waitMs).map { BenchText.ms($0) } }),
            ("QUEUE", { mean($0.queueMs) }), isWide ? ("P99 ~", { p99($0.queueMs) }) : nil,
            ("DISK", { mean($0.diskMs) }), isWide ? ("P99 ~", { p99($0.diskMs) }) : nil,
        ]
        let shown = columns.compactMap(\.self)
        self.titles = shown.map(\.title)
        self.rows = times.requests.map { row in shown.map { $0.text(row) ?? "-" } }
        self.notes = Self.notes(times)
    }

    private static func notes(_ times: BenchReport.BrokerTimes) -> [String] {
        var notes: [String] = []
        if !times.requests.isEmpty {
            notes.append(
                "means in ms as the brokers at \(times.admin.joined(separator: ", ")) measured them; ~ interpolated"
                    + " between the bounds of buckets")
            notes.append(
                "client = rest (network and client) + broker; broker = local + waiting; queue and disk: of each batch"
                    + " or read")
        } else if times.problems.isEmpty {
            notes.append("the brokers told of no Produce and no Fetch")
        }
        if let record = times.recordMs {
            notes.append(
                "a record took \(BenchText.ms(record.all)) ms on average: \(BenchText.ms(record.beforeRequest)) until its"
                    + " request began, \(BenchText.ms(record.rest)) network and client,"
                    + " \(BenchText.ms(record.broker)) broker")
        }
        return notes + times.problems
    }
}
