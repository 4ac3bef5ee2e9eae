// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import AdminHTTP
import PrometheusText
import Synchronization
import Testing

@Suite("The admin port")
struct AdminServerTests {
    private static let load = MetricFamily("load", .gauge, "Load.")

    @Test("metrics are the page as it is at that moment, in Prometheus' format")
    func metrics() async throws {
        let value = Mutex(1)
        try await withAdminServer(metrics: {
            var page = MetricsPage()
            page.write(Self.load, value.withLock { $0 })
            return page
        }) { http in
            let first = try await http.get("/metrics")
            #expect(first.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(first.head.lowercased().contains("content-type: text/plain; version=0.0.4; charset=utf-8"))
            #expect(first.body == "# HELP load Load.\n# TYPE load gauge\nload 1\n")
            value.withLock { $0 = 2 }
            #expect(try await http.get("/metrics?x=y").body.hasSuffix("load 2\n"))
        }
    }

    @Test("readiness names the check that fails, as text and as JSON")
    func readiness() async throws {
        let isReady = Mutex(true)
        try await withAdminServer(ready: { isReady.withLock { $0 } }) { http in
            #expect(try await http.get("/readyz").head.hasPrefix("HTTP/1.1 200"))
            #expect(try await http.get("/healthz").body == "ok\nok   loops: fine\n")
            isReady.withLock { $0 = false }
            let text = try await http.get("/readyz")
            #expect(text.head.hasPrefix("HTTP/1.1 503"))
            #expect(text.body == "not ok\nFAIL disk: it is \"full\"\n\nok   logs: open\n")
            let json = try await http.get("/readyz", "accept: application/json\r\n")
            #expect(json.head.hasPrefix("HTTP/1.1 503"))
            #expect(json.head.lowercased().contains("content-type: application/json"))
            let expected =
                #"{"status":"fail","checks":[{"name":"logs","status":"ok","detail":"open"},"#
                + #"{"name":"disk","status":"fail","detail":"it is \"full\"\n"}]}"# + "\n"
            #expect(json.body == expected)
            #expect(try await http.get("/healthz").head.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("the index names the pages, other paths and methods are refused, HEAD has no body")
    func others() async throws {
        try await withAdminServer { http in
            let index = try await http.get("/")
            #expect(index.body.hasPrefix("Test 1.0\n"))
            for path in ["/metrics", "/healthz", "/readyz"] { #expect(index.body.contains(path)) }
            #expect(try await http.get("/nothing").head.hasPrefix("HTTP/1.1 404"))
            #expect(try await http.get("/metrics", method: "DELETE").head.hasPrefix("HTTP/1.1 405"))
            let head = try await http.get("/", method: "HEAD")
            #expect(head.head.hasPrefix("HTTP/1.1 200") && head.body.isEmpty)
            #expect(head.head.lowercased().contains("content-length: \(index.body.utf8.count)"))
        }
    }

    @Test("what is not HTTP, or has too many headers, costs its connection and nobody else's")
    func rudeness() async throws {
        try await withAdminServer { http in
            let rude = [
                "\u{0}\u{0}\u{0}\u{10}\u{0}\u{12}\u{0}\u{3}nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                "GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 1_000) + "\r\n",
                "GET / HTTP/1.1\r\nx: " + String(repeating: "y", count: 100_000) + "\r\n\r\n",
            ]
            for text in rude {
                let answer = try await http.send(text) { $0.hasPrefix("HTTP/1.1 4") }
                #expect(!answer.hasPrefix("HTTP/1.1 200"))
            }
            #expect(try await http.get("/healthz").head.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("requests one after the other share a connection")
    func keepAlive() async throws {
        try await withAdminServer { http in
            let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
            let answers = try await http.send(request + request + request) { text in
                text.ranges(of: "ok   loops").count == 3
            }
            #expect(answers.ranges(of: "HTTP/1.1 200 OK").count == 3)
        }
    }
}
