// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet bench") struct BenchTests {
        private static let quick = ["--warm-up", "0.2", "--seconds", "1", "-o", "json"]

        @Test("what is sent is acknowledged, in the log and with its readers, and the JSON says so")
        func modes() async throws {
            try await withBroker { broker in
                let produced = try await broker.report(
                    ["produce", "--keys", "random:100", "--size", "200"] + Self.quick)
                #expect(produced.totals("sent") > 100)
                #expect(produced.totals("acknowledged") == produced.totals("sent"))
                #expect(produced.totals("inLog") == produced.totals("sent"))
                #expect(produced.phase("produce")?["recordsPerSecond"] as? Double ?? 0 > 100)

                let consumed = try await broker.report(
                    ["consume", "--backlog", "2MiB", "--size", "1024", "--once", "-o", "json"])
                #expect(consumed.totals("inLog") == 2048)
                #expect(consumed.totals("received") == 2048)

                let both = try await broker.report(["end-to-end", "--rate", "400", "--consumers", "2"] + Self.quick)
                #expect(both.totals("sent") == 480)
                #expect(both.totals("received") == 480)
                #expect(both.totals("inLog") == 480)
                let latency = try #require(both.phase("end-to-end")?["latencyMs"] as? [String: Double])
                #expect(try #require(latency["p50"]) > 0 && latency["p50"] ?? 0 <= latency["max"] ?? 0)
                // Both are processes of this machine, as far as they may be looked at.
                #expect((both.root["machine"] as? [String: Any])?["clientCores"] as? Double ?? 0 > 0)
                #expect(try await broker.bench(["topic", "list", "-o", "json"], isBench: false).output == "[]\n")
            }
        }

        @Test("a workload file is run, its reports are compared, and pages are written")
        func files() async throws {
            try await withBroker { broker in
                let workload = try broker.file("w.yaml")
                try Data(
                    """
                    name: <small>
                    topics: 2
                    partitionsPerTopic: 2
                    messageSize: 100
                    producersPerTopic: 1
                    consumerPerSubscription: 1
                    subscriptionsPerTopic: 2
                    producerRate: 200
                    """.utf8
                ).write(to: workload)
                let (a, b, page) = (try broker.file("a.json"), try broker.file("b.json"), try broker.file("c.html"))
                for file in [a, b] {
                    let result = try await broker.bench([
                        "run", workload.path, "--seconds", "1", "--warm-up", "0", "--json-file", file.path, "--html",
                        page.path,
                    ])
                    #expect(result.output.contains("PHASE"))
                    #expect(result.output.contains("200 records sent, 200 acknowledged, 200 in the log, 400 received"))
                }
                #expect(try String(contentsOf: page, encoding: .utf8).contains("<h1>&lt;small&gt;</h1>"))
                let compared = try await broker.bench(["compare", a.path, b.path, "--html", page.path])
                #expect(compared.output.contains("a.json") && compared.output.contains("RATIO"))
                #expect(try String(contentsOf: page, encoding: .utf8).contains("<polyline"))
            }
        }

        @Test("what cannot be run is refused with its reason and an exit code, before anything is done")
        func badInput() async throws {
            try await withBroker { broker in
                for arguments in [
                    ["produce", "--size", "x"], ["produce", "--size", "uniform:9-1"], ["produce", "--keys", "some"],
                    ["produce", "--rate", "-1"], ["produce", "--partitions", "0"], ["produce", "--acks", "2"],
                    ["produce", "--seconds", "0"], ["produce", "--seconds", "1", "-n", "5"],
                    ["consume", "--rate", "5"],
                    ["consume", "--once", "--seconds", "1"], ["consume", "--groups"], ["end-to-end", "--size", "15"],
                    ["mixed", "--backlog", "1XB"], ["compare", "one.json"], ["run"], ["nothing"],
                ] {
                    let result = try await broker.bench(arguments, expecting: 64)
                    #expect(result.output.isEmpty && !result.errors.isEmpty, "\(arguments)")
                }
                let workload = try broker.file("bad.yaml")
                try Data("topics: 1\nmesageSize: 5\n".utf8).write(to: workload)
                let unknown = try await broker.bench(["run", workload.path], expecting: 1)
                #expect(unknown.errors.contains("line 2 of \(workload.path): mesageSize is no key"))
                let missing = try await broker.bench(["run", "/nowhere/w.yaml"], expecting: 5)
                #expect(missing.errors.contains("there is no file /nowhere/w.yaml"))
                let noReport = try await broker.bench(["compare", workload.path, workload.path], expecting: 1)
                #expect(noReport.errors.contains("no report of martlet bench"))
                let noFolder = try await broker.bench(
                    ["produce", "-n", "5", "--html", "/nowhere/a.html"], expecting: 1)
                #expect(noFolder.errors.contains("/nowhere/a.html cannot be written"))
                // What the cluster refuses is an error, too.
                let refused = try await broker.bench(["produce", "-n", "5", "--replication-factor", "3"], expecting: 1)
                #expect(refused.errors.contains("replication"))
                #expect(try await broker.bench(["topic", "list", "-o", "json"], isBench: false).output == "[]\n")
            }
        }

        @Test("records that are refused, and a broker that is not there, end with a failure")
        func failures() async throws {
            try await withBroker { broker in
                let refused = try await broker.bench(
                    [
                        "produce", "-n", "20", "--size", "5000", "--topic-config", "max.message.bytes=1000", "-o",
                        "json",
                    ],
                    expecting: 1)
                #expect(refused.errors.contains("20 records failed"))
                #expect(refused.output.contains("\"MESSAGE_TOO_LARGE\""))
                let nobody = try await broker.bench(["produce", "-n", "1", "-b", "127.0.0.1:1"], expecting: 2)
                #expect(nobody.errors.contains("127.0.0.1:1"))
            }
        }

        @Test("a signal ends the run: the report is of the time before, and no topic is left behind")
        func interrupted() async throws {
            try await withBroker { broker in
                let child = try broker.begin(
                    bench: ["mixed", "--rate", "100", "--seconds", "600", "--warm-up", "0", "-o", "json"])
                let clock = ContinuousClock()
                let deadline = clock.now + .seconds(30)
                while clock.now < deadline {
                    let topics = try await broker.bench(["topic", "list", "-o", "json"], isBench: false).output
                    if topics.contains("martlet-bench") { break }
                }
                // The load begins when there is a topic.
                try await Task.sleep(for: .milliseconds(500))
                child.send(SIGINT)
                let exit = try await child.waitForExit(within: .seconds(30))
                #expect(exit == ChildProcess.Exit(status: 1, isSignal: false))
                #expect(child.errorText.contains("interrupted"))
                let report = try BenchJSON(child.outputData)
                #expect(report.root["outcome"] as? String == "interrupted")
                #expect(report.totals("received") == report.totals("inLog"))
                #expect(try await broker.bench(["topic", "list", "-o", "json"], isBench: false).output == "[]\n")
            }
        }
    }
}

