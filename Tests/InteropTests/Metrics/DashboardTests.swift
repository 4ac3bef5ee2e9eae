// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// The files in config/ against a Prometheus that scrapes a loaded broker.
    @Suite("Dashboard and alerts fit the metrics") struct DashboardTests {
        /// What only some brokers have: limits of containers, misfortune.
        private static let conditional: Set<String> = [
            "martlet_cgroup_memory_limit_bytes", "martlet_cgroup_cpu_limit_cores",
            "martlet_cgroup_cpu_throttled_seconds_total", "martlet_cgroup_memory_usage_bytes", "martlet_log_fenced",
            "martlet_log_damaged_offsets",
        ]
        /// Seconds between scrapes.
        private static let interval = 1

        private struct Expression {
            let origin: String
            let text: String
            /// Of a panel: something is to be seen. Alerts are silent.
            let isShown: Bool

            /// Metrics that it names, without what is in quotation marks.
            var names: Set<String> {
                let plain = self.text.replacing(/"[^"]*"/, with: "\"\"")
                let words = plain.matches(of: /\b(kafka|martlet|process)_[a-z_]+/).map { String($0.0) }
                return Set(words.map { $0.replacing(/_(bucket|count|sum)$/, with: "") })
            }
        }

        private static func dashboard() throws -> [Expression] {
            let data = try Data(contentsOf: Programs.inPackage("config/grafana/dashboards/martlet.json"))
            let board = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            #expect(board["uid"] as? String == "martlet-overview")
            let panels = try #require(board["panels"] as? [[String: Any]])
            let ids = panels.compactMap { $0["id"] as? Int }
            #expect(Set(ids).count == panels.count)
            var expressions: [Expression] = []
            for panel in panels where panel["type"] as? String != "row" {
                let title = panel["title"] as? String ?? ""
                let source = (panel["datasource"] as? [String: Any])?["uid"] as? String
                #expect(source == "${datasource}", "\(title)")
                for target in panel["targets"] as? [[String: Any]] ?? [] {
                    let text = try #require(target["expr"] as? String, "\(title)")
                    expressions.append(Expression(origin: title, text: text, isShown: true))
                }
            }
            #expect(expressions.count > 40)
            return expressions.map { expression in
                var text = expression.text
                for (variable, value) in [
                    ("$job", "martlet"), ("$instance", ".*"), ("$topic", ".*"), ("$group", ".*"),
                    ("$__rate_interval", "20s"),
                ] {
                    text = text.replacingOccurrences(of: variable, with: value)
                }
                #expect(!text.contains("$"), "\(expression.origin) has a variable that nobody sets: \(text)")
                return Expression(origin: expression.origin, text: text, isShown: true)
            }
        }

        /// The expressions of alerts.yml, as Prometheus has understood them.
        private static func alerts(_ prometheus: HTTPEndpoint) async throws -> [Expression] {
            let answer = try await prometheus.get("/api/v1/rules")
            let object = try JSONSerialization.jsonObject(with: Data(answer.text.utf8)) as? [String: Any]
            let groups = (object?["data"] as? [String: Any])?["groups"] as? [[String: Any]] ?? []
            let rules = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }
            #expect(rules.count > 10)
            return try rules.map { rule in
                let name = try #require(rule["name"] as? String)
                let notes = rule["annotations"] as? [String: String] ?? [:]
                #expect(notes["summary"]?.isEmpty == false && notes["description"]?.isEmpty == false, "\(name)")
                #expect((rule["labels"] as? [String: String])?["severity"] != nil, "\(name)")
                #expect(rule["health"] as? String != "err", "\(name): \(rule["lastError"] ?? "")")
                return Expression(origin: name, text: try #require(rule["query"] as? String), isShown: false)
            }
        }

        /// The number of series that an expression gives now.
        private static func evaluate(_ expression: Expression, _ prometheus: HTTPEndpoint) async throws -> Int {
            let answer = try await prometheus.get("/api/v1/query", query: ["query": expression.text])
            let object = try JSONSerialization.jsonObject(with: Data(answer.text.utf8)) as? [String: Any]
            #expect(answer.status == 200, "\(expression.origin): \(expression.text): \(answer.text)")
            return ((object?["data"] as? [String: Any])?["result"] as? [Any])?.count ?? 0
        }

        private static func start(_ broker: BrokerUnderTest, _ admin: HTTPEndpoint) throws -> (
            ChildProcess, HTTPEndpoint
        ) {
            let endpoint = HTTPEndpoint(port: Sockets.freePort())
            // The configuration that is shipped, but for the address, and with less patience.
            let shipped = try String(
                contentsOf: Programs.inPackage("config/prometheus/prometheus.yml"), encoding: .utf8)
            let rules = Programs.inPackage("config/prometheus/alerts.yml").path
            let text = shipped.replacingOccurrences(of: "martlet:9644", with: "127.0.0.1:\(admin.port)")
                .replacingOccurrences(of: "alerts.yml", with: rules)
                .replacingOccurrences(of: "interval: 15s", with: "interval: \(Self.interval)s")
                .replacingOccurrences(of: "scrape_timeout: 10s", with: "scrape_timeout: \(Self.interval)s")
            #expect(text.contains("127.0.0.1:\(admin.port)") && text.contains(rules))
            let file = try broker.file("prometheus.yml", Data(text.utf8))
            let program = try ChildProcess(
                try Programs.found("prometheus"),
                [
                    "--config.file=\(file.path)", "--web.listen-address=127.0.0.1:\(endpoint.port)",
                    "--storage.tsdb.path=\(broker.folder.appendingPathComponent("tsdb").path)",
                ], folder: broker.folder)
            return (program, endpoint)
        }

        @Test("a Prometheus evaluates every expression, and every metric in them is one that a loaded broker has")
        func expressions() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                let alertFile = Programs.inPackage("config/prometheus/alerts.yml").path
                try await MetricsTests.promtool(["check", "rules", alertFile], broker)
                let (program, prometheus) = try Self.start(broker, admin)
                defer { program.send(SIGKILL) }
                // Some of the load before the first scrapes and some after, so that there are rates.
                try await MetricsTests.load(broker)
                _ = try await MetricsTests.poll("lag in Prometheus") {
                    let query = "count_over_time(kafka_consumergroup_lag{consumergroup=\"readers\"}[1m]) > 2"
                    return
                        (try? await Self.evaluate(
                            Expression(origin: "lag", text: query, isShown: true), prometheus)) ?? 0
                } until: {
                    $0 > 0
                }
                try await broker.kcat("-P", "-t", "orders", input: Data("a\nb\n".utf8))
                _ = try await MetricsTests.poll("records in Prometheus") {
                    let query = "sum(kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"}) > 301"
                    return try await Self.evaluate(
                        Expression(origin: "records", text: query, isShown: true), prometheus)
                } until: {
                    $0 > 0
                }
                let loaded = try ScrapedPage(try await admin.get("/metrics").text)
                for expression in try Self.dashboard() + (await Self.alerts(prometheus)) {
                    for name in expression.names {
                        #expect(
                            loaded.families.contains(name) || Self.conditional.contains(name),
                            "\(expression.origin): there is no metric \(name)")
                    }
                    let count = try await Self.evaluate(expression, prometheus)
                    if expression.isShown, expression.names.isDisjoint(with: Self.conditional) {
                        #expect(count > 0, "\(expression.origin) shows nothing: \(expression.text)")
                    }
                }
            }
        }
    }
}
