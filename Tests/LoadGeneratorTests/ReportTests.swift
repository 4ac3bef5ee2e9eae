// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import LoadGenerator

@Suite("Report") struct ReportTests {
    @Test("a report is read from its JSON as it was written")
    func json() throws {
        let report = SampleReport.make()
        let text = try report.json()
        #expect(try BenchReport(json: Array(text.utf8)) == report)
        #expect(text.contains("\"format\" : \"martlet-bench\""))
        #expect(text.contains("\"version\" : 1"))
    }

    @Test(
        "what is no report, or one of another version, is refused with the reason",
        arguments: [
            ("", "no report"), ("[]", "no report"), ("{}", "no report"),
            ("{\"format\":\"x\",\"version\":1}", "no report"),
            ("{\"format\":\"martlet-bench\",\"version\":2}", "version 2"),
            ("{\"format\":\"martlet-bench\"}", "unknown"),
            ("{\"format\":\"martlet-bench\",\"version\":1}", "damaged"),
        ])
    func badJSON(text: String, reason: String) {
        #expect { try BenchReport(json: Array(text.utf8)) } throws: { "\($0)".contains(reason) }
    }

    @Test("records that failed, were lost, or came twice make a run a failure")
    func problems() {
        var report = SampleReport.make()
        #expect(report.problem == nil)
        report.totals.inLog = 98_999
        #expect(report.problem?.contains("98999 are in the log") == true)
        report.totals.inLog = 99_001
        #expect(report.problem != nil)
        report.workload.acks = "0"
        #expect(report.problem == nil)
        report.totals.failed = 3
        report.errors = [BenchReport.Failure(kind: "timedOut", message: "too late", count: 3)]
        #expect(report.problem == "3 records failed: too late")
        report = SampleReport.make()
        report.outcome = .interrupted
        #expect(report.problem?.contains("interrupted") == true)
    }

    @Test("runs are compared figure by figure with the first")
    func comparison() throws {
        let (a, b) = (SampleReport.make("a"), SampleReport.make("b", seed: 2, slowness: 2))
        let comparison = Comparison([.init(label: "x.json", report: a), .init(label: "x.json", report: b)])
        #expect(comparison.labels == ["x.json", "x.json (2)"])
        let row = try #require(comparison.rows.first { $0.phase == "produce" && $0.figure == .p50 })
        #expect(abs(try #require(row.ratio(1)) - 2) < 0.2)
        let errors = try #require(comparison.rows.first { $0.figure == .failed })
        #expect(errors.ratio(1) == nil)
        #expect(comparison.differences == [])
        #expect(try comparison.json().contains("\"martlet-bench-comparison\""))
    }

    @Test("axes have round marks, from zero or from the smallest on")
    func axes() {
        let linear = PlotAxis.linear(upTo: 47)
        #expect(linear.range == 0...50)
        #expect(linear.ticks.map(\.label) == ["0", "10", "20", "30", "40", "50"])
        #expect(PlotAxis.linear(upTo: 27, from: -3).range == -10...30)
        #expect(PlotAxis.linear(upTo: 1.5e6).ticks.map(\.label) == ["0", "500k", "1.0M", "1.5M"])
        #expect(PlotAxis.linear(upTo: 0).position(0) == 0)
        #expect(PlotAxis.linear(upTo: .nan).ticks == [])
        let logarithmic = PlotAxis.logarithmic(0.3...70)
        #expect(logarithmic.range == 0.2...100)
        #expect(logarithmic.position(0.2) == 0)
        #expect(logarithmic.position(1e9) == 1)
        let percentiles = PlotAxis.percentiles(upTo: 5000)
        #expect(percentiles.ticks.map(\.label) == ["0 %", "50 %", "90 %", "99 %", "99.9 %"])
        #expect(abs(PlotAxis.percentiles(upTo: 10_000).position(100) - 0.5) < 1e-9)
        let tight = PlotAxis.tight(from: -1, upTo: 8.5)
        #expect(tight.range == -1...8.5)
        #expect(tight.ticks.map(\.label) == ["0", "2", "4", "6", "8"])
    }

    @Test("the percentile line goes from the quickest to the slowest, and never down")
    func percentileLine() throws {
        var histogram = LatencyHistogram()
        for value in 1...10_000 { histogram.record(Int64(value) * 10_000) }
        let points = ReportPlots.points(histogram)
        #expect(points.first?.x == 1)
        #expect(abs(try #require(points.last).y - 100) < 0.2)
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.x < $1.x && $0.y <= $1.y })
        let ninety = try #require(points.min { abs($0.x - 10) < abs($1.x - 10) })
        #expect(abs(ninety.y - 90) < 0.2)
    }

    @Test("of very many points those that stand out are drawn")
    func thinning() {
        let points = (0..<100_000).map { Plot.Point(x: Double($0), y: $0 == 54_321 ? 9 : 1, note: "") }
        let thinned = Plot.thinned(points)
        #expect(thinned.count <= 600)
        #expect(thinned.contains { $0.y == 9 })
    }

    @Test("names are text on the page, whatever is in them")
    func escaping() {
        let page = HTMLReport(SampleReport.make("<script>alert('1')</script> & \"2\"")).text
        #expect(!page.contains("<script"))
        #expect(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;2&quot;"))
    }

    @Test("figures are short, and thousands are apart")
    func text() {
        #expect(BenchText.number(1_234_567.89, digits: 1) == "1 234 567.9")
        #expect(BenchText.number(1234, digits: 0) == "1234")
        #expect(BenchText.number(-12_345, digits: 0) == "-12 345")
        #expect(BenchText.number(.nan, digits: 0) == "?")
        #expect([0.0123, 1.234, 12.34, 123.4].map(BenchText.ms) == ["0.012", "1.23", "12.3", "123"])
        #expect(BenchText.bytes(1536) == "1.5 KiB")
    }
}
