// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("martlet group and martlet consume --group") struct GroupCommandTests {
        /// Sessions as short as a test's patience.
        private static let options = BrokerOptions(settings: [
            ("group.consumer.min.session.timeout.ms", "1000"), ("group.consumer.session.timeout.ms", "3000"),
            ("group.consumer.min.heartbeat.interval.ms", "100"), ("group.consumer.heartbeat.interval.ms", "200"),
        ])

        /// Produces the numbers of a range, round robin.
        private static func produce(_ numbers: Range<Int>, _ topic: String, on broker: BrokerUnderTest) async throws {
            let records = numbers.map { Record(partition: $0 % 4, value: Data("\($0)".utf8)) }
            try await broker.produce(.kcat, topic, records.sorted { $0.partition < $1.partition })
        }

        @Test("members share a topic, hand it on when they stop, and print every record")
        func sharing() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "4")
                try await Self.produce(0..<400, "orders", on: broker)
                let first = try broker.member("orders", "--group", "g", "-v")
                try await broker.wait("everything is printed") { first.lines.count == 400 }
                let second = try broker.member("orders", "--group", "g", "-v")
                try await broker.waitForShares("g", [2, 2])
                try await Self.produce(400..<800, "orders", on: broker)
                try await broker.wait("both print") { first.lines.count + second.lines.count == 800 }
                #expect(second.lines.count == 200)
                try await broker.finish(first, SIGTERM)
                try await broker.waitForShares("g", [4])
                try await Self.produce(800..<1200, "orders", on: broker)
                try await broker.wait("the other has taken over") { second.lines.count == 600 }
                try await broker.finish(second, SIGINT)
                // Those who leave in order leave nothing that is printed twice.
                #expect((first.lines + second.lines).compactMap { Int($0) }.sorted() == Array(0..<1200))
                let page = try await broker.describe("g")
                #expect(page["state"] == "Empty")
                #expect(page["partitions"].elements.map { $0["committedOffset"].int } == [300, 300, 300, 300])
                #expect(page["partitions"].elements.map { $0["lag"].int } == [0, 0, 0, 0])
            }
        }

        @Test("what a killed member has printed and not committed is printed again, and nothing is left out")
        func killed() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "4")
                let first = try broker.member("orders", "--group", "g", "--instance-id", "pod-0")
                try await broker.waitForShares("g", [4])
                try await Self.produce(0..<400, "orders", on: broker)
                try await broker.wait("everything is printed") { first.lines.count == 400 }
                first.send(SIGKILL)
                _ = try await first.waitForExit(within: .seconds(10))
                try await Self.produce(400..<500, "orders", on: broker)
                // The instance id is in use until the session of the killed one is over.
                let second = try broker.member("orders", "--group", "g", "--instance-id", "pod-0")
                try await broker.wait("everything new is printed") {
                    Set(second.lines).isSuperset(of: (400..<500).map { "\($0)" })
                }
                try await broker.finish(second, SIGTERM)
                #expect(Set(first.lines + second.lines) == Set((0..<500).map { "\($0)" }))
                let away = try await broker.describe("g")["members"]
                #expect(away.elements.map { $0["epoch"].int } == [-2], "a static member keeps its place: \(away)")
            }
        }

        @Test("a broker that restarts is waited for")
        func restart() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "4")
                let member = try broker.member("orders", "--group", "g")
                try await broker.waitForShares("g", [4])
                try await Self.produce(0..<100, "orders", on: broker)
                try await broker.wait("everything is printed") { member.lines.count == 100 }
                try await broker.kill()
                try await broker.start()
                try await Self.produce(100..<200, "orders", on: broker)
                try await broker.wait("it goes on") {
                    Set(member.lines).isSuperset(of: (100..<200).map { "\($0)" })
                }
                try await broker.finish(member, SIGTERM)
                #expect(try await broker.describe("g")["state"] == "Empty")
            }
        }

        @Test("a member with weight 0 gets nothing from the assignor weighted")
        func weights() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "4")
                let weighted = ["orders", "--group", "g", "--assignor", "weighted"]
                let first = try broker.member(weighted + ["--weight", "300"])
                let second = try broker.member(weighted + ["--weight", "100"])
                try await broker.waitForShares("g", [1, 3])
                let drained = try broker.member(weighted + ["--weight", "0"])
                try await broker.waitForShares("g", [0, 1, 3])
                for member in [first, second, drained] { try await broker.finish(member, SIGTERM) }
            }
        }

        @Test("a regular expression finds topics that come later")
        func regex() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders.eu", "other")
                let member = try broker.member("--group", "g", "--regex", "orders\\..*")
                try await broker.waitForShares("g", [1])
                try await broker.martlet("topic", "create", "orders.us")
                try await broker.waitForShares("g", [2])
                try await broker.finish(member, SIGTERM)
            }
        }

        @Test("-n stops after so many records, and the next one goes on from there")
        func count() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.produce(.kcat, "few", (0..<10).map { Record(value: Data("\($0)".utf8)) })
                for start in [0, 3, 6] {
                    let printed = try await broker.martlet("consume", "few", "--group", "g", "-n", "3")
                    #expect(printed.output == (start..<start + 3).map { "\($0)\n" }.joined())
                }
            }
        }

        @Test("groups of other clients are listed and described", arguments: ["range", "consumer"])
        func othersGroups(strategy: String) async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "2")
                let options = MemberOptions(library: .confluent, strategy: strategy)
                let member = try GroupMember("m", options, instance: nil, group: "g", topic: "orders", on: broker)
                defer { member.process.send(SIGKILL) }
                try await broker.waitForShares("g", [2])
                let type = strategy == "consumer" ? "consumer" : "classic"
                let listed = try await broker.martlet("group", "list", "--state", "stable", "--type", type)
                #expect(listed.output.contains("g      Stable  \(type)"))
                let page = try await broker.describe("g")
                #expect(page["type"].text == type)
                #expect(page["members"][0]["subscribedTopics"] == ["orders"])
                #expect(page["members"][0]["assignment"] == ["orders": [0, 1]])
                let text = try await broker.martlet("group", "describe", "g", "--members").output
                #expect(text.contains("orders:0-1"), "\(text)")
            }
        }

        @Test("offsets are reset, shown, deleted, and only while nobody uses them")
        func resetting() async throws {
            try await withBroker(Self.options) { broker in
                try await broker.martlet("topic", "create", "orders", "--partitions", "4")
                try await Self.produce(0..<40, "orders", on: broker)
                let member = try broker.member("orders", "--group", "g")
                try await broker.wait("everything is printed") { member.lines.count == 40 }
                let reset = ["group", "reset-offsets", "g", "--topic", "orders:0,2-3"]
                let refused = try await broker.martlet(reset + ["--to-earliest", "--execute"], expecting: 1)
                #expect(refused.errors.contains("the group g has a member: martlet at 127.0.0.1"))
                let kept = try await broker.martlet("group", "delete", "g", expecting: 1)
                #expect(kept.errors.contains("the group g has members"))
                let inUse = try await broker.martlet(
                    "group", "delete-offsets", "g", "--topic", "orders", expecting: 1)
                #expect(!inUse.errors.isEmpty)
                try await broker.finish(member, SIGTERM)

                let rehearsal = try await broker.martlet(reset + ["--to-earliest"])
                #expect(rehearsal.errors.contains("dry run"))
                #expect(try await broker.committed("g") == [10, 10, 10, 10])
                try await broker.martlet(reset + ["--to-earliest", "--execute"])
                #expect(try await broker.committed("g") == [0, 10, 0, 0])
                try await broker.martlet("group", "reset-offsets", "g", "--all-topics", "--shift-by", "-3", "--execute")
                #expect(try await broker.committed("g") == [0, 7, 0, 0])
                try await broker.martlet(reset + ["--to-datetime", "2100-01-01", "--execute"])
                #expect(try await broker.committed("g") == [10, 7, 10, 10])
                try await broker.martlet(reset + ["--by-duration", "PT1H", "--execute"])
                #expect(try await broker.committed("g") == [0, 7, 0, 0])
                let again = try broker.member("orders", "--group", "g")
                try await broker.wait("what was reset is printed again") { again.lines.count == 33 }
                try await broker.finish(again, SIGTERM)

                try await broker.martlet("group", "delete-offsets", "g", "--topic", "orders:1")
                #expect(try await broker.committed("g") == [10, 10, 10])
                try await broker.martlet("group", "delete", "g")
                let gone = try await broker.martlet("group", "describe", "g", expecting: 5)
                #expect(gone.errors.contains("the group g does not exist"))
                #expect(try await broker.martlet("group", "list").output == "GROUP  STATE  TYPE  PROTOCOL\n")
            }
        }

        @Test("a group that stands still shows how far it is behind, in records and in time")
        func lag() async throws {
            try await withBroker(Self.options) { broker in
                let start = 1_700_000_000_000
                let records = (0..<10).map { Record(timestamp: start + 1000 * $0, value: Data("\($0)".utf8)) }
                try await broker.produce(.confluent, "slow", records)
                try await broker.martlet(
                    "group", "reset-offsets", "g", "--topic", "slow", "--to-offset", "4", "--execute")
                let partition = try await broker.describe("g")["partitions"][0]
                #expect(partition["lag"] == 6)
                #expect(partition["endOffset"] == 10)
                // The fifth record has been waiting since November 2023.
                #expect(partition["timeLagMs"].int ?? 0 > 365 * 86_400_000, "\(partition)")
            }
        }
    }
}

