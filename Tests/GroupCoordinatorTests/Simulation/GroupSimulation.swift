// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes
import KafkaWire
import SimulatedIO

/// Groups of consumers, a coordinator, the network between them and somebody who breaks things, all from one seed, in
/// virtual time, on one thread.
///
/// First things are done to clients, topics and coordinator, then nothing any more, and everybody must settle; then all
/// leave or die, and nothing may be left behind. What must hold all the time is looked at whenever something changes
/// that it depends on: `OwnershipLedger`, `GroupShadow`, `CommitTruth`, and the coordinator's host.
final class GroupSimulation {
    /// What went wrong, and what came before it.
    struct Failure: Error, CustomStringConvertible {
        let seed: UInt64
        let message: String
        let time: Int64
        let trace: [String]

        var description: String {
            "SEED=\(self.seed) at \(self.time) ms: \(self.message)\n" + self.trace.joined(separator: "\n")
        }
    }

    /// Lines of the trace that a failure shows.
    private static let traceLinesMax = 400

    let seed: UInt64
    let plan: SimulationPlan
    let groupIDs: [String]
    private(set) var now: Int64 = 0
    var topics = SimulatedTopics()
    private(set) var coordinator: SimulatedCoordinator! = nil
    private(set) var ledger: OwnershipLedger! = nil
    private(set) var clients: [ModelClient] = []
    /// Those of them that are alive, ascending.
    private(set) var alive: [Int] = []
    /// Nothing is lost or broken any more, nobody is slow.
    private(set) var isCalm = false
    private(set) var stepCount = 0
    /// Depends on everything that happened, in order: the same for the same seed.
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var violation: String?
    var tally = SimulationTally()

    private var generator: SeededGenerator
    private var queue = EventQueue()
    private var requests: UInt64 = 0
    private let isTracing: Bool
    private var lines: [String] = []
    /// Connections on which nothing gets through any more, by client.
    private var brokenConnection: [Int: Int] = [:]
    private var lastArrival: [Int: Int64] = [:]
    private var lastDelivery: [Int: Int64] = [:]

    init(seed: UInt64, kinds: [SimulationPlan.GroupKind], membersMax: Int, isTracing: Bool = false) {
        self.seed = seed
        self.isTracing = isTracing
        self.generator = SeededGenerator(seed: seed)
        self.plan = SimulationPlan(kinds: kinds, membersMax: membersMax, using: &self.generator)
        self.groupIDs = self.plan.groups.indices.map { "g\($0)" }
        self.coordinator = SimulatedCoordinator(world: self)
        self.ledger = OwnershipLedger(world: self)
    }

    /// Runs a seed; when it fails, runs it once more to tell what happened.
    static func run(
        seed: UInt64, kinds: [SimulationPlan.GroupKind], membersMax: Int
    ) throws(Failure) -> (steps: Int, digest: UInt64, tally: SimulationTally) {
        let first = GroupSimulation(seed: seed, kinds: kinds, membersMax: membersMax)
        first.run()
        guard let violation = first.violation else { return (first.stepCount, first.digest, first.tally) }
        let second = GroupSimulation(seed: seed, kinds: kinds, membersMax: membersMax, isTracing: true)
        second.run()
        let message =
            second.violation == violation
            ? violation
            : "\(violation)\n(the second run of the seed differs: \(second.violation ?? "nothing is wrong"))"
        throw Failure(seed: seed, message: message, time: first.now, trace: second.lines)
    }

    private func run() {
        for slot in SimulatedTopics.names.indices where self.oneIn(2) || slot == 0 {
            self.topics.create(slot, partitions: Int32(self.random(1...8)))
        }
        self.schedule(.churn, at: 0)
        self.advance(to: self.plan.churnMs)
        self.settle()
        self.disband()
    }

    // MARK: Time and chance

    func schedule(_ event: SimulationEvent, at time: Int64) { self.queue.add(event, at: max(time, self.now)) }

    /// 2026-01-01 and a bit.
    var wallMs: Int64 { 1_767_225_600_000 + self.now }

