// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import PrometheusText

@Suite("ScrapedMetrics") struct ScrapedMetricsTests {
    private static func read(_ text: String, _ families: String...) throws -> ScrapedMetrics {
        try ScrapedMetrics(Array(text.utf8), families: Set(families))
    }

    private static func histogram(_ lines: String...) throws -> BucketCounts? {
        try Self.read(lines.map { $0 + "\n" }.joined(), "t").histograms("t", by: "api")["a"]
    }

    @Test("what our own page says is read back as it was measured")
    func roundTrip() throws {
        let histogram = Histogram(bounds: Histogram.latencyBounds, unit: Histogram.nanoseconds)
        for value in [1, 60_000, 60_000, 3_000_000, 99_000_000_000] { histogram.record(value) }
        var page = MetricsPage()
        page.write(MetricFamily("t", .histogram, "Times.", labels: ["api"])) { samples in
            samples.add(["a\\\"\n"], histogram.snapshot)
            samples.add(["b"], Histogram(bounds: [], unit: 1).snapshot)
        }
        page.write(MetricFamily("other", .gauge, "Not wanted."), 7)
        page.write(MetricFamily("empty", .histogram, "None.", labels: ["api"])) { _ in }
        let metrics = try ScrapedMetrics(page.bytes, families: ["t", "empty", "absent"])
        #expect(metrics.families == ["t", "empty"])
        #expect(metrics.value("other") == nil)
        let read = try metrics.histograms("t", by: "api")
        #expect(Set(read.keys) == ["a\\\"\n", "b"])
        let own = try #require(read["a\\\"\n"])
        #expect(own.counts == histogram.snapshot.counts)
        #expect(own.bounds.first == 0.00005 && own.bounds.last == .infinity)
        #expect(abs(own.sum - 99.003120001) < 1e-9)
        #expect((own.count, read["b"]?.count) == (5, 0))
    }

    @Test("comments, blanks, timestamps and trailing commas are taken as the format has them")
    func format() throws {
        let metrics = try Self.read(
            "\n# \n#\n# TYPE\n  # HELP x y\n\tx { a = \"1\" , b=\"ü\", } 1e3 -5\nx 2\nx{} +Inf\nx NaN\nwhatever }{ is here\n",
            "x")
        #expect(metrics.samples.map(\.labels) == [["a": "1", "b": "ü"], [:], [:], [:]])
        #expect(metrics.samples.prefix(3).map(\.value) == [1000, 2, .infinity])
        #expect(metrics.samples[3].value.isNaN)
        #expect(metrics.value("x") == nil)
        #expect(try Self.read("", "x").samples == [])
        #expect(try Self.read("x 4\n", "x").value("x") == 4)
    }