/// What a command has printed.
private struct CommandResult {
    let output: String
    let errors: String
}

extension BrokerUnderTest {
    private static let commandLimit = Duration.seconds(60)
    private static let waitLimit = Duration.seconds(60)
    private static let pollInterval = Duration.milliseconds(20)

    /// Runs a command of the command line against this broker, which ends with this exit code.
    @discardableResult
    fileprivate func martlet(_ arguments: String..., expecting status: Int32 = 0) async throws -> CommandResult {
        try await self.martlet(arguments, expecting: status)
    }

    @discardableResult
    fileprivate func martlet(_ arguments: [String], expecting status: Int32 = 0) async throws -> CommandResult {
        let child = try self.begin(arguments)
        let exit = try await child.waitForExit(within: Self.commandLimit)
        guard exit == ChildProcess.Exit(status: status, isSignal: false) else { throw ProgramFailure(child, exit) }
        return CommandResult(output: String(decoding: child.outputData, as: UTF8.self), errors: child.errorText)
    }

    private func begin(_ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(
            try Programs.martlet(), arguments, environment: ["MARTLET_BOOTSTRAP": self.bootstrap], folder: self.folder)
    }

    /// Starts `martlet consume`.
    fileprivate func member(_ arguments: String...) throws -> ChildProcess { try self.member(arguments) }

