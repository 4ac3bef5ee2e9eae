// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaWire

/// A consumer as the simulation knows it: what it believes, what it waits for, and how far it has got. Subclasses
/// speak one of the two protocols.
///
/// It behaves like the real ones: one membership request under way at a time, a new connection after a time-out, and
/// what it believes to own it processes and commits until somebody tells it otherwise.
class ModelClient {
    struct Owned {
        let partition: SimulatedPartition
        /// The next record to process; nil until the committed offset has been fetched.
        var next: Int64?
        var committed: Int64 = 0
    }

    /// A request that is under way.
    struct Awaited {
        let number: UInt64
        let request: SimulatedRequest
        let deadline: Int64
    }

    let number: Int
    let group: Int
    let instanceID: String?
    unowned let world: GroupSimulation
    var subscription: [Int]

    /// What the client goes by at the coordinator; empty when it has not joined.
    var memberID = ""
    /// The generation, or the member epoch.
    var epoch: Int32 = -1
    /// What it believes to own, ascending.
    private(set) var owned: [Owned] = []

    private(set) var isAlive = true
    /// The process stands still until then: it comes back believing what it believed.
    private(set) var pausedUntil: Int64 = 0
    /// It processes one long batch until then: it heartbeats, and does not follow the group.
    var busyUntil: Int64 = 0
    private(set) var connection = 0
    private(set) var awaited: [Awaited] = []
    private(set) var round = 0
    private var nextTickAt: Int64 = .max
    private var inbox: [(Envelope, SimulatedAnswer)] = []
    /// When something was last off with the client: its commits are looked at more closely for a while.
    private(set) var lastTroubleAt: Int64 = -1_000_000

    init(number: Int, group: Int, instanceID: String?, subscription: [Int], world: GroupSimulation) {
        self.number = number
        self.group = group
        self.instanceID = instanceID
        self.subscription = subscription
        self.world = world
    }

    // MARK: What the protocols do

    /// Does what is due; called at least once per heartbeat interval.
    func work() {}
    func received(_ answer: GroupAnswer, to request: SimulatedRequest) {}
    /// The coordinator was not there for a request, or no answer came in time.
    func failed(_ request: SimulatedRequest) {}
    /// A commit or a fetch was answered with an error.
    func refused(_ code: ErrorCode, _ request: SimulatedRequest) {}
    /// Tells the group, if the protocol has something for it; the client is gone afterwards.
    func sayGoodbye() {}
    func subscriptionChanged() {}
    /// How long requests of that kind may take, milliseconds.
    func timeOut(of request: SimulatedRequest) -> Int64 { 4_000 }

    /// The generation or epoch in which it was given what it owns.
    var ownedSince: Int32 { self.epoch }

    // MARK: Life

    var name: String { "client \(self.number)" }
    var ownedPartitions: [SimulatedPartition] { self.owned.map(\.partition) }
    var isAwake: Bool { self.isAlive && self.world.now >= self.pausedUntil }

    /// Has `work` called no later than then.
    func wake(at time: Int64) {
        guard self.isAlive, time < self.nextTickAt else { return }
        self.round += 1
        self.nextTickAt = time
        self.world.schedule(.tick(client: self.number, round: self.round), at: time)
    }

    func tick(round: Int) {
        guard self.isAlive, round == self.round else { return }
        self.nextTickAt = .max
        if self.world.now < self.pausedUntil { return self.wake(at: self.pausedUntil) }
        let waiting = self.inbox
        self.inbox = []
        for (envelope, answer) in waiting { self.deliver(envelope, answer) }
        guard self.isAlive else { return }
        if self.awaited.contains(where: { $0.deadline <= self.world.now }) { self.reconnect() }
        guard self.isAlive else { return }
        self.topicsChanged()
        self.work()
        self.wake(at: self.world.now + self.world.plan.heartbeatMs + self.world.random(0...300))
    }

    func pause(until time: Int64) {
        self.pausedUntil = max(self.world.now, time)
        self.lastTroubleAt = max(self.world.now, time)
        self.wake(at: self.pausedUntil)
    }

    /// Everything ends at once, as with kill -9.
    func die() {
        self.setOwned([])
        self.isAlive = false
        self.awaited = []
        self.inbox = []
        self.world.noteDeath(of: self)
    }

    /// Commits, says goodbye, ends. What is sent may get lost.
    func leave() {
        self.commit()
        self.setOwned([])
        self.sayGoodbye()
        self.die()
    }

    // MARK: Requests

    func isAwaiting(_ kind: (SimulatedRequest) -> Bool) -> Bool { self.awaited.contains { kind($0.request) } }

    var isAwaitingMembership: Bool {
        self.isAwaiting {
            switch $0 {
            case .commit, .fetch: false
            default: true
            }
        }
    }

