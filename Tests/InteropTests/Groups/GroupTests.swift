// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    @Suite("Consumer groups") struct GroupTests {
        @Test("every record is processed while members die, freeze, come and are replaced, and the broker restarts")
        func rolling() async throws {
            let plan = try RollingPlan()
            for company in plan.companies {
                do {
                    try await Self.run(company, plan)
                } catch {
                    // One kind of client that is stuck says nothing of the next.
                    Issue.record(error)
                }
            }
        }

        private static func run(_ kinds: [GroupKind], _ plan: RollingPlan) async throws {
            try await withBroker(RollingPlan.broker) { broker in
                let topic = "rolling"
                let producer = try await RunningProducer(
                    .confluent, on: broker, topic: topic, partitions: plan.partitions,
                    recordsPerSecond: plan.recordsPerSecond)
                let groups = kinds.map { MemberGroup($0, topic: topic, partitions: plan.partitions, on: broker) }
                do {
                    var steps = Steps(groups)
                    try await steps.take("start") { try await $0.add(plan.members) }
                    for _ in 0..<plan.rounds { try await Self.round(&steps, broker) }
                    let sent = try #require(try await producer.finish()["sent"].int)
                    let ends = (0..<plan.partitions).map { (sent - $0 + plan.partitions - 1) / plan.partitions }
                    try await steps.onAll { try await $0.drain(ends) }
                    try await steps.onAll { try await $0.stop() }
                    for group in groups {
                        Self.report(await group.audit(ends: ends, steps: steps.taken), group.kind, sent)
                    }
                } catch {
                    producer.kill()
                    for group in groups { await group.kill() }
                    throw error
                }
            }
        }

        private static func round(_ steps: inout Steps, _ broker: BrokerUnderTest) async throws {
            try await steps.take("kill -9 one") { try await $0.killOne() }
            try await steps.take("freeze one") { try await $0.freezeOne() }
            try await steps.take("wake it up") { await $0.wake() }
            try await steps.take("add two") { try await $0.add(2) }
            for ending in Ending.allCases {
                steps.begin("restart the broker (\(ending.testDescription))")
                try await broker.end(ending)
                try await broker.start()
                try await steps.converge()
            }
            try await steps.take("replace all, one by one") { try await $0.roll() }
            // Back to as many as there were, so that rounds are alike.
            try await steps.take("kill -9 one more") { try await $0.killOne() }
            guard steps.groups.contains(where: { $0.kind.upgrade != nil }) else { return }
            try await steps.take("change the protocol, one by one") { group in
                if let upgrade = group.kind.upgrade { try await group.roll(to: upgrade) }
            }
            try await steps.take("change it back, one by one") { group in
                if group.kind.upgrade != nil { try await group.roll(to: group.kind.members) }
            }
        }

        private static func report(_ audit: GroupAudit, _ kind: GroupKind, _ sent: Int) {
            #expect(audit.problemCount == 0, "\(kind.name): \(audit.problems.joined(separator: "\n"))")
            print(
                """
                \(kind.name): \(sent) records, \(audit.refusedCommits) commits refused, \
                \(audit.expulsions) partitions lost while awake
                \(audit.standstills.map { "    \($0)" }.joined(separator: "\n"))
                """)
        }
    }
}

/// What is done to all groups at the same time, and when.
private struct Steps {
    let groups: [MemberGroup]
    private(set) var taken: [(name: String, start: Int64)] = []

    init(_ groups: [MemberGroup]) { self.groups = groups }

    mutating func begin(_ name: String) {
        print("groups: \(name)")
        self.taken.append((name, MonotonicClock.now))
    }

    /// Does something to each group and waits until all of them have come to rest.
    mutating func take(_ name: String, _ body: @escaping @Sendable (MemberGroup) async throws -> Void) async throws {
        self.begin(name)
        try await self.onAll(body)
        try await self.converge()
    }

    func converge() async throws {
        let name = self.taken.last?.name ?? "start"
        try await self.onAll { try await $0.converge("after \"\(name)\"") }
    }

    func onAll(_ body: @escaping @Sendable (MemberGroup) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for group in self.groups { tasks.addTask { try await body(group) } }
            try await tasks.waitForAll()
        }
    }
}
