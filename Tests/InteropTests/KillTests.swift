// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Killed again and again") struct KillTests {
        @Test("nothing acknowledged is lost or doubled, nothing comes that was not sent, nothing read is taken back")
        func cycles() async throws {
            let plan = try KillPlan()
            print("killing the broker \(plan)")
            try await withBroker { broker in
                let load = try await KillLoad(plan, on: broker)
                var random = SplitMix(state: plan.seed)
                for cycle in 1...plan.cycles {
                    let ending = KillPlan.ending(of: cycle, using: &random)
                    try await load.goOn(in: cycle)
                    try await Task.sleep(for: .milliseconds(Int.random(in: KillPlan.running, using: &random)))
                    try await Self.end(broker, ending, using: &random)
                    try await broker.start()
                    if cycle.isMultiple(of: 20) { print("cycle \(cycle) of \(plan)") }
                }
                try await load.goOn(in: plan.cycles + 1)
                try await load.finishAndCheck()
            }
        }

        private static func end(
            _ broker: BrokerUnderTest, _ ending: KillPlan.Ending, using random: inout SplitMix
        ) async throws {
            let soon = Duration.milliseconds(Int.random(in: KillPlan.soon, using: &random))
            switch ending {
            case .kill: try await broker.kill()
            case .stop: try await broker.stop()
            case .killWhileStopping: try await broker.stopAndKill(after: soon)
            case .killWhileStarting:
                try await broker.kill()
                try await broker.startAndKill(after: soon)
            }
        }
    }
}

/// How often the broker ends, and how. All from one seed, which the failure names.
private struct KillPlan: CustomStringConvertible {
    enum Ending: CaseIterable { case kill, stop, killWhileStarting, killWhileStopping }

    /// Milliseconds under load, once every producer has got on.
    static let running = 50...1200
    /// Milliseconds between the beginning of a start or stop and the kill.
    static let soon = 0...80

    let cycles: Int
    let seed: UInt64

    /// Five cycles, unless SOAK_CYCLES says otherwise, from a seed of its own, unless SOAK_SEED gives one.
    init() throws {
        let environment = ProcessInfo.processInfo.environment
        func number<Number: FixedWidthInteger>(_ name: String) throws -> Number? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            let number = Number(text)
            return try #require(number, "\(name) is no number: \(text)")
        }
        self.cycles = max(1, try number("SOAK_CYCLES") ?? 5)
        var seeds = SystemRandomNumberGenerator()
        self.seed = try number("SOAK_SEED") ?? UInt64.random(in: 0...UInt64(Int64.max), using: &seeds)
    }

    var description: String { "\(self.cycles) times, SOAK_SEED=\(self.seed)" }

    /// The first cycles have each ending once; later ones mostly kill.
    static func ending(of cycle: Int, using random: inout SplitMix) -> Ending {
        if cycle <= Ending.allCases.count { return Ending.allCases[cycle - 1] }
        return Int.random(in: 0..<2, using: &random) == 0
            ? .kill : Ending.allCases.randomElement(using: &random) ?? .kill
    }
}

/// Everything that uses the broker meanwhile.
private struct KillLoad {
    private static let recordsPerSecond = 3000
    /// Of the producer that is kafka-python, which takes much more of the machine for a record.
    private static let pythonRecordsPerSecond = 200
    private static let waitLimit = Duration.seconds(60)
    private static let pollInterval = Duration.milliseconds(5)
    private static let pythonTopic: JSON = "python"
    private static let pythonPartitions = 3
    private static let pythonRecordBytes = 150

    private static func topic(_ number: Int, _ name: String, _ partitions: Int, _ configs: JSON = [:]) -> JSON {
        ["number": .number(number), "name": .string(name), "partitions": .number(partitions), "configs": configs]
    }

    private static let topics: JSON = [
        Self.topic(0, "plain", 4),
        Self.topic(1, "rolling", 3, ["segment.bytes": "1048576", "index.interval.bytes": "512"]),
        Self.topic(2, "many", 24),
        // A kill leaves the page cache alone: what was acknowledged without a sync is there, too.
        Self.topic(3, "relaxed", 2, ["flush.messages": "1000000"]),
    ]

    private static func producer(_ topics: JSON, _ codec: JSON, _ settings: [String: JSON] = [:]) -> JSON {
        ["topics": topics, "settings": .object(settings.merging(["compression.type": codec]) { own, _ in own })]
    }

    private static let producers: JSON = [
        Self.producer(["plain", "rolling"], "none"),
        Self.producer(["plain", "many", "relaxed"], "lz4"),
        Self.producer(["rolling"], "zstd", ["max.in.flight": "1"]),
        Self.producer(["plain", "many"], "gzip", ["enable.idempotence": "false"]),
        Self.producer(["rolling", "relaxed"], "none", ["enable.idempotence": "false", "linger.ms": "0"]),
    ]

    private let broker: BrokerUnderTest
    private let plan: KillPlan
    private let producers: ChildProcess
    private let watcher: ChildProcess
    private let operatorProgram: ChildProcess
    private let python: ChildProcess

