// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import NIOCore
import NIOPosix
import PrometheusText
import Synchronization
import Testing

@testable import LoadGenerator

@Suite("Times of brokers") struct BrokerTimesTests {
    /// A broker's page, after so many requests that took a millisecond of work and two of waiting each.
    private static func page(produce: Int, fetch: Int = 0, startedAt: Double = 1000, bounds: [Int]? = nil) -> [UInt8] {
        var page = MetricsPage()
        func write(_ name: String, milliseconds: Int, counts: [String: Int]) {
            page.write(MetricFamily(name, .histogram, "Times.", labels: ["request"])) { samples in
                for (api, count) in counts where count > 0 {
                    let histogram = Histogram(
                        bounds: bounds ?? Histogram.latencyBounds, unit: Histogram.nanoseconds)
                    for _ in 0..<count { histogram.record(milliseconds * 1_000_000) }
                    samples.add([api], histogram.snapshot)
                }
            }
        }
        let both = ["Produce": produce, "Fetch": fetch, "Metadata": 3]
        write("martlet_request_total_seconds", milliseconds: 3, counts: both)
        write("martlet_request_local_seconds", milliseconds: 1, counts: both)
        write("martlet_request_wait_seconds", milliseconds: 4, counts: ["Produce": produce / 2])
        write("martlet_request_queue_seconds", milliseconds: 0, counts: ["Produce": produce])
        write("martlet_request_disk_seconds", milliseconds: 2, counts: ["Produce": produce])
        page.write(MetricFamily("process_start_time_seconds", .gauge, "Start."), startedAt)
        return page.bytes
    }

    private static func requests(_ counts: [String: Int], milliseconds: Int64 = 5) -> RequestTimes {
        let requests = RequestTimes()
        requests.begin()
        for (api, count) in counts { for _ in 0..<count { requests.record(api, milliseconds * 1_000_000) } }
        requests.end()
        return requests
    }

    private static func outcome(_ before: [UInt8], _ after: [UInt8]) throws -> BrokerWatch.Outcome {
        let address = try #require(AdminAddress("b:1"))
        return BrokerWatch.Outcome(
            addresses: [address], figures: try BrokerSnapshot(page: after).since(try BrokerSnapshot(page: before)),
            problems: [])
    }

    @Test("what came between two looks is split so that its parts add up")
    func split() throws {
        let outcome = try Self.outcome(Self.page(produce: 10), Self.page(produce: 50, fetch: 7))
        var phase = try #require(SampleReport.make().phases.first { $0.name == "produce" })
        phase.latencyMs?.mean = 9
        let times = BenchReport.BrokerTimes(
            outcome, requests: Self.requests(["Produce": 40, "Fetch": 7]), produce: phase, waitsForAnswers: true)
        #expect(times.problems == [])
        #expect(times.requests.map(\.api) == ["Produce", "Fetch"])
        let produce = try #require(times.requests.first)
        #expect((produce.count, produce.clientCount) == (40, 40))
        #expect(abs(produce.totalMs.mean - 3) < 1e-9)
        #expect((2.5...5).contains(produce.totalMs.p50) && (2.5...5).contains(produce.totalMs.p99))
        #expect((produce.waitMs?.count, produce.perRequest(produce.waitMs)) == (20, 2))
        let (local, waiting) = (try #require(produce.localMs?.mean), try #require(produce.perRequest(produce.waitMs)))
        #expect(abs(local + waiting - produce.totalMs.mean) < 1e-9)
        #expect(abs(try #require(produce.restMs) - 2) < 0.01)
        let record = try #require(times.recordMs)
        #expect(abs(record.beforeRequest + record.rest + record.broker - record.all) < 1e-9)
        #expect(times.requests[1].diskMs == nil)
        var report = SampleReport.make()
        report.brokerTimes = times
        #expect(try BenchReport(json: Array(try report.json().utf8)) == report)
        #expect(HTMLReport(report).text.contains("<section id=\"broker\">"))
        #expect(!HTMLReport(SampleReport.make()).text.contains("<section id=\"broker\">"))
        let rows = Comparison([.init(label: "a", report: SampleReport.make()), .init(label: "b", report: report)]).rows
        #expect(rows.contains { $0.phase == "Produce" && $0.figure == .brokerMean && $0.values == [nil, 3] })
    }

    @Test("without the same requests on both sides nothing is taken from each other, and it is said")
    func strangers() throws {
        let outcome = try Self.outcome(Self.page(produce: 0), Self.page(produce: 400))
        let fewer = BenchReport.BrokerTimes(
            outcome, requests: Self.requests(["Produce": 100, "Fetch": 3]), produce: nil, waitsForAnswers: true)
        #expect(fewer.requests.first?.restMs == nil && fewer.recordMs == nil)
        #expect(fewer.problems.count == 2)
        #expect(fewer.problems[0].contains("others than the client"))
        #expect(fewer.problems[1].contains("no Fetch request"))
        let unanswered = BenchReport.BrokerTimes(
            outcome, requests: Self.requests(["Produce": 400]), produce: nil, waitsForAnswers: false)
        #expect(unanswered.problems == [] && unanswered.requests.first?.clientMs == nil)
        #expect(unanswered.requests.first?.totalMs.count == 400)
    }

    @Test("a broker that was restarted, or has other buckets, is left out")
    func restarts() throws {
        let before = try BrokerSnapshot(page: Self.page(produce: 10))
        for page in [
            Self.page(produce: 9), Self.page(produce: 0), Self.page(produce: 20, startedAt: 1002),
            Self.page(produce: 20, bounds: [1_000_000]),
        ] {
            let after = try BrokerSnapshot(page: page)
            #expect { try after.since(before) } throws: { "\($0)".contains("restarted") }
        }
        // The clock of the start may be a little off.
        #expect(try BrokerSnapshot(page: Self.page(produce: 20, startedAt: 1000.5)).since(before).times.count == 1)
        let sum = try before.adding(try BrokerSnapshot(page: Self.page(produce: 5, fetch: 2)))
        #expect((sum.times["Produce"]?.disk?.count, sum.times["Fetch"]?.total.count) == (15, 2))
        #expect { try before.adding(try BrokerSnapshot(page: Self.page(produce: 5, bounds: []))) } throws: {
            "\($0)".contains("other buckets")
        }
    }

