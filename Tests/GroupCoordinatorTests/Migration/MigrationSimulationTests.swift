// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Testing

@testable import GroupCoordinator

/// Services that are started anew with the other protocol, in any order, while members come, go and die and the
/// coordinator is restarted.
@Suite struct MigrationSimulationTests {
    @Test(
        "no partition has two owners while a group changes its protocol, and in the end each has one", arguments: 0..<60
    )
    func ownership(_ seed: UInt64) {
        var run = MigrationRun(seed: seed)
        run.runAll()
        guard run.failure != nil else { return }
        // Once more, telling of it.
        var told = MigrationRun(seed: seed, isTold: true)
        told.runAll()
        Issue.record("seed \(seed): \(told.failure ?? "it went well the second time")")
    }

    @Test func bothWaysAreTaken() {
        var upgrades = 0
        var downgrades = 0
        for seed in 0..<20 {
            var run = MigrationRun(seed: UInt64(seed))
            run.runAll()
            upgrades += run.upgrades
            downgrades += run.downgrades
        }
        #expect(upgrades > 10)
        #expect(downgrades > 5)
    }
}

private struct MigrationRun {
    private(set) var failure: String?
    private(set) var upgrades = 0
    private(set) var downgrades = 0

    private var shard = GroupShard()
    private var generator: SeededGenerator
    private var settings = GroupSettings()
    private var nowMs: Int64 = 0
    private var tokens: UInt64 = 0
    private var log: [CoordinatorRecord] = []
    private var clients: [MixedClient] = []
    private var starts = 0
    private let classicKind: MixedClient.Kind
    private var trace: [String] = []
    private let isTold: Bool

    private static let clientsMax = 5
    private static let steps = 400
    /// Turns for everybody, half a second apart: enough for members that died to be missed, and for some rebalances.
    private static let restRounds = 150
    /// No client is silent for longer, so that nobody who works is taken for dead.
    private static let silenceMaxMs: Int64 = 2_500

    init(seed: UInt64, isTold: Bool = false) {
        self.isTold = isTold
        self.generator = SeededGenerator(seed: seed)
        self.classicKind = [.eager, .cooperative].randomElement(using: &self.generator) ?? .eager
        self.settings.consumerAssignors = ["uniform"]
    }