/// What `martlet bench -o json` has written.
private struct BenchJSON {
    let root: [String: Any]

    init(_ data: Data) throws {
        self.root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    func totals(_ name: String) -> Int { (self.root["totals"] as? [String: Any])?[name] as? Int ?? -1 }

    func phase(_ name: String) -> [String: Any]? {
        (self.root["phases"] as? [[String: Any]])?.first { $0["name"] as? String == name }
    }
}

extension BrokerUnderTest {
    fileprivate struct Answer {
        var output: String
        var errors: String
        var data: Data
    }

    fileprivate func begin(bench arguments: [String]) throws -> ChildProcess {
        try ChildProcess(
            try Programs.martlet(), ["bench"] + arguments, environment: ["MARTLET_BOOTSTRAP": self.bootstrap],
            folder: self.folder)
    }

    /// Runs `martlet bench`, or another command, which ends with this exit code.
    @discardableResult
    fileprivate func bench(
        _ arguments: [String], isBench: Bool = true, expecting status: Int32 = 0
    ) async throws -> Answer {
        let child =
            isBench
            ? try self.begin(bench: arguments)
            : try ChildProcess(
                try Programs.martlet(), arguments, environment: ["MARTLET_BOOTSTRAP": self.bootstrap],
                folder: self.folder)
        let exit = try await child.waitForExit(within: .seconds(60))
        #expect(
            exit == ChildProcess.Exit(status: status, isSignal: false),
            "\(arguments): \(exit) \(child.errorText)")
        return Answer(
            output: String(decoding: child.outputData, as: UTF8.self), errors: child.errorText, data: child.outputData)
    }

    fileprivate func report(_ arguments: [String]) async throws -> BenchJSON {
        try BenchJSON(try await self.bench(arguments).data)
    }
}