    @Test(
        "what is not in the format is an error that names the line and repeats nothing of it",
        arguments: [
            "<html>\n", "{a=\"1\"} 5\n", "9x 1\n", "x\n", "x 1 2 3\n", "x one\n", "x inf\n", "x 1 soon\n", "x{ 1\n",
            "x{a} 1\n", "x{a=} 1\n", "x{a=1} 1\n", "x{a=\"1} 1\n", "x{a=\"\\q\"} 1\n", "x{a=\"\\",
            "x{a=\"1\"b=\"2\"} 1\n",
            "x{a=\"1\",a=\"2\"} 1\n", "x{,} 1\n", "x{a=\"1\"\n", "x 1", "\u{1b}[31mx 1\n",
            "x " + String(repeating: "1", count: 65) + "\n",
        ])
    func malformed(text: String) {
        #expect { try Self.read("ok 1\n" + text, "x") } throws: { error in
            let description = "\(error)"
            return error is MalformedMetrics && (description.hasPrefix("line 2: ") || description.contains("cut off"))
                && !description.contains("\u{1b}") && !description.contains("html")
        }
    }

    @Test("bytes that are no text, and pages beyond the limits, are errors too")
    func limits() throws {
        let noText = Array("x{a=\"".utf8) + [0xFF, 0xC0] + Array("\"} 1\n".utf8)
        #expect(throws: MalformedMetrics.self) { try ScrapedMetrics(noText, families: ["x"]) }
        // Where nobody looks it is let pass.
        #expect(try ScrapedMetrics(noText, families: ["y"]).samples == [])
        #expect(throws: MalformedMetrics.self) { try ScrapedMetrics([0xFF, 0x0A], families: ["x"]) }
        let labels = (0...ScrapedMetrics.labelsMax).map { "l\($0)=\"\"" }.joined(separator: ",")
        #expect(throws: MalformedMetrics.self) { try Self.read("x{\(labels)} 1\n", "x") }
        let long = String(repeating: "a", count: ScrapedMetrics.lineBytesMax)
        #expect(throws: MalformedMetrics.self) { try Self.read("x{a=\"\(long)\"} 1\n", "x") }
        let many = String(repeating: "x 1\n", count: ScrapedMetrics.samplesMax + 1)
        #expect(throws: MalformedMetrics.self) { try Self.read(many, "x") }
        #expect(try Self.read(String(many.dropFirst(4)), "x").samples.count == ScrapedMetrics.samplesMax)
    }

    @Test("no bytes at all make the reader trap")
    func anything() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("x{}=\",\\\n #+-1.eInfNaTYPE\t".utf8) + [0, 0xC3, 0xFF]
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            _ = try? ScrapedMetrics(bytes + [0x0A], families: ["x"]).histograms("x", by: "a")
        }
    }

    @Test(
        "samples that make no histogram are refused",
        arguments: [
            ["t_bucket{api=\"a\",le=\"+Inf\"} 1", "t_sum{api=\"a\"} 1"],
            ["t_bucket{api=\"a\",le=\"+Inf\"} 1", "t_count{api=\"a\"} 1"],
            ["t_bucket{api=\"a\",le=\"+Inf\"} 1", "t_sum{api=\"a\"} 1", "t_count{api=\"a\"} 2"],
            ["t_bucket{api=\"a\",le=\"1\"} 1", "t_sum{api=\"a\"} 1", "t_count{api=\"a\"} 1"],
            ["t_sum{api=\"a\"} 1", "t_count{api=\"a\"} 0"],
            ["t_bucket{api=\"a\",le=\"2\"} 1", "t_bucket{api=\"a\",le=\"1\"} 1", "t_bucket{api=\"a\",le=\"+Inf\"} 1"],
            ["t_bucket{api=\"a\",le=\"1\"} 2", "t_bucket{api=\"a\",le=\"+Inf\"} 1"],
            ["t_bucket{api=\"a\",le=\"1\"} 2", "t_bucket{api=\"a\",le=\"1\"} 2", "t_bucket{api=\"a\",le=\"+Inf\"} 2"],
            ["t_bucket{api=\"a\",le=\"NaN\"} 0", "t_bucket{api=\"a\",le=\"+Inf\"} 1"],
            ["t_bucket{api=\"a\",le=\"1e300\"} 0", "t_bucket{api=\"a\",le=\"+Inf\"} 1"],
            ["t_bucket{api=\"a\"} 1"], ["t_bucket{api=\"a\",le=\"+Inf\"} 0.5"], ["t_bucket{api=\"a\",le=\"+Inf\"} -1"],
            ["t_bucket{api=\"a\",le=\"+Inf\"} NaN"], ["t_bucket{api=\"a\",le=\"+Inf\"} 1e300"],
            ["t_bucket{api=\"a\",le=\"+Inf\"} +Inf"],
        ])
    func noHistogram(lines: [String]) {
        let rest =
            lines.contains { $0.hasPrefix("t_sum") || $0.hasPrefix("t_count") }
            ? [] : ["t_sum{api=\"a\"} 1", "t_count{api=\"a\"} 1"]
        #expect(throws: MalformedMetrics.self) {
            try Self.read((lines + rest).map { $0 + "\n" }.joined(), "t").histograms("t", by: "api")
        }
        for sum in ["NaN", "+Inf", "1e200"] {
            #expect(throws: MalformedMetrics.self) {
                try Self.histogram(
                    "t_bucket{api=\"a\",le=\"+Inf\"} 1", "t_sum{api=\"a\"} \(sum)", "t_count{api=\"a\"} 1")
            }
        }
    }

    private static func buckets(_ below: [Int], sum: Double, bounds: [String] = ["1", "2", "4", "+Inf"]) throws
        -> BucketCounts
    {
        let lines = zip(bounds, below).map { "t_bucket{api=\"a\",le=\"\($0)\"} \($1)\n" }.joined()
        let text = lines + "t_sum{api=\"a\"} \(sum)\nt_count{api=\"a\"} \(below.last ?? 0)\n"
        return try #require(try Self.read(text, "t").histograms("t", by: "api")["a"])
    }

    @Test("between two pages is what came, and nothing when the counters went back or the buckets changed")
    func differences() throws {
        let before = try Self.buckets([1, 2, 2, 3], sum: 10)
        let after = try Self.buckets([1, 5, 6, 7], sum: 18)
        let since = try #require(after.since(before))
        #expect(since.counts == [0, 3, 1, 0])
        #expect((since.sum, since.count, since.mean) == (8, 4, 2))
        #expect(before.since(before)?.count == 0)
        #expect(before.since(before)?.mean == 0)
        #expect(before.since(after) == nil)
        // All together there are more, and yet it began anew: a bucket shrank.
        #expect(try Self.buckets([0, 9, 9, 9], sum: 20).since(before) == nil)
        #expect(try Self.buckets([1, 2, 2, 3], sum: 9).since(before) == nil)
        let other = try Self.buckets([1, 5, 6, 7], sum: 18, bounds: ["1", "2", "5", "+Inf"])
        #expect(other.since(before) == nil && other.adding(before) == nil)
        #expect(after.adding(before)?.counts == [2, 5, 1, 2] && after.adding(before)?.sum == 28)
        let full = try Self.buckets([0, 0, 0, BucketCounts.countMax], sum: 0)
        #expect(full.adding(before) == nil)
    }

    @Test("quantiles lie between the bounds of their bucket, and not above the last bound")
    func quantiles() throws {
        let buckets = try Self.buckets([4, 8, 8, 10], sum: 0)
        #expect([0, 0.2, 0.4, 0.6, 0.8].map { buckets.quantile($0) } == [0, 0.5, 1, 1.5, 2])
        #expect([0.9, 1, 7].map { buckets.quantile($0) } == [4, 4, 4])
        #expect(buckets.quantile(-1) == 0)
        #expect(try Self.buckets([0, 0, 0, 0], sum: 0).quantile(0.5) == 0)
        #expect(try Self.buckets([3], sum: 0, bounds: ["+Inf"]).quantile(0.5) == 0)
    }
}
