// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import ProcessStart
import Testing

@testable import LoadGenerator

/// The page in a real browser, which lays it out and tells what it has drawn.
@Suite("Page in a browser", .serialized) struct PageTests {
    /// What the browser drew.
    private struct Drawn: Decodable {
        struct Figure: Decodable {
            var id: String
            var width: Double
            /// Of each line: how long it is, how far it reaches in both directions, and its colour.
            var lines: [Line]
            var labels: Int
        }
        struct Line: Decodable {
            var length: Double
            var width: Double
            var height: Double
            var color: String
        }
        var figures: [Figure]
        var background: String
        var overflow: Double
    }

    private static let script = """
        <script>
        addEventListener('load', () => {
          const figures = [...document.querySelectorAll('figure')].map(figure => ({
            id: figure.id, width: figure.getBoundingClientRect().width,
            labels: [...figure.querySelectorAll('text')].filter(t => t.getBBox().width > 0).length,
            lines: [...figure.querySelectorAll('polyline')].map(line => ({
              length: line.getTotalLength(), width: line.getBBox().width, height: line.getBBox().height,
              color: getComputedStyle(line).stroke }))}));
          const out = document.createElement('pre');
          out.id = 'drawn';
          out.textContent = btoa(JSON.stringify({figures, background: getComputedStyle(document.body).backgroundColor,
            overflow: document.documentElement.scrollWidth - innerWidth}));
          document.body.append(out);
        });
        </script></body>
        """

    /// Opens the page from the disk, with nothing but a script more that measures it.
    private static func draw(_ page: String, _ options: String...) throws -> Drawn {
        let names = ["chromium", "chromium-browser", "google-chrome"]
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        let paths = names.flatMap { name in folders.map { "\($0)/\(name)" } }
        let path = try #require(
            paths.first { FileManager.default.isExecutableFile(atPath: $0) },
            "this test needs chromium: `make test` installs it")
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-page-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (file, output) = (folder.appending(path: "page.html"), folder.appending(path: "dom.html"))
        try Data(page.replacing("</body>", with: Self.script).utf8).write(to: file)
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments =
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--no-first-run", "--window-size=1280,1600", "--user-data-dir=\(folder.path)/profile", "--dump-dom",
            ] + options + [file.absoluteString]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = FileHandle.nullDevice
        try process.start()
        process.waitUntilExit()
        let dom = try String(contentsOf: output, encoding: .utf8)
        let match = try #require(dom.firstMatch(of: /<pre id="drawn">([A-Za-z0-9+\/=]+)</), "\(dom.suffix(500))")
        let data = try #require(Data(base64Encoded: String(match.output.1)))
        return try JSONDecoder().decode(Drawn.self, from: data)
    }

    @Test("the plots of a run are drawn, with lines that reach across them", .timeLimit(.minutes(1)))
    func single() throws {
        var report = SampleReport.make()
        report.brokerTimes = SampleReport.brokerTimes
        let drawn = try Self.draw(HTMLReport(report).text)
        #expect(
            drawn.figures.map(\.id)
                == ["percentiles", "throughput", "latency", "backlog"].filter { id in
                    drawn.figures.contains { $0.id == id }
                })
        #expect(Set(drawn.figures.map(\.id)).isSuperset(of: ["percentiles", "throughput", "latency"]))
        for figure in drawn.figures {
            #expect(figure.width > 300)
            #expect(!figure.lines.isEmpty, "\(figure.id)")
            #expect(figure.labels > 6, "\(figure.id)")
            for line in figure.lines {
                #expect(line.width > 300 && line.length > 300, "\(figure.id): \(line)")
                #expect(line.color != "none")
            }
        }
        let percentiles = try #require(drawn.figures.first { $0.id == "percentiles" })
        #expect(percentiles.lines.allSatisfy { $0.height > 20 })
        #expect(Set(percentiles.lines.map(\.color)).count == 2)
        #expect(drawn.overflow <= 0, "the page is wider than its window")
    }

    @Test("runs on top of each other have a colour each, in the dark too", .timeLimit(.minutes(1)))
    func compared() throws {
        let comparison = Comparison([
            .init(label: "before", report: SampleReport.make("a")),
            .init(label: "after", report: SampleReport.make("b", seed: 2, slowness: 2)),
        ])
        let light = try Self.draw(HTMLReport(comparison).text)
        let dark = try Self.draw(HTMLReport(comparison).text, "--blink-settings=preferredColorScheme=0")
        for drawn in [light, dark] {
            let percentiles = try #require(drawn.figures.first { $0.id == "percentiles" })
            #expect(percentiles.lines.count == 4)
            #expect(Set(percentiles.lines.map(\.color)).count == 4)
        }
        #expect(light.background != dark.background)
    }
}
