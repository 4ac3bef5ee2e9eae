// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import PrometheusText
import Testing

@testable import martlet

@Suite("What metrics there are")
struct MetricsReferenceTests {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test("docs/METRICS.md has every metric of the code, word for word")
    func page() throws {
        let file = Self.package.appendingPathComponent("docs/METRICS.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let isUpToDate = text.contains(MetricsReference.markdown)
        if !isUpToDate {
            let expected = FileManager.default.temporaryDirectory.appendingPathComponent("METRICS-tables.md")
            try Data(MetricsReference.markdown.utf8).write(to: expected)
            Issue.record("the tables are not those of the code; as they should be: \(expected.path)")
        }
    }

    @Test(
        "names follow Prometheus' rules: one family a name, _total for counters alone, base units, a sentence of help")
    func names() {
        var seen: Set<String> = []
        for family in MetricsReference.all {
            #expect(family.isWellNamed, "\(family.name)")
            #expect(seen.insert(family.name).inserted, "\(family.name) comes twice")
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.help.hasSuffix("."), "\(family.name)")
            if family.kind == .histogram { #expect(family.name.hasSuffix("_seconds")) }
            for unit in ["_ms", "_milliseconds", "_kb", "_percent"] { #expect(!family.name.hasSuffix(unit)) }
        }
    }

    @Test("a page of the process alone can be written and names only what is listed")
    func process() {
        var page = MetricsPage()
        ProcessMetrics(startedAtMs: 1_700_000_000_500, version: "1.2.3").write(to: &page)
        let text = String(decoding: page.bytes, as: UTF8.self)
        let listed = Set(ProcessMetrics.families.map(\.name))
        let names = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
        #expect(!names.isEmpty && names.allSatisfy { listed.contains(String($0)) })
        #expect(text.contains("\nprocess_start_time_seconds 1700000000.5\n"))
        #expect(text.contains("martlet_build_info{version=\"1.2.3\""))
        for name in ["process_open_fds", "process_threads", "process_resident_memory_bytes"] {
            let line = text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
            #expect(line.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0 > 0, "\(name)")
        }
    }
}
