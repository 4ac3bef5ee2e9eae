// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// Several runs beside each other; the first is what the others are measured by.
public struct Comparison: Sendable {
    /// A run and what it is called here.
    public struct Run: Sendable {
        /// Tells it from the others.
        public var label: String
        /// What it found.
        public var report: BenchReport

        /// A run.
        public init(label: String, report: BenchReport) {
            self.label = label
            self.report = report
        }
    }

    /// What is compared.
    public enum Figure: String, Sendable, CaseIterable, Codable {
        case recordsPerSecond, bytesPerSecond, p50, p90, p99, p999, max, failed
        /// Of requests, where the brokers were asked.
        case clientMean, brokerMean, brokerP99, brokerDisk, rest

        /// What people call it.
        public var title: String {
            switch self {
            case .recordsPerSecond: "records/s"
            case .bytesPerSecond: "MB/s"
            case .p50: "p50 ms"
            case .p90: "p90 ms"
            case .p99: "p99 ms"
            case .p999: "p99.9 ms"
            case .max: "max ms"
            case .failed: "errors"
            case .clientMean: "client ms"
            case .brokerMean: "broker ms"
            case .brokerP99: "broker p99 ~"
            case .brokerDisk: "disk ms"
            case .rest: "rest ms"
            }
        }

        /// A value as people read it.
        public func text(_ value: Double) -> String {
            switch self {
            case .recordsPerSecond, .failed: BenchText.number(value, digits: 0)
            case .bytesPerSecond: BenchText.number(value / 1e6, digits: 2)
            default: BenchText.ms(value)
            }
        }

        func value(_ phase: BenchReport.Phase) -> Double? {
            switch self {
            case .recordsPerSecond: phase.recordsPerSecond
            case .bytesPerSecond: phase.bytesPerSecond
            case .p50: phase.latencyMs?.p50
            case .p90: phase.latencyMs?.p90
            case .p99: phase.latencyMs?.p99
            case .p999: phase.latencyMs?.p999
            case .max: phase.latencyMs?.max
            case .failed: Double(phase.failed)
            case .clientMean, .brokerMean, .brokerP99, .brokerDisk, .rest: nil
            }
        }

        func value(_ requests: BenchReport.Requests) -> Double? {
            switch self {
            case .clientMean: requests.clientMs?.mean
            case .brokerMean: requests.totalMs.mean
            case .brokerP99: requests.totalMs.p99
            case .brokerDisk: requests.diskMs?.mean
            case .rest: requests.restMs
            default: nil
            }
        }
    }

    /// One figure of one phase, in the order of the runs.
    public struct Row: Sendable, Equatable {
        /// The phase's name, or the API's whose requests it is about.
        public var phase: String
        /// What is compared.
        public var figure: Figure
        /// Nil for a run that has no such phase or figure.
        public var values: [Double?]

        /// The value of a run by that of the first; nil where one is missing, or the first is zero.
        public func ratio(_ position: Int) -> Double? {
            guard let first = self.values.first.flatMap({ $0 }), first != 0, let value = self.values[position] else {
                return nil
            }
            return value / first
        }
    }

    /// The runs, in the order in which they were named.
    public let runs: [Run]

    /// Puts runs beside each other. Labels that are the same are numbered.
    public init(_ runs: [Run]) {
        var seen: [String: Int] = [:]
        self.runs = runs.map { run in
            seen[run.label, default: 0] += 1
            let number = seen[run.label] ?? 1
            return Run(label: number == 1 ? run.label : "\(run.label) (\(number))", report: run.report)
        }
    }

    /// What the runs are called.
    public var labels: [String] { self.runs.map(\.label) }

    /// The figures, phase by phase; those that no run has are left out.
    public var rows: [Row] {
        var phases: [String] = []
        for run in self.runs {
            for phase in run.report.phases where !phases.contains(phase.name) { phases.append(phase.name) }
        }
        return phases.flatMap { name in
            self.rows(name) { figure, report in
                report.phases.first { $0.name == name }.flatMap { figure.value($0) }
            }
        }
            + BrokerSnapshot.apis.flatMap { api in
                self.rows(api) { figure, report in
                    report.brokerTimes?.requests.first { $0.api == api }.flatMap { figure.value($0) }
                }
            }
    }

    private func rows(_ name: String, _ value: (Figure, BenchReport) -> Double?) -> [Row] {
        Figure.allCases.compactMap { figure in
            let values = self.runs.map { value(figure, $0.report) }
            return values.contains { $0 != nil } ? Row(phase: name, figure: figure, values: values) : nil
        }
    }

    /// What makes runs hard to compare: other workloads, or a client that was the bottleneck. A line for each.
    public var differences: [String] {
        guard let first = self.runs.first else { return [] }
        var lines: [String] = []
        for run in self.runs.dropFirst() where run.report.workload != first.report.workload {
            lines.append(
                "\(run.label) is another workload: \(BenchText.workload(run.report.workload, mode: run.report.mode))")
        }
        for run in self.runs where run.report.machine.clientWasBottleneck {
            lines.append("\(run.label): \(run.report.machine.verdict)")
        }
        return lines
    }

    /// The same as JSON. Throws when a figure is not a number.
    public func json() throws -> String {
        struct Page: Encodable {
            struct Line: Encodable {
                var phase: String
                var figure: String
                var values: [Double?]
                var ratios: [Double?]
            }
            var format = "martlet-bench-comparison"
            var version = 1
            var runs: [String]
            var rows: [Line]
            var differences: [String]
        }
        let rows = self.rows.map { row in
            Page.Line(
                phase: row.phase, figure: row.figure.rawValue, values: row.values,
                ratios: row.values.indices.map { row.ratio($0) })
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let page = Page(runs: self.labels, rows: rows, differences: self.differences)
        return String(decoding: try encoder.encode(page), as: UTF8.self)
    }
}