    fileprivate func member(_ arguments: [String]) throws -> ChildProcess { try self.begin(["consume"] + arguments) }

    /// Ends a member as an operator does.
    fileprivate func finish(_ member: ChildProcess, _ signal: Int32) async throws {
        member.send(signal)
        let exit = try await member.waitForExit(within: Self.commandLimit)
        guard exit == .success else { throw ProgramFailure(member, exit) }
    }

    fileprivate func wait(_ what: String, until condition: () async throws -> Bool) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.waitLimit
        while try await !condition() {
            guard clock.now < deadline else { throw BrokerFailure("it does not happen that \(what)", log: self.log) }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Waits until the group is stable and its members have so many partitions, ascending.
    fileprivate func waitForShares(_ group: String, _ shares: [Int]) async throws {
        try await self.wait("the shares of \(group) are \(shares)") {
            let child = try self.begin(["group", "describe", group, "-o", "json"])
            guard try await child.waitForExit(within: Self.commandLimit) == .success else { return false }
            let page = try JSONDecoder().decode(JSON.self, from: child.outputData)[0]
            let counts = page["members"].elements.map {
                $0["assignment"].fields.values.reduce(0) { $0 + $1.elements.count }
            }
            return page["state"] == "Stable" && counts.sorted() == shares
        }
    }

    fileprivate func describe(_ group: String) async throws -> JSON {
        let result = try await self.martlet("group", "describe", group, "-o", "json")
        return try JSONDecoder().decode(JSON.self, from: Data(result.output.utf8))[0]
    }

    /// The committed offsets of a group, by partition.
    fileprivate func committed(_ group: String) async throws -> [Int?] {
        try await self.describe(group)["partitions"].elements.map { $0["committedOffset"].int }
    }
}

extension ChildProcess {
    /// What it has printed so far, without a line that is not whole yet.
    fileprivate var lines: [String] {
        let lines = String(decoding: self.outputData, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        return lines.dropLast().map(String.init)
    }
}
