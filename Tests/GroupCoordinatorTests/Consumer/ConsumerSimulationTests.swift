// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Testing

@testable import GroupCoordinator

/// Members that come, go, die, pause, lose answers and want something else, topics that come and go, and a coordinator
/// that is restarted: after every step the rules must hold, and at the end everybody has what it is to have.
@Suite struct ConsumerSimulationTests {
    private static let seeds: UInt64 = 50

    @Test(arguments: 0..<Self.seeds)
    func noPartitionEverHasTwoOwnersAndEverybodyConverges(seed: UInt64) {
        var run = ConsumerSimulation(seed: seed)
        for _ in 0..<200 {
            run.step()
            let problems = run.problems
            #expect(problems.isEmpty, "seed \(seed), step \(run.steps): \(problems)")
            if !problems.isEmpty { return }
        }
        run.settle()
        #expect(run.unsettled.isEmpty, "seed \(seed): \(run.unsettled)")
        #expect(run.problems.isEmpty, "seed \(seed): \(run.problems)")
    }
}

/// One run.
struct ConsumerSimulation {
    private var random: SeededGenerator
    private var shard = GroupShard()
    /// Knows only the bytes of the records.
    private var shadow = GroupShard()
    private var settings = GroupSettings()
    private var topics = TopicsOfTest()
    private var nowMs: Int64 = 0
    private var clients: [ConsumerClientModel] = []
    private var clientCount = 0
    private var broken: [String] = []
    private(set) var steps = 0

