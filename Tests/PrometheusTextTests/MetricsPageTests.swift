// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText
import Testing

@Suite("Prometheus' text format")
struct MetricsPageTests {
    @Test("help, type and samples of each family stand together and read as they were written")
    func families() throws {
        let orders = MetricFamily("orders_total", .counter, "Orders.", labels: ["shop", "kind"])
        let load = MetricFamily("load", .gauge, "Load.")
        var page = MetricsPage()
        page.write(orders) { samples in
            samples.add(["a", "b"], 3)
            samples.add(["a", ""], 4)
        }
        page.write(load, 0.25)
        let read = try StrictPage(page.bytes)
        #expect(read.families.map(\.name) == ["orders_total", "load"])
        #expect(read.families.map(\.type) == ["counter", "gauge"])
        #expect(read["orders_total"]?.help == "Orders.")
        #expect(read.value("orders_total", ["shop": "a", "kind": "b"]) == 3)
        #expect(read.value("orders_total", ["shop": "a"]) == 4)
        #expect(read.value("load") == 0.25)
    }

    @Test("whatever is in a label's value comes through")
    func escaping() throws {
        let family = MetricFamily("x", .gauge, "A \\ and\na line.", labels: ["name"])
        let rude = ["quote\"", "back\\slash", "line\nbreak", "both\\\"", "ü🦅", " ", "}", "a=\"b\","]
        var page = MetricsPage()
        page.write(family) { samples in for (index, name) in rude.enumerated() { samples.add([name], index) } }
        let read = try StrictPage(page.bytes)
        for (index, name) in rude.enumerated() { #expect(read.value("x", ["name": name]) == Double(index)) }
        #expect(read["x"]?.help == "A \\\\ and\\na line.")
    }

    private static let samples: [(value: Double, text: String)] = [
        (0.1, "0.1"), (1e-9 * 50_000, "5e-05"), (1e-9 * 30_000_000_000, "30.0"), (-2.5, "-2.5"),
        (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (1e-9 * 2_500_000, "0.0025"),
        (1.5e300, "1.5e+300"),
    ]

    @Test("numbers read as what they are, and have no digits that nobody measured", arguments: Self.samples)
    func numbers(value: Double, text: String) throws {
        var page = MetricsPage()
        page.write(MetricFamily("x", .gauge, "X."), value)
        #expect(String(decoding: page.bytes, as: UTF8.self).hasSuffix("\nx \(text)\n"))
        let read = try #require(try StrictPage(page.bytes).value("x"))
        #expect(read == value || read.isNaN && value.isNaN || abs(read / value - 1) < 1e-11)
    }

    @Test("a histogram's buckets count what is below them, too, and the last one is its count")
    func histogram() throws {
        let histogram = Histogram(bounds: [1_000_000, 10_000_000], unit: Histogram.nanoseconds)
        for time in [500_000, 1_000_000, 1_000_001, 50_000_000, -7] { histogram.record(time) }
        var page = MetricsPage()
        page.write(MetricFamily("t_seconds", .histogram, "T.", labels: ["api"])) { $0.add(["P"], histogram.snapshot) }
        let read = try StrictPage(page.bytes)
        #expect(read.value("t_seconds_bucket", ["api": "P", "le": "0.001"]) == 3)
        #expect(read.value("t_seconds_bucket", ["api": "P", "le": "0.01"]) == 4)
        #expect(read.value("t_seconds_bucket", ["api": "P", "le": "+Inf"]) == 5)
        #expect(read.value("t_seconds_count", ["api": "P"]) == 5)
        #expect(read.value("t_seconds_sum", ["api": "P"]) == 0.052500001)
    }

    @Test("names that Prometheus does not take are told")
    func names() {
        #expect(MetricFamily("a_total", .counter, "", labels: ["b"]).isWellNamed)
        for name in ["", "1a", "a-b", "a b", "ä"] { #expect(!MetricFamily(name, .gauge, "").isWellNamed) }
        for labels in [["le"], ["__a"], ["a", "a"], [""], ["a-b"]] {
            #expect(!MetricFamily("a", .gauge, "", labels: labels).isWellNamed)
        }
    }

    @Test("a family without samples is there all the same")
    func nothing() throws {
        var page = MetricsPage()
        page.write(MetricFamily("x", .gauge, "X.")) { _ in }
        #expect(try StrictPage(page.bytes)["x"]?.samples == [])
    }
}
