// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("What the admin port tells is what happened") struct MetricsTests {
        private static let recordCount = 300
        private static let consumedByGroup = 100
        private static let waitLimit = Duration.seconds(40)
        private static let pollInterval = Duration.milliseconds(100)

        private static func scrape(_ admin: HTTPEndpoint) async throws -> ScrapedPage {
            let (status, text) = try await admin.get("/metrics")
            #expect(status == 200)
            return try ScrapedPage(text)
        }

        /// Asks until the answer is as it should be.
        static func poll<Value>(
            _ what: String, _ ask: () async throws -> Value, until isGood: (Value) -> Bool
        ) async throws -> Value {
            let clock = ContinuousClock()
            let deadline = clock.now + Self.waitLimit
            while true {
                let value = try await ask()
                if isGood(value) { return value }
                try #require(clock.now < deadline, "no \(what) in \(Self.waitLimit)")
                try await Task.sleep(for: Self.pollInterval)
            }
        }

        /// Produces to a topic of three partitions, reads all of it, and reads some of it in a group.
        static func load(_ broker: BrokerUnderTest) async throws {
            try await broker.run(.confluent, ["do": "create_topic", "topic": "orders", "partitions": 3])
            let lines = (0..<Self.recordCount).map { "key-\($0):value-\($0)\n" }.joined()
            try await broker.kcat("-P", "-t", "orders", "-K", ":", "-X", "acks=all", input: Data(lines.utf8))
            let read = try await broker.kcat("-C", "-t", "orders", "-e")
            #expect(read.split(separator: UInt8(ascii: "\n")).count == Self.recordCount)
            try await broker.kcat(
                "-G", "readers", "-c", "\(Self.consumedByGroup)", "-X", "auto.offset.reset=earliest", "orders")
            let answers = try await broker.run(.confluent, ["do": "delete_topic", "topic": "nothing"])
            #expect(answers[0].error == "UNKNOWN_TOPIC_OR_PARTITION")
        }

        /// How far the group is behind by the offsets of the page: in the partitions in which it has committed anything.
        private static func lag(in page: ScrapedPage) -> Double? {
            let lags = (0..<3).compactMap { partition -> Double? in
                let labels = ["topic": "orders", "partition": "\(partition)"]
                guard let end = page.sum("kafka_topic_partition_current_offset", labels),
                    let committed = page.sum(
                        "kafka_consumergroup_current_offset", labels.merging(["consumergroup": "readers"]) { $1 })
                else { return nil }
                return end - committed
            }
            return lags.isEmpty ? nil : lags.reduce(0, +)
        }

        @Test("counters equal what was produced and fetched, lag what the group is behind, histograms agree")
        func numbers() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                try await Self.load(broker)
                let records = Double(Self.recordCount)
                // Lag is looked at every few seconds: the first look may have been before the last commit.
                let page = try await Self.poll("lag") {
                    try await Self.scrape(admin)
                } until: {
                    let lag = Self.lag(in: $0)
                    return lag != nil && $0.sum("kafka_consumergroup_lag", ["consumergroup": "readers"]) == lag
                }
                let orders = ["topic": "orders"]
                #expect(page.sum("kafka_topic_partitions", orders) == 3)
                #expect(page.sum("kafka_topic_partition_current_offset", orders) == records)
                #expect(page.sum("kafka_topic_partition_oldest_offset", orders) == 0)
                #expect(page.sum("kafka_server_brokertopicmetrics_messagesin_total", orders) == records)
                let bytesIn = try #require(page.sum("kafka_server_brokertopicmetrics_bytesin_total", orders))
                #expect(bytesIn > 0 && page.sum("kafka_log_log_size", orders) == bytesIn)
                let sent = try #require(page.sum("martlet_topic_records_out_total", orders))
                #expect(sent >= records + Double(Self.consumedByGroup) && sent <= 2 * records)
                #expect(page.sum("kafka_server_brokertopicmetrics_bytesout_total", orders) ?? 0 >= bytesIn)

                let group = ["consumergroup": "readers", "topic": "orders"]
                #expect(page.sum("kafka_consumergroup_current_offset", group) == Double(Self.consumedByGroup))
                #expect(page.sum("kafka_consumergroup_lag_sum", group) == Self.lag(in: page))
                #expect(page.sum("kafka_consumergroup_members", ["consumergroup": "readers"]) == 0)
                #expect(page.sum("martlet_group_rebalances_total") ?? 0 >= 1)

                let error = ["request": "DeleteTopics", "error": "UNKNOWN_TOPIC_OR_PARTITION"]
                #expect(page.sum("kafka_network_requestmetrics_errors_total", error) == 1)
                let closed = try #require(page.sum("martlet_connections_closed_total"))
                let open = try #require(page.sum("martlet_connections_open"))
                #expect(page.sum("martlet_connections_opened_total") == closed + open)
                #expect(page.sum("martlet_request_bytes_in_flight") == 0 || open > 0)
                try Self.checkHistograms(page)
                try Self.checkNames(page)
                try await Self.promtool(["check", "metrics"], input: page.text, broker)
            }
        }

        private static func checkHistograms(_ page: ScrapedPage) throws {
            let produce = ["request": "Produce"]
            let requests = try #require(page.sum("kafka_network_requestmetrics_requests_total", produce))
            #expect(page.sum("martlet_request_total_seconds_count", produce) == requests)
            #expect(page.sum("martlet_request_wait_seconds_count", produce) == requests)
            #expect(page.sum("martlet_request_total_seconds_bucket", ["request": "Produce", "le": "+Inf"]) == requests)
            let total = try #require(page.sum("martlet_request_total_seconds_sum", produce))
            let local = try #require(page.sum("martlet_request_local_seconds_sum", produce))
            let wait = try #require(page.sum("martlet_request_wait_seconds_sum", produce))
            #expect(total > 0 && abs(total - local - wait) < 1e-6)
            // Each batch was appended once, and its request waited for that.
            let batches = try #require(page.sum("martlet_topic_batches_in_total"))
            #expect(page.sum("martlet_request_disk_seconds_count", produce) == batches)
            #expect(page.sum("martlet_request_queue_seconds_count", produce) == batches)
            let commits = try #require(page.sum("martlet_log_commit_seconds_count"))
            #expect(commits > 0 && page.sum("martlet_log_commit_logs_total") ?? 0 >= commits)
            #expect(page.sum("martlet_request_bytes_total", produce) ?? 0 > 0)
            #expect(page.sum("martlet_response_bytes_total", ["request": "Fetch"]) ?? 0 > 0)
        }

        /// Everything on the page is in docs/METRICS.md.
        private static func checkNames(_ page: ScrapedPage) throws {
            let text = try String(contentsOf: Programs.inPackage("docs/METRICS.md"), encoding: .utf8)
            for name in page.families { #expect(text.contains("| `\(name)` |"), "docs/METRICS.md lacks \(name)") }
        }

        static func promtool(_ arguments: [String], input: String = "", _ broker: BrokerUnderTest) async throws {
            let program = try ChildProcess(
                try Programs.found("promtool"), arguments, input: Data(input.utf8), folder: broker.folder)
            let exit = try await program.waitForExit(within: .seconds(30))
            let output = String(decoding: program.outputData, as: UTF8.self) + program.errorText
            // What it says of names alone it says with 3; two of kafka_exporter's are not to its taste.
            let isOnlyTaste = exit == ChildProcess.Exit(status: 3, isSignal: false)
            let complaints = output.split(separator: "\n").filter { line in
                !["kafka_consumergroup_current_offset_sum ", "kafka_consumergroup_lag_sum "]
                    .contains(where: line.hasPrefix)
            }
            #expect(exit == .success || isOnlyTaste && complaints.isEmpty, "\(output)")
        }

        @Test("readyz warns of a full disk until there is room again, and stays ready for those who read and delete")
        func readiness() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                func setMark(_ mark: String) async throws {
                    try await broker.run(
                        .confluent,
                        [
                            "do": "incremental_alter_configs", "type": "broker", "name": "1",
                            "changes": [
                                ["operation": "SET", "name": "log.dir.min.free.bytes", "value": .string(mark)]
                            ],
                        ])
                }
                #expect(try await admin.get("/readyz").status == 200)
                try await setMark("\(Int64.max)")
                let (status, text) = try await admin.get("/readyz")
                #expect(status == 200)
                #expect(text.contains("warn disk: ") && text.contains("log.dir.min.free.bytes"), "\(text)")
                let json = try await admin.get("/readyz", accept: "application/json")
                #expect(json.status == 200)
                let report = try JSONDecoder().decode(JSON.self, from: Data(json.text.utf8))
                #expect(report["status"] == "warn")
                #expect(report["checks"].elements.filter { $0["status"] != "ok" }.map { $0["name"] } == ["disk"])
                #expect(try await admin.get("/healthz").status == 200)
                let page = try await Self.scrape(admin)
                #expect(page.sum("martlet_disk_accepts_records") == 0 && page.sum("martlet_disk_full_total") == 1)
                try await setMark("0")
                _ = try await Self.poll("readiness") {
                    try await admin.get("/readyz")
                } until: {
                    !$0.text.contains("warn")
                }
            }
        }

        @Test("the log as JSON is an object a line, whatever clients are called")
        func jsonLog() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin, settings: [("log.format", "json")])) { broker in
                try await broker.kcat("-P", "-t", "orders", input: Data("a\n".utf8))
                try await broker.kcat(
                    "-G", "a\"\\group", "-c", "1", "-X", "auto.offset.reset=earliest", "-X", "client.id=x\"y", "orders")
                try await broker.stop()
                let lines = broker.log.split(separator: "\n")
                var messages: [String] = []
                for line in lines {
                    let fields = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
                    for name in ["time", "level", "message", "label"] { #expect(fields[name] != nil, "\(line)") }
                    #expect(fields["time"]?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(line)")
                    messages.append(fields["message"] ?? "")
                }
                for message in ["metrics and health are served", "ready", "created a topic", "stopping"] {
                    #expect(messages.contains(message))
                }
                // Nothing for each request or connection.
                #expect(lines.count < 20, "\(broker.log)")
            }
        }

        @Test("an admin port that is taken keeps the broker from starting, with an error that names it")
        func portTaken() async throws {
            let admin = HTTPEndpoint(port: Sockets.freePort())
            try await withBroker(.withAdmin(at: admin)) { broker in
                let second = try ChildProcess(
                    try Programs.martlet(),
                    [
                        "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:\(admin.port)", "--data-dir",
                        broker.folder.appendingPathComponent("second").path,
                    ], folder: broker.folder)
                let exit = try await second.waitForExit(within: .seconds(30))
                #expect(exit == ChildProcess.Exit(status: 1, isSignal: false))
                #expect(second.errorText.contains("cannot serve the admin port on 127.0.0.1:\(admin.port)"))
            }
        }
    }
}