    init(_ plan: KillPlan, on broker: BrokerUnderTest) async throws {
        self.broker = broker
        self.plan = plan
        try Data("0".utf8).write(to: broker.file("cycle"))
        let made = try await broker.run(
            .kills, ["do": "create_topics", "topics": Self.topics], bootstrap: broker.bootstrap
        )
        try #require(made[0].error == nil, "\(made)")
        try await broker.run(
            .kafkaPython,
            ["do": "create_topic", "topic": Self.pythonTopic, "partitions": .number(Self.pythonPartitions)]
        )
        self.producers = try Self.begin(
            "load", on: broker,
            [
                "seed": .number(Int(plan.seed)), "topics": Self.topics, "producers": Self.producers,
                "recordsPerSecond": .number(Self.recordsPerSecond), "ledger": .string(try broker.file("ledger").path),
            ]
        )
        self.watcher = try Self.begin(
            "watch", on: broker, ["topics": Self.topics, "seen": .string(try broker.file("seen").path)]
        )
        self.operatorProgram = try Self.begin("churn", on: broker, ["seed": .number(Int(plan.seed)), "names": 3])
        self.python = try broker.begin(
            .kafkaPython,
            [
                [
                    "do": "produce_sequence", "topic": Self.pythonTopic,
                    "partitions": .number(Self.pythonPartitions), "size": .number(Self.pythonRecordBytes),
                    "recordsPerSecond": .number(Self.pythonRecordsPerSecond),
                    "progressFile": .string(try broker.file("python.progress").path),
                    "stopFile": .string(try broker.file("stop").path),
                ]
            ]
        )
    }

    private static func begin(_ name: String, on broker: BrokerUnderTest, _ fields: [String: JSON]) throws
        -> ChildProcess
    {
        let signals: [String: JSON] = [
            "do": .string(name), "stopFile": .string(try broker.file("stop").path),
            "cycleFile": .string(try broker.file("cycle").path),
            "progressFile": .string(try broker.file("\(name).progress").path),
        ]
        return try broker.begin(.kills, [.object(signals.merging(fields) { own, _ in own })])
    }

    /// The records that each producer has got acknowledged, about.
    private func acknowledged() throws -> [Int] {
        let text = try? String(contentsOf: self.broker.file("load.progress"), encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { Int($0) }
    }

    /// Waits until every producer has got on by itself since the broker was started.
    func goOn(in cycle: Int) async throws {
        try Data("\(cycle)".utf8).write(to: self.broker.file("cycle"), options: .atomic)
        let before = try self.acknowledged()
        let clock = ContinuousClock()
        let deadline = clock.now + Self.waitLimit
        while true {
            let now = try self.acknowledged()
            let compared = before.isEmpty ? now.map { _ in 0 } : before
            if now.count == Self.producers.elements.count, now.count == compared.count,
                zip(compared, now).allSatisfy({ $0 < $1 })
            {
                return
            }
            for program in [self.producers, self.watcher, self.operatorProgram, self.python] {
                try #require(
                    program.process.isRunning && clock.now < deadline,
                    "\(self.plan), cycle \(cycle): \(compared) records were acknowledged, \(now) are: \(program.errorText)"
                )
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Lets everybody finish what they have begun, and compares everything with everything.
    func finishAndCheck() async throws {
        try Data().write(to: self.broker.file("stop"))
        let load = try await self.broker.finish(self.producers)[0]
        #expect(load["problems"] == [], "\(self.plan)")
        #expect(load["sent"] == load["acknowledged"], "\(self.plan)")
        let watched = try await self.broker.finish(self.watcher)[0]
        #expect(watched["problems"] == [], "read meanwhile, \(self.plan)")
        #expect((watched["count"].int ?? 0) > 0 && (watched["asked"].int ?? 0) > 0, "\(self.plan)")
        let churned = try await self.broker.finish(self.operatorProgram)[0]
        #expect(churned["problems"] == [], "topics made and deleted, \(self.plan)")
        #expect((churned["generations"].int ?? 0) > 0, "\(self.plan)")
        let audit = try await self.broker.run(
            .kills,
            [
                "do": "audit", "topics": Self.topics, "ledger": .string(try self.broker.file("ledger").path),
                "seen": .string(try self.broker.file("seen").path),
            ]
        )[0]
        #expect(audit["problems"] == [], "\(self.plan)")
        #expect((audit["count"].int ?? 0) >= (load["sent"].int ?? .max), "\(self.plan)")
        let sent = try await self.broker.finish(self.python)[0]
        #expect(sent["failures"] == [], "kafka-python, \(self.plan)")
        let read = try await self.broker.run(
            .kafkaPython,
            [
                "do": "consume_sequence", "topic": Self.pythonTopic, "partitions": .number(Self.pythonPartitions),
                "size": .number(Self.pythonRecordBytes),
            ]
        )
        #expect(read[0] == ["count": sent["sent"], "problems": []], "kafka-python, \(self.plan)")
        print(
            "\(load["sent"].int ?? 0) records of \(Self.producers.elements.count) producers, "
                + "\(watched["count"].int ?? 0) read meanwhile, \(churned["generations"].int ?? 0) topics made: "
                + "killed \(self.plan)"
        )
    }
}

/// A small generator that gives the same numbers for the same seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