    private var environment: GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(monotonicMs: self.nowMs, wallMs: self.nowMs), topics: OneTopic(), settings: self.settings)
    }

    private struct OneTopic: TopicsView {
        var version: Int64 { 1 }
        func topic(named name: String) -> TopicFacts? { name == MixedClient.topic.name ? MixedClient.topic : nil }
        func topic(id: TopicID) -> TopicFacts? { id == MixedClient.topic.id ? MixedClient.topic : nil }
        func names(matching pattern: String) throws(TopicPatternError) -> [String] { [] }
    }

    mutating func runAll() {
        for _ in 0..<Self.steps where self.failure == nil { self.step() }
        self.settle()
    }

    // MARK: What happens

    private mutating func step() {
        self.pass(Int64.random(in: 0..<500, using: &self.generator))
        let isGivingUp = self.clients.contains { $0.kind != .consumer && $0.isGivingUp }
        if isGivingUp, self.clients.count <= Self.clientsMax, Bool.random(using: &self.generator) {
            // The worst moment for the group to change its protocol.
            self.start(.consumer)
            return self.act(self.clients.count - 1)
        }
        switch Int.random(in: 0..<100, using: &self.generator) {
        case 0..<3 where self.clients.count < Self.clientsMax: self.start()
        case 3..<6: self.stop(gracefully: Bool.random(using: &self.generator))
        case 6..<7: self.restart()
        default:
            if let index = self.clients.indices.randomElement(using: &self.generator) { self.act(index) }
        }
    }

    /// Nobody comes or goes any more: everybody gets turns until all is quiet.
    private mutating func settle() {
        if self.clients.isEmpty { self.start() }
        for _ in 0..<Self.restRounds where self.failure == nil {
            self.pass(500)
            for index in self.clients.indices { self.act(index) }
        }
        let owned = self.clients.flatMap { Array($0.owned) }.sorted()
        if self.failure == nil, owned != Array(0..<MixedClient.topic.partitionCount) || !self.isQuiet {
            self.fail("it does not come to rest: \(owned)")
        }
    }

    private var isQuiet: Bool { self.clients.allSatisfy(\.isSettled) }

    private mutating func start(_ wanted: MixedClient.Kind? = nil) {
        self.starts += 1
        let kind = wanted ?? (Bool.random(using: &self.generator) ? self.classicKind : .consumer)
        self.clients.append(MixedClient(name: "c\(self.starts)", kind: kind))
        self.clients[self.clients.count - 1].actedAt = self.nowMs
        if self.isTold { self.trace.append("\(self.nowMs) start c\(self.starts) \(kind)") }
    }

    /// A process ends; perhaps it says goodbye.
    private mutating func stop(gracefully: Bool) {
        guard let index = self.clients.indices.randomElement(using: &self.generator) else { return }
        let client = self.clients.remove(at: index)
        if self.isTold { self.trace.append("\(self.nowMs) stop \(client.name) \(gracefully ? "" : "by force")") }
        if let token = client.waitsFor { self.take(self.shard.abandon(token, group: "g", self.environment)) }
        guard gracefully, !client.id.isEmpty else { return }
        if client.kind == .consumer {
            var request = ConsumerGroupHeartbeatRequest()
            request.groupID = "g"
            request.memberID = client.id
            request.memberEpoch = -1
            let call = self.call()
            self.take(self.shard.consumerHeartbeat(request, call, self.environment))
        } else {
            var request = LeaveGroupRequest()
            request.groupID = "g"
            var identity = LeaveGroupRequest.MemberIdentity()
            identity.memberID = client.id
            request.members = [identity]
            let call = self.call()
            self.take(self.shard.leaveGroup(request, call, self.environment))
        }
    }

    private mutating func restart() {
        if self.isTold { self.trace.append("\(self.nowMs) restart") }
        self.shard = GroupShard()
        for record in self.log { self.shard.replay(record) }
        for index in self.clients.indices where self.clients[index].waitsFor != nil { self.clients[index].lostAnswer() }
        self.take(self.shard.finishLoading(self.environment))
    }

    private mutating func pass(_ milliseconds: Int64) {
        let end = self.nowMs + milliseconds
        while let next = self.shard.nextWakeUp, next <= end, self.failure == nil {
            self.nowMs = max(self.nowMs, next)
            self.take(self.shard.expire(self.environment))
            if let again = self.shard.nextWakeUp, again <= self.nowMs { self.fail("expire does not end") }
        }
        self.nowMs = end
        for index in self.clients.indices where end - self.clients[index].actedAt > Self.silenceMaxMs {
            self.act(index)
        }
    }

    private mutating func call() -> GroupCall {
        self.tokens += 1
        return GroupCall(
            token: RequestToken(self.tokens), apiVersion: 4, clientID: "c", clientHost: "/h",
            freshID: UUID128(high: 0, low: self.tokens))
    }

    private mutating func act(_ index: Int) {
        self.clients[index].actedAt = self.nowMs
        // While it waits for a join or sync it can do nothing else, except that its heartbeats go on.
        if self.clients[index].waitsFor != nil { return }
        let call = self.call()
        let request = self.clients[index].next()
        self.clients[index].waitsFor = call.token
        self.check("\(self.clients[index].name) gave up partitions")
        let effects =
            switch request {
            case .join(let request): self.shard.joinGroup(request, call, self.environment)
            case .sync(let request): self.shard.syncGroup(request, call, self.environment)
            case .heartbeat(let request): self.shard.heartbeat(request, call, self.environment)
            case .consumerHeartbeat(let request): self.shard.consumerHeartbeat(request, call, self.environment)
            }
        if self.isTold { self.trace.append(String("\(self.nowMs) \(self.clients[index].name) \(request)".prefix(260))) }
        self.take(effects)
    }

    private mutating func take(_ effects: GroupEffects) {
        for record in effects.records {
            self.log.append(record)
            if case .classicGroup(_, nil) = record { self.upgrades += 1 }
            if case .consumerGroup(_, nil) = record { self.downgrades += 1 }
        }
        for answered in effects.answers {
            guard let index = self.clients.firstIndex(where: { $0.waitsFor == answered.token }) else { continue }
            self.clients[index].take(answered.answer)
            if self.isTold {
                self.trace.append(String("   \(self.clients[index].name) \(answered.answer)".prefix(260)))
            }
            self.check("\(self.clients[index].name) was answered")
        }
    }

    // MARK: What must hold

    private mutating func check(_ when: String) {
        var owners: [Int32: String] = [:]
        for client in self.clients {
            for partition in client.owned {
                if let other = owners.updateValue(client.name, forKey: partition) {
                    self.fail("partition \(partition) is \(other)'s and \(client.name)'s after \(when)")
                }
            }
        }
    }

    private mutating func fail(_ what: String) {
        if self.failure == nil { self.failure = "\(what)\n\(self.trace.suffix(60).joined(separator: "\n"))" }
    }
}