    func random(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &self.generator) }
    func random(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self.generator) }
    func oneIn(_ count: Int) -> Bool { self.generator.oneIn(count) }
    func draw<Result>(_ body: (inout SeededGenerator) -> Result) -> Result { body(&self.generator) }
    func freshID() -> UUID128 { UUID128(high: self.generator.next(), low: self.generator.next()) }

    func nextRequestNumber() -> UInt64 {
        self.requests += 1
        return self.requests
    }

    /// Notes what is wrong; the first time counts.
    func fail(_ message: String) {
        if self.violation == nil {
            self.violation = message
            self.trace { "FAILS: \(message)" }
        }
    }

    func trace(_ line: () -> String) {
        guard self.isTracing else { return }
        if self.lines.count >= 2 * Self.traceLinesMax { self.lines.removeFirst(Self.traceLinesMax) }
        self.lines.append("\(self.now) \(line())")
    }

    /// Lets everything happen that happens up to `time`, or until something is wrong.
    func advance(to time: Int64) {
        while self.violation == nil, let (at, event) = self.queue.next(until: time) {
            self.now = max(self.now, at)
            self.stepCount += 1
            self.happen(event)
        }
        if self.violation == nil { self.now = max(self.now, time) }
    }

    private func happen(_ event: SimulationEvent) {
        switch event {
        case .tick(let client, let round):
            self.mix(1, client, round)
            self.clients[client].tick(round: round)
        case .arrival(let envelope):
            self.mix(2, envelope.client, Int(envelope.number))
            self.coordinator.handle(envelope)
        case .delivery(let envelope, let answer):
            self.mix(3, envelope.client, Int(envelope.number))
            self.clients[envelope.client].deliver(envelope, answer)
        case .connectionGone(let client, let connection):
            self.mix(4, client, connection)
            self.coordinator.abandon(client: client, connection: connection)
        case .flushed(let sequence, let life):
            self.mix(5, sequence, life)
            if life == self.coordinator.life { self.coordinator.flushed(sequence) }
        case .wakeUp(let life):
            self.mix(6, life, 0)
            if life == self.coordinator.life { self.coordinator.timerFired() }
        case .coordinatorUp(let life):
            self.mix(7, life, 0)
            self.coordinator.comesUp()
            self.ledger.checkAll()
        case .churn: if !self.isCalm { self.churn() }
        }
    }

    private func mix(_ kind: Int, _ first: Int, _ second: Int) {
        for value in [UInt64(self.now), UInt64(kind), UInt64(first), UInt64(second)] {
            self.digest = (self.digest ^ value) &* 0x100_0000_01b3
        }
    }

    /// From now on everything goes well.
    func calmDown() {
        self.isCalm = true
        for number in self.alive {
            let client = self.clients[number]
            client.busyUntil = min(client.busyUntil, self.now)
            if client.pausedUntil > self.now { client.pause(until: self.now + self.random(0...2_000)) }
        }
    }

    // MARK: Clients

    func client(_ number: Int) -> ModelClient { self.clients[number] }

    func add(_ make: (Int) -> ModelClient) -> ModelClient {
        let client = make(self.clients.count)
        self.clients.append(client)
        self.alive.append(client.number)
        client.wake(at: self.now)
        return client
    }

    func noteDeath(of client: ModelClient) {
        self.trace { "\(client.name) is gone" }
        self.alive.removeAll { $0 == client.number }
        if self.oneIn(2) {
            let event = SimulationEvent.connectionGone(client: client.number, connection: client.connection)
            self.schedule(event, at: self.now + self.latency())
        }
    }

    func noteReconnect(of client: ModelClient) {
        if self.oneIn(2) {
            let event = SimulationEvent.connectionGone(client: client.number, connection: client.connection - 1)
            self.schedule(event, at: self.now + self.latency())
        }
    }

    func noteOwned(by client: ModelClient, before: [SimulatedPartition]) {
        let new = client.ownedPartitions
        if before == new { return }
        self.trace { "\(client.name) (\(client.memberID), epoch \(client.epoch)) owns \(new)" }
        self.ledger.change(client, from: before, to: new)
    }

    /// The partition as it is now; nil when it is not.
    func partition(named topic: String, _ index: Int32) -> SimulatedPartition? {
        guard let facts = self.topics.topic(named: topic), index >= 0, index < facts.partitionCount else { return nil }
        return SimulatedPartition(topic: facts.id, index: index)
    }

    func hasExisted(_ partition: SimulatedPartition) -> Bool {
        SimulatedTopics.names.indices.contains(partition.slot) && partition.life <= self.topics.life(of: partition.slot)
    }

    /// A client that is a member and reads the topic.
    func validReader(of slot: Int, in group: Int, _ members: [String: MemberFacts]) -> String? {
        for number in self.alive {
            let client = self.clients[number]
            guard client.group == group, members[client.memberID] != nil else { continue }
            // What it has unsubscribed from it may still have for a moment.
            guard client.subscription.contains(slot) else { continue }
            if client.owned.contains(where: { $0.partition.slot == slot && self.topics.has($0.partition) }) {
                return client.name
            }
        }
        return nil
    }

    // MARK: The network

    private func latency() -> Int64 { self.isCalm ? self.random(0...2) : self.random(0...self.plan.latencyMsMax) }

    private func isLost(_ client: Int, _ connection: Int) -> Bool {
        if self.brokenConnection[client] == connection { return true }
        guard !self.isCalm, self.plan.lossOneIn > 0, self.oneIn(self.plan.lossOneIn) else { return false }
        self.brokenConnection[client] = connection
        self.trace { "connection \(connection) of client \(client) breaks" }
        return true
    }

    func breakConnection(of client: ModelClient) { self.brokenConnection[client.number] = client.connection }

    /// Sends a request: it comes after those that the client sent before, or never.
    func send(_ request: SimulatedRequest, from client: ModelClient) -> UInt64 {
        let number = self.nextRequestNumber()
        if self.isLost(client.number, client.connection) { return number }
        let envelope = Envelope(
            number: number, client: client.number, connection: client.connection, request: request)
        let at = max(self.now + self.latency(), self.lastArrival[client.number] ?? 0)
        self.lastArrival[client.number] = at
        self.schedule(.arrival(envelope), at: at)
        return number
    }

    /// Sends an answer back on the connection on which the request came.
    func answer(_ envelope: Envelope, _ answer: SimulatedAnswer) {
        if self.isLost(envelope.client, envelope.connection) { return }
        let at = max(self.now + self.latency(), self.lastDelivery[envelope.client] ?? 0)
        self.lastDelivery[envelope.client] = at
        self.schedule(.delivery(envelope, answer), at: at)
    }

    /// Milliseconds until a batch that is appended now may be durable.
    var flushMsMax: Int64 { self.isCalm ? 2 : self.plan.flushMsMax }
}
