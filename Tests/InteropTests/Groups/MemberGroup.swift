// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// A consumer group of several processes, to which a test does what happens to services.
actor MemberGroup {
    private static let pollInterval = Duration.milliseconds(50)
    /// Much more than a session time-out and a rebalance: whoever takes longer is stuck.
    private static let convergenceLimit = Duration.seconds(60)
    private static let exitLimit = Duration.seconds(30)

    nonisolated let kind: GroupKind
    private let broker: BrokerUnderTest
    private let topic: String
    private let partitions: Int
    private let id: String
    /// What new members are like, in turn.
    private var options: [MemberOptions]
    /// All that there ever were.
    private var everybody: [GroupMember] = []
    /// Those that run.
    private var live: [GroupMember] = []
    private var frozen: [GroupMember] = []

    init(_ kind: GroupKind, topic: String, partitions: Int, on broker: BrokerUnderTest) {
        self.kind = kind
        self.broker = broker
        self.topic = topic
        self.partitions = partitions
        self.id = "group-\(UUID().uuidString.prefix(8))"
        self.options = kind.members
    }

    // MARK: What happens to members

    func add(_ count: Int) throws {
        for _ in 0..<count {
            let number = self.everybody.count
            try self.start(self.options[number % self.options.count], instance: "instance-\(number)")
        }
    }

    private func start(_ options: MemberOptions, instance: String) throws {
        let library = options.library.rawValue
        let member = try GroupMember(
            "\(library)-\(self.everybody.count)", options, instance: options.isStatic ? instance : nil, group: self.id,
            topic: self.topic, on: self.broker)
        self.everybody.append(member)
        self.live.append(member)
    }

    /// As when a container's memory runs out.
    func killOne() async throws {
        let victim = self.live.removeFirst()
        victim.process.send(SIGKILL)
        _ = try await victim.process.waitForExit(within: Self.exitLimit)
        try victim.readOn()
        victim.note(.killed)
    }

    /// As when a machine stands still for longer than a session lasts.
    func freezeOne() throws {
        let victim = self.live.removeFirst()
        victim.process.send(SIGSTOP)
        try victim.readOn()
        victim.note(.paused)
        self.frozen.append(victim)
    }

    /// Who was frozen goes on as if nothing had happened, and learns what has.
    func wake() {
        for member in self.frozen {
            member.note(.resumed)
            member.process.send(SIGCONT)
        }
        self.live += self.frozen
        self.frozen = []
    }

    /// As a deployment does: one after the other leaves, and another one comes in its place. With other options it comes
    /// as such a one.
    func roll(to options: [MemberOptions]? = nil) async throws {
        if let options { self.options = options }
        for (position, old) in self.live.enumerated() {
            old.process.send(SIGTERM)
            try await self.end(old)
            self.live.removeAll { $0 === old }
            let like = options?[position % (options?.count ?? 1)] ?? old.options
            try self.start(like, instance: old.instance ?? "instance-\(self.everybody.count)")
            try await self.converge("after \(old.name) was replaced")
        }
    }

    /// Waits for the end of a member that was told to leave.
    private func end(_ member: GroupMember) async throws {
        let exit = try? await member.process.waitForExit(within: Self.exitLimit)
        try member.readOn()
        guard exit == .success, member.diary.last?.kind == .left else {
            let end = exit.map { "ended with \($0)" } ?? "has not ended after \(Self.exitLimit)"
            throw GroupFailure(self.kind, "\(member.name) was told to leave and \(end)", [member])
        }
    }

    /// Everybody leaves.
    func stop() async throws {
        for member in self.live { member.process.send(SIGTERM) }
        for member in self.live { try await self.end(member) }
        self.live = []
    }

    /// Whatever still runs, does no longer. For tests that have failed.
    func kill() {
        for member in self.everybody { member.process.send(SIGKILL) }
    }

    // MARK: What becomes of it

    /// Waits until the members that run share out the partitions, each to one and evenly, and all of them get on.
    func converge(_ when: String) async throws {
        let since = MonotonicClock.now
        try await self.wait(when) { self.hindrance(since: since) }
    }

    /// Waits until somebody has processed everything.
    func drain(_ ends: [Int]) async throws {
        try await self.wait("after the last record") {
            let left = ends.enumerated().filter { partition, end in
                !self.everybody.contains { $0.processed[partition]?.offset == end - 1 }
            }
            return left.isEmpty ? nil : "not processed up to \(left.map { "\($0.offset): \($0.element)" })"
        }
    }

    private func wait(_ when: String, until hindrance: () -> String?) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.convergenceLimit
        while true {
            for member in self.everybody { try member.readOn() }
            for member in self.live where !member.process.process.isRunning {
                throw GroupFailure(self.kind, "\(when) \(member.name) ended by itself", [member])
            }
            guard let reason = hindrance() else { return }
            guard clock.now < deadline else {
                throw GroupFailure(self.kind, "\(when) it is stuck: \(reason)", self.live)
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// What is still missing.
    private func hindrance(since: Int64) -> String? {
        let counts = self.live.map(\.owned.count)
        guard counts.reduce(0, +) == self.partitions,
            self.live.reduce(into: Set<Int>(), { $0.formUnion($1.owned) }).count == self.partitions
        else { return "partitions have none or several owners" }
        guard let least = counts.min(), let most = counts.max(), most - least <= 1 else {
            return "partitions are shared out unevenly: \(counts)"
        }
        for member in self.live {
            let start = max(since, member.ownedSince)
            for partition in member.owned where (member.processed[partition]?.time ?? 0) <= start {
                return "\(member.name) does not get on with partition \(partition)"
            }
        }
        return nil
    }

    func audit(ends: [Int], steps: [(name: String, start: Int64)]) -> GroupAudit {
        GroupAudit(
            Dictionary(uniqueKeysWithValues: self.everybody.map { ($0.name, $0.diary) }),
            concurrent: Set(self.everybody.filter { $0.options.library == .kafkaClient }.map(\.name)),
            ends: ends, steps: steps)
    }
}

/// A group did what it must not.
struct GroupFailure: Error, CustomStringConvertible {
    /// Of a diary and of what a member has written to standard error.
    private static let eventsShown = 6
    private static let charactersShown = 2_000

    let description: String

    init(_ kind: GroupKind, _ text: String, _ members: [GroupMember]) {
        let states = members.map { member in
            """
            \(member.name) has \(member.owned.sorted()), \
            last \(member.diary.filter { !$0.isRoutine }.suffix(Self.eventsShown)), \
            \(member.diary.suffix(Self.eventsShown)) \
            \(member.process.errorText.suffix(Self.charactersShown))
            """
        }
        self.description = "\(kind.name): \(text), now \(MonotonicClock.now)\n\(states.joined(separator: "\n"))"
    }
}

extension MemberEvent {
    fileprivate var isRoutine: Bool {
        switch self.kind {
        case .record, .committed: true
        default: false
        }
    }
}