    private static let topicNames = ["x1", "x2", "y", "z"]

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.settings.consumerSessionTimeoutMs = 10_000
        self.settings.consumerAssignors = self.random.oneIn(2) ? ["uniform", "range"] : ["range", "uniform"]
        self.changeTopics()
    }

    private var environment: GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(monotonicMs: self.nowMs, wallMs: self.nowMs), topics: self.topics, settings: self.settings
        )
    }

    // MARK: What happens

    mutating func step() {
        self.steps += 1
        self.nowMs += Int64.random(in: 0...1_000, using: &self.random)
        self.note(self.shard.expire(self.environment))
        switch Int.random(in: 0..<40, using: &self.random) {
        case 0, 1, 2: self.join()
        case 3: self.remove(says: -1)
        case 4: self.remove(says: nil)
        case 5: self.goAwayAndComeBack()
        case 6: self.changeTopics()
        case 7: self.subscribeAnew()
        case 8: self.restart()
        case 9: self.nowMs += 9_000
        default: self.beat()
        }
    }

    private mutating func join() {
        if self.clients.count >= 8 { return }
        self.clientCount += 1
        let instanceID = self.random.oneIn(3) ? "i\(self.clientCount)" : nil
        let (names, pattern) = self.subscription()
        self.clients.append(
            ConsumerClientModel(id: "m\(self.clientCount)", instanceID: instanceID, names: names, pattern: pattern)
        )
        self.beat(self.clients.count - 1)
    }

    private mutating func subscription() -> ([String], String?) {
        let names = Self.topicNames.filter { _ in self.random.oneIn(2) }
        return (names, self.random.oneIn(3) ? "x.*" : nil)
    }

    /// It leaves, or is gone without a word.
    private mutating func remove(says epoch: Int32?) {
        guard let index = self.clients.indices.randomElement(using: &self.random) else { return }
        let client = self.clients.remove(at: index)
        if let epoch { _ = self.send(client.leaving(epoch)) }
    }

    private mutating func goAwayAndComeBack() {
        guard let index = self.clients.indices.randomElement(using: &self.random) else { return }
        let client = self.clients[index]
        guard let instanceID = client.instanceID, client.epoch > 0 else { return }
        _ = self.send(client.leaving(-2))
        self.clientCount += 1
        self.clients[index] = ConsumerClientModel(
            id: "m\(self.clientCount)", instanceID: instanceID, names: client.names, pattern: client.pattern
        )
    }

    private mutating func subscribeAnew() {
        guard let index = self.clients.indices.randomElement(using: &self.random) else { return }
        let (names, pattern) = self.subscription()
        self.clients[index].subscribe(names, pattern)
    }

    private mutating func changeTopics() {
        var facts: [TopicFacts] = []
        for name in Self.topicNames where !self.random.oneIn(4) {
            let known = self.topics.topic(named: name)
            let isNew = known == nil || self.random.oneIn(5)
            let id = isNew ? TopicID(high: UInt64(self.steps) + 1, low: UInt64(facts.count)) : known?.id
            let least = isNew ? 1 : known?.partitionCount ?? 1
            facts.append(
                TopicFacts(
                    id: id ?? .zero, name: name, partitionCount: Int32.random(in: least...8, using: &self.random))
            )
        }
        self.topics.set(facts)
    }

    private mutating func restart() {
        self.shard = self.shadow
        self.note(self.shard.finishLoading(self.environment))
    }

    private mutating func beat() {
        guard let index = self.clients.indices.randomElement(using: &self.random) else { return }
        self.beat(index)
    }

    private mutating func beat(_ index: Int, isLossy: Bool = true) {
        if !isLossy || self.random.oneIn(2) { self.clients[index].giveUp() }
        let request = self.clients[index].heartbeat()
        if isLossy, self.random.oneIn(10) { return }
        guard let response = self.send(request) else { return }
        if isLossy, self.random.oneIn(10) { return }
        self.clients[index].take(response)
    }

    private mutating func send(_ request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse? {
        let call = GroupCall(
            token: RequestToken(UInt64(self.steps)), apiVersion: 1, clientID: "c", clientHost: "/127.0.0.1",
            freshID: .zero
        )
        let effects = self.shard.consumerHeartbeat(request, call, self.environment)
        self.note(effects)
        guard case .consumerHeartbeat(let response)? = effects.answers.first?.answer, effects.answers.count == 1 else {
            self.broken.append("a heartbeat was answered \(effects.answers.count) times")
            return nil
        }
        return response
    }

    private mutating func note(_ effects: GroupEffects) {
        for record in effects.records {
            guard let bytes = try? record.encoded(),
                let read = try? CoordinatorRecord(key: bytes.key, value: bytes.value)
            else {
                self.broken.append("cannot be written or read: \(record)")
                continue
            }
            self.shadow.replay(read)
        }
    }

    // MARK: What must hold

    var problems: [String] {
        var problems = self.broken
        guard let group = self.shard.consumerGroups["g"] else { return problems }
        problems += group.brokenInvariants
        let loaded = self.shadow.consumerGroups["g"]
        if loaded.map(group.knowsTheSame) != true {
            problems.append("loaded:\n\(loaded?.dump ?? "")\nknown:\n\(group.dump)")
        }
        // What those use whose offsets would be taken.
        var users: [TopicID: [Int32: String]] = [:]
        for client in self.clients where group.members[client.id]?.current.epoch == client.epoch {
            for topic in client.owned.topics {
                for index in client.owned[topic] {
                    if let other = users[topic, default: [:]].updateValue(client.id, forKey: index) {
                        problems.append("\(topic)-\(index) is used by \(other) and \(client.id)")
                    }
                }
            }
        }
        return problems
    }

    /// Nothing bad happens any more, and everybody heartbeats for longer than any time-out.
    mutating func settle() {
        for _ in 0..<40 {
            self.nowMs += 2_000
            self.note(self.shard.expire(self.environment))
            for index in self.clients.indices { self.beat(index, isLossy: false) }
        }
    }

    /// What is not as it should be after that.
    var unsettled: [String] {
        guard let group = self.shard.consumerGroups["g"] else { return [] }
        if self.clients.isEmpty { return group.state == .empty ? [] : ["not empty"] }
        var found = group.state == .stable ? [] : ["the group is \(group.state)"]
        if Set(group.members.keys) != Set(self.clients.map(\.id)) { found.append("other members than clients") }
        var wanted: Set<String> = []
        var used: [String] = []
        for client in self.clients {
            if group.members[client.id]?.current.assigned != client.owned { found.append("\(client.id) uses else") }
            for (topic, indexes) in client.owned.sorted { used += indexes.map { "\(topic)-\($0)" } }
            let matched = client.pattern.flatMap { try? self.topics.names(matching: $0) } ?? []
            for name in client.names + matched {
                guard let topic = self.topics.topic(named: name) else { continue }
                wanted.formUnion((0..<topic.partitionCount).map { "\(topic.id)-\($0)" })
            }
        }
        if used.sorted() != wanted.sorted() { found.append("used \(used.sorted()), wanted \(wanted.sorted())") }
        return found
    }
}
