// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The plots of a page: one run, or several on top of each other.
struct ReportPlots {
    private let runs: [Comparison.Run]

    init(_ runs: [Comparison.Run]) { self.runs = runs }

    /// Those for which there are figures.
    var all: [Plot] {
        [self.percentiles, self.throughput, self.latencyOverTime, self.backlog].compactMap(\.self)
    }

    private func label(_ run: Comparison.Run, _ name: String) -> String {
        self.runs.count > 1 ? "\(run.label), \(name)" : name
    }

    private var percentiles: Plot? {
        var series: [Plot.Series] = []
        for run in self.runs {
            for phase in run.report.phases where phase.name != "fill" {
                guard let histogram = phase.histogram.flatMap({ LatencyHistogram(encoded: $0) }), !histogram.isEmpty
                else {
                    continue
                }
                series.append(
                    Plot.Series(
                        label: self.label(run, phase.name), color: series.count,
                        dash: self.dash(phase.name), points: Self.points(histogram)))
            }
        }
        let all = series.flatMap(\.points)
        guard let last = all.map(\.x).max() else { return nil }
        return Plot(
            id: "percentiles", title: "Latency by percentile", xTitle: "records that took no longer",
            yTitle: "milliseconds", x: .percentiles(upTo: last), y: Self.yAxis(all.map(\.y)), series: series)
    }

    /// The latency below which each part of the records lies, up to the slowest.
    static func points(_ histogram: LatencyHistogram) -> [Plot.Point] {
        var points: [Plot.Point] = []
        var inverse = 1.0
        // The twentieth root of ten.
        let factor = 1.122018454301963
        while inverse <= Double(histogram.count) {
            let percentile = (1 - 1 / inverse) * 100
            let ms = Double(histogram.percentile(percentile)) / 1e6
            points.append(
                Plot.Point(
                    x: inverse, y: ms, note: "\(BenchText.number(percentile, digits: 4)) %: \(BenchText.ms(ms)) ms"))
            inverse *= factor
        }
        let largest = Double(histogram.max) / 1e6
        points.append(
            Plot.Point(x: Double(max(histogram.count, 1)), y: largest, note: "max: \(BenchText.ms(largest)) ms"))
        return points
    }

    private var throughput: Plot? {
        self.overTime(
            id: "throughput", title: "Throughput over time", yTitle: "MB a second",
            lines: [
                ("produce", nil, { ($0.produced?.bytesPerSecond).map { $0 / 1e6 } }),
                ("consume", "6 3", { ($0.consumed?.bytesPerSecond).map { $0 / 1e6 } }),
            ],
            note: { "\(BenchText.number($0, digits: 2)) MB/s" }, isFromZero: true)
    }

    private var latencyOverTime: Plot? {
        self.overTime(
            id: "latency", title: "Latency over time", yTitle: "milliseconds",
            lines: [
                ("produce p50", nil, { $0.produced?.p50 }), ("produce p99", "6 3", { $0.produced?.p99 }),
                ("produce max", "2 3", { $0.produced?.max }), ("end-to-end p50", nil, { $0.consumed?.p50 }),
                ("end-to-end p99", "6 3", { $0.consumed?.p99 }), ("end-to-end max", "2 3", { $0.consumed?.max }),
            ],
            note: { "\(BenchText.ms($0)) ms" }, isFromZero: false)
    }

    private var backlog: Plot? {
        self.overTime(
            id: "backlog", title: "Records not read yet", yTitle: "records",
            lines: [("backlog", nil, { $0.backlog.map(Double.init) })],
            note: { "\(BenchText.number($0, digits: 0)) records" }, isFromZero: true)
    }

    private typealias Line = (name: String, dash: String?, value: (BenchReport.Point) -> Double?)

    private func overTime(
        id: String, title: String, yTitle: String, lines: [Line], note: (Double) -> String, isFromZero: Bool
    ) -> Plot? {
        var series: [Plot.Series] = []
        var colors: [String: Int] = [:]
        for (position, run) in self.runs.enumerated() {
            for line in lines {
                let points = run.report.series.compactMap { point -> Plot.Point? in
                    guard let value = line.value(point) else { return nil }
                    return Plot.Point(
                        x: point.at, y: value, note: "\(BenchText.number(point.at, digits: 1)) s: \(note(value))")
                }
                guard points.contains(where: { $0.y > 0 }) else { continue }
                // Lines of one thing have one colour, and are told apart by their dashes.
                let kind = line.name.split(separator: " ").first.map(String.init) ?? line.name
                let known = colors["\(position) \(kind)"]
                let color = known ?? colors.count
                colors["\(position) \(kind)"] = color
                series.append(
                    Plot.Series(label: self.label(run, line.name), color: color, dash: line.dash, points: points))
            }
        }
        let all = series.flatMap(\.points)
        guard let first = all.map(\.x).min(), let last = all.map(\.x).max() else { return nil }
        let values = all.map(\.y)
        return Plot(
            id: id, title: title, xTitle: "seconds", yTitle: yTitle,
            x: .tight(from: min(first, 0), upTo: max(last, first + 1)),
            y: isFromZero ? .linear(upTo: values.max() ?? 1) : Self.yAxis(values), series: series,
            markers: first < 0 ? [(0, "counts from here")] : [])
    }

    private func dash(_ phase: String) -> String? { self.runs.count > 1 && phase == "end-to-end" ? "6 3" : nil }

    /// Two values that are this far apart do not go on one linear axis.
    private static let logarithmicFrom = 50.0

    private static func yAxis(_ values: [Double]) -> PlotAxis {
        let positive = values.filter { $0 > 0 }
        guard let low = positive.min(), let high = positive.max(), high / low >= Self.logarithmicFrom else {
            return .linear(upTo: values.max() ?? 1)
        }
        return .logarithmic(low...high)
    }
}
