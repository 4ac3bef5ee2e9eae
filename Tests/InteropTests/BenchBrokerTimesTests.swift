// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// The split of latency in a whole: `martlet bench --admin` against a broker with an admin port.
    @Suite("martlet bench --admin") struct BenchBrokerTimesTests {
        /// Doubles, and buckets that a page shows to twelve digits.
        private static let rounding = 1e-6

        /// What stands in the report, as far as it is looked at here.
        private struct Report: Decodable {
            struct Times: Decodable {
                var admin: [String]
                var problems: [String]
                var requests: [Requests]
                var recordMs: Record?
            }
            struct Requests: Decodable {
                var api: String
                var clientCount: Int?
                var clientMs: Mean?
                var restMs: Double?
                var totalMs: Histogram
                var localMs: Histogram?
                var diskMs: Histogram?
            }
            struct Histogram: Decodable { var count: Int, mean: Double, p50: Double, p99: Double }
            struct Mean: Decodable { var mean: Double }
            struct Record: Decodable { var all: Double, beforeRequest: Double, rest: Double, broker: Double }
            var brokerTimes: Times?
        }

        @Test("the broker's times are of the requests that were sent, and their parts add up to what the client waited")
        func split() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                let page = broker.folder.appendingPathComponent("report.html")
                let run = try await broker.command(
                    "bench", "end-to-end", "--rate", "100", "-n", "150", "-o", "json", "--admin",
                    "http://127.0.0.1:\(admin.port)", "--html", page.path)
                let times = try #require(
                    try JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).brokerTimes)
                #expect(times.admin == ["127.0.0.1:\(admin.port)"])
                #expect(times.problems == [] && run.errors == "")
                #expect(times.requests.map(\.api) == ["Produce", "Fetch"])
                let produce = try #require(times.requests.first)
                // Without a warm-up everything counts, and nobody else produces.
                let count = produce.totalMs.count
                #expect(count > 0 && count <= 150 && produce.clientCount == count)
                let scraped = try ScrapedPage(try await admin.get("/metrics").text)
                #expect(
                    scraped.sum("martlet_request_total_seconds_count", ["request": "Produce"]) == Double(count))
                for row in times.requests {
                    let (total, client) = (row.totalMs.mean, try #require(row.clientMs).mean)
                    let (local, rest) = (try #require(row.localMs).mean, try #require(row.restMs))
                    #expect(total > 0 && total <= client && local <= total)
                    #expect(abs(total + rest - client) < Self.rounding)
                    #expect(row.totalMs.p50 <= row.totalMs.p99)
                }
                #expect(try #require(produce.diskMs).mean > 0)
                let record = try #require(times.recordMs)
                #expect(record.broker == produce.totalMs.mean && record.beforeRequest >= 0)
                #expect(abs(record.beforeRequest + record.rest + record.broker - record.all) < Self.rounding)
                #expect(try String(contentsOf: page, encoding: .utf8).contains("id=\"broker\""))
            }
        }

        @Test("who does not tell is named in one line, and the run goes on without it")
        func silent() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                let nobody = "127.0.0.1:\(Sockets.freePort())"
                let run = try await broker.command(
                    "bench", "produce", "-n", "20", "--admin", "\(nobody),127.0.0.1:\(broker.port)", "--admin",
                    "127.0.0.1:\(admin.port)/healthz", "--admin", "127.0.0.1:\(admin.port)")
                let warnings = run.errors.split(separator: "\n")
                #expect(
                    warnings.count == 3 && warnings.allSatisfy { $0.hasPrefix("warning: no times of the broker at") })
                #expect(run.errors.contains("\(nobody): it cannot be connected to: connection refused"))
                #expect(
                    run.errors.contains("admin port?") && run.errors.contains("/healthz: it answers with something"))
                #expect(run.output.contains("20 records sent, 20 acknowledged"))
                #expect(run.lines.contains { $0.hasPrefix("Produce ") })
                for text in ["", "https://127.0.0.1:1", "127.0.0.1:0", "a,,b"] {
                    let refused = try await broker.command("bench", "produce", "--admin", text, expecting: 64)
                    #expect(refused.errors.contains("--admin takes"))
                }
            }
        }
    }
}