    @Test("pages of others are no broker's")
    func otherPages() {
        for page in [
            "", "<html>\n", "up 1\n", "martlet_request_total_seconds_bucket{request=\"Produce\",le=\"1\"} 1\n",
        ] {
            #expect { try BrokerSnapshot(page: Array(page.utf8)) } throws: {
                "\($0)".contains("something else than the metrics of a Martlet broker")
            }
        }
    }

    @Test("addresses are read as people write them, and nothing else")
    func addresses() throws {
        let good = [
            "h": "h:9644", "h:1": "h:1", "http://h:1": "h:1", "HTTP://h/": "h:9644", "http://h:1/metrics": "h:1",
            "h/other?x=1": "h:9644/other?x=1", "[::1]:5": "[::1]:5", "[::1]": "[::1]:9644",
        ]
        for (text, address) in good { #expect(AdminAddress(text)?.description == address, "\(text)") }
        for text in [
            "", "http://", "https://h", "h:0", "h:99999", "h:x", ":1", "h 1", "h/a b", "u@h", "h/\r\nx: y", "ü:1",
        ] {
            #expect(AdminAddress(text) == nil, "\(text)")
        }
        #expect(try #require(AdminAddress("h:9092")).endpoint == BrokerAddress(host: "h", port: 9092))
    }

    /// What a server says to everybody; nil for nothing, for ever.
    private static func served(_ text: String?) async throws -> String {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Speaker(text))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let address = try #require(AdminAddress("127.0.0.1:\(port)"))
        let limit = text == nil ? TimeAmount.milliseconds(100) : PageRequest.timeLimit
        let answer: String
        do {
            answer =
                "page " + String(decoding: try await PageRequest.page(at: address, timeLimit: limit), as: UTF8.self)
        } catch {
            answer = "\(error)"
        }
        try await server.close()
        return answer
    }

    private final class Speaker: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let text: String?

        init(_ text: String?) { self.text = text }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let text else { return }
            context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
            context.close(promise: nil)
        }
    }

    @Test(
        "whoever answers: a page, or an error in time",
        arguments: [
            ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nup 1", "page up 1"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "page ab"),
            ("HTTP/1.0 200 OK\r\n\r\nuntil the end", "page until the end"),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "HTTP status 404"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "more than 32 MiB"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\ncut", "admin port?"),
            ("SSH-2.0-OpenSSH\r\n", "does not speak HTTP"), ("\u{0}\u{1}\u{2}", "does not speak HTTP"),
            ("", "admin port?"), (nil, "did not answer within 100 ms"),
        ] as [(String?, String)])
    func answers(text: String?, expected: String) async throws {
        let answer = try await Self.served(text)
        #expect(answer.contains(expected), "\(answer)")
    }
}