    func send(_ request: SimulatedRequest) {
        let number = self.world.send(request, from: self)
        let deadline = self.world.now + self.timeOut(of: request)
        self.awaited.append(Awaited(number: number, request: request, deadline: deadline))
        self.wake(at: deadline)
    }

    /// The connection is gone, and with it what was asked on it.
    func reconnect() {
        self.lastTroubleAt = self.world.now
        self.world.trace { "\(self.name) opens a new connection, waiting for \(self.awaited.map(\.request.name))" }
        let lost = self.awaited
        self.awaited = []
        self.connection += 1
        self.world.noteReconnect(of: self)
        for one in lost where self.isAlive { self.failed(one.request) }
    }

    func deliver(_ envelope: Envelope, _ answer: SimulatedAnswer) {
        guard self.isAlive, envelope.connection == self.connection else { return }
        if self.world.now < self.pausedUntil { return self.inbox.append((envelope, answer)) }
        guard let index = self.awaited.firstIndex(where: { $0.number == envelope.number }) else { return }
        let request = self.awaited[index].request
        switch answer {
        case .disconnected: self.reconnect()
        case .refused(let code):
            self.world.trace { "\(self.name) is refused \(request.name): \(code)" }
            self.awaited.remove(at: index)
            self.failed(request)
        case .group(let answer):
            self.awaited.remove(at: index)
            switch (answer, request) {
            case (.commit(let response), .commit): self.committed(response, request)
            case (.fetch(let response), .fetch(let attempt)): self.fetched(response, attempt, request)
            default: self.received(answer, to: request)
            }
        }
    }

    // MARK: Partitions

    /// Believes from now on to own these and no others.
    func setOwned(_ partitions: [SimulatedPartition]) {
        let old = self.owned
        self.owned = partitions.sorted().map { new in
            old.first { $0.partition == new } ?? Owned(partition: new)
        }
        self.world.noteOwned(by: self, before: old.map(\.partition))
    }

    /// Partitions of topics that are gone are given up, also when there is a topic of that name again.
    func topicsChanged() {
        if self.owned.contains(where: { !self.world.topics.has($0.partition) }) {
            self.setOwned(self.ownedPartitions.filter { self.world.topics.has($0) })
        }
    }

    /// Others may have owned the same in between: what has been committed since counts.
    func forgetPositions() {
        for index in self.owned.indices { self.owned[index].next = nil }
    }

    func process() {
        for index in self.owned.indices {
            guard let next = self.owned[index].next else { continue }
            self.owned[index].next = next + Int64((self.number + index + self.round) % 4)
        }
    }

    /// Commits what was processed since the last commit, of the given partitions or of all.
    func commit() {
        var offsets: [(partition: SimulatedPartition, offset: Int64)] = []
        for index in self.owned.indices {
            guard let next = self.owned[index].next, next > self.owned[index].committed else { continue }
            self.owned[index].committed = next
            offsets.append((self.owned[index].partition, next))
        }
        if offsets.isEmpty || self.memberID.isEmpty { return }
        self.send(
            .commit(
                CommitAttempt(memberID: self.memberID, epoch: self.epoch, instanceID: self.instanceID, offsets: offsets)
            ))
    }

    /// Asks where to begin, if there are partitions of which that is not known.
    func fetchPositions() {
        let unknown = self.owned.filter { $0.next == nil }.map(\.partition)
        let isUnderWay = self.isAwaiting { if case .fetch = $0 { true } else { false } }
        if unknown.isEmpty || isUnderWay { return }
        self.send(.fetch(FetchAttempt(memberID: self.memberID, epoch: self.epoch, partitions: unknown)))
    }

    private func committed(_ response: OffsetCommitResponse, _ request: SimulatedRequest) {
        let codes = response.topics.flatMap { $0.partitions.map(\.errorCode) }
        guard let bad = codes.first(where: { $0 != 0 }) else { return }
        self.refused(ErrorCode(rawValue: bad), request)
    }

    private func fetched(
        _ response: OffsetFetchResponse.OffsetFetchResponseGroup, _ attempt: FetchAttempt, _ request: SimulatedRequest
    ) {
        if response.errorCode != 0 { return self.refused(ErrorCode(rawValue: response.errorCode), request) }
        // An answer to an earlier membership says nothing of partitions that came and went since.
        guard attempt.epoch == self.epoch, attempt.memberID == self.memberID else { return self.fetchPositions() }
        for topic in response.topics {
            guard let slot = SimulatedTopics.slot(named: topic.name) else { continue }
            for partition in topic.partitions where partition.errorCode == 0 {
                for index in self.owned.indices {
                    let known = self.owned[index].partition
                    guard known.slot == slot, known.index == partition.partitionIndex else { continue }
                    guard self.owned[index].next == nil, attempt.partitions.contains(known) else { continue }
                    self.owned[index].next = max(0, partition.committedOffset)
                    self.owned[index].committed = max(0, partition.committedOffset)
                }
            }
        }
    }
}
