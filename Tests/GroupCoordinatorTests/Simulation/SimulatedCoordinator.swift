// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

@testable import GroupCoordinator

/// Runs a `GroupShard` as the broker does: appends its records to a log, holds its answers back until they may go out,
/// and after a crash loads another shard from what the log still has.
final class SimulatedCoordinator {
    private struct Held {
        let sequence: Int
        let envelope: Envelope
        let answer: GroupAnswer
    }

    unowned let world: GroupSimulation
    var shard = GroupShard()
    private(set) var log = SimulatedLog()
    var truth = CommitTruth()
    private var shadow = GroupShadow()
    private(set) var isUp = true
    /// How often it has crashed.
    private(set) var life = 0
    private var held: [Held] = []
    /// Requests that the shard has not answered yet.
    private(set) var outstanding: [UInt64: Envelope] = [:]
    /// The last batch with a record about a group itself, not its offsets.
    private var lastBatch: [String: Int] = [:]
    private var scheduledWakeUp = Int64.max
    /// The highest generation that a JoinGroup was answered with, or that is in the log, for each classic group.
    private(set) var generations: [String: Int32] = [:]
    /// The generation with which a group that has members became a classic one; an answer may have told it, too.
    private(set) var downgrades: [String: Int32] = [:]
    /// Topics that were deleted, until it is durable that their offsets are forgotten.
    private(set) var unforgotten: [Int: Int] = [:]

    init(world: GroupSimulation) { self.world = world }

    var environment: GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(monotonicMs: self.world.now, wallMs: self.world.wallMs), topics: self.world.topics,
            settings: self.world.plan.settings)
    }

    // MARK: Requests

    func handle(_ envelope: Envelope) {
        guard self.isUp else {
            if self.world.oneIn(4) { return }
            let code = self.world.oneIn(2) ? ErrorCode.coordinatorLoadInProgress : .notCoordinator
            return self.world.answer(envelope, self.world.oneIn(3) ? .disconnected : .refused(code))
        }
        self.world.trace { "→ \(envelope.number) client \(envelope.client): \(envelope.request.name)" }
        self.outstanding[envelope.number] = envelope
        let call = self.call(envelope.number, version: envelope.request.version, client: "c\(envelope.client)")
        switch envelope.request {
        case .join(let request, _): self.take(self.shard.joinGroup(request, call, self.environment))
        case .sync(let request): self.take(self.shard.syncGroup(request, call, self.environment))
        case .heartbeat(let request): self.take(self.shard.heartbeat(request, call, self.environment))
        case .leave(let request): self.take(self.shard.leaveGroup(request, call, self.environment))
        case .consumerHeartbeat(let request, _):
            self.world.ledger.reported(request, by: envelope)
            self.take(self.shard.consumerHeartbeat(request, call, self.environment))
        case .commit(let attempt): self.commit(attempt, envelope)
        case .fetch(let attempt): self.fetch(attempt, envelope)
        }
        self.setTimer()
    }

    /// A parked request is in vain: its client is gone.
    func abandon(client: Int, connection: Int) {
        guard self.isUp else { return }
        let parked = self.outstanding.values.filter { $0.client == client && $0.connection == connection }
        for envelope in parked.sorted(by: { $0.number < $1.number }) {
            self.world.tally.note(.abandonedRequest)
            self.world.trace { "abandons \(envelope.number)" }
            let group = self.world.groupIDs[self.world.client(client).group]
            self.take(self.shard.abandon(RequestToken(envelope.number), group: group, self.environment))
            if self.outstanding[envelope.number] != nil {
                self.world.fail("request \(envelope.number), \(envelope.request.name), was abandoned and not answered")
            }
        }
        self.setTimer()
    }

    /// Something that an administrator does: the answer is nobody's but the simulation's.
    func administer(_ act: (inout GroupShard, GroupCall, GroupEnvironment) -> GroupEffects) -> GroupEffects {
        let call = self.call(self.world.nextRequestNumber(), version: .max, client: "admin")
        let effects = act(&self.shard, call, self.environment)
        self.take(effects, administrator: call.token)
        self.setTimer()
        return effects
    }

    func call(_ number: UInt64, version: Int16, client: String) -> GroupCall {
        GroupCall(
            token: RequestToken(number), apiVersion: version, clientID: client, clientHost: "/10.0.0.1",
            freshID: self.world.freshID())
    }

    // MARK: Effects

    /// Appends the records, and sends or holds the answers.
    ///
    /// - Parameter administrator: Whose answer is nobody's: a request that no client made.
    func take(_ effects: GroupEffects, administrator: RequestToken? = nil) {
        if !effects.records.isEmpty {
            if let wrong = self.shadow.apply(effects.records) { return self.world.fail(wrong) }
            self.noteGenerations(effects.records)
            self.world.tally.note(effects.records)
            for record in effects.records {
                if case .offsetCommit = record { continue }
                self.lastBatch[record.groupID] = self.log.lastSequence + 1
            }
            do {
                let flushMs = self.world.random(0...self.world.flushMsMax)
                let durableAt = try self.log.append(effects.records, now: self.world.now, flushMs: flushMs)
                self.world.schedule(.flushed(sequence: self.log.lastSequence, life: self.life), at: durableAt)
            } catch {
                return self.world.fail("a record cannot be encoded: \(error)")
            }
            self.world.trace { "  appends \(effects.records.map(\.summary)) as \(self.log.lastSequence)" }
        }
        for answered in effects.answers {
            self.world.tally.note(answered.answer)
            if answered.token == administrator { continue }
            guard let envelope = self.outstanding.removeValue(forKey: answered.token.rawValue) else {
                return self.world.fail("request \(answered.token.rawValue) was answered twice, or never made")
            }
            let group = self.world.groupIDs[self.world.client(envelope.client).group]
            if case .join(let response) = answered.answer, response.errorCode == 0 {
                self.note(response.generationID, of: group)
            }
            let isDurable = (self.lastBatch[group] ?? 0) <= self.log.durableSequence
            if answered.answer.tellsAssignment, !answered.waitsForWrites, !isDurable {
                return self.world.fail(
                    "\(group): an assignment is told before it is durable: \(answered.answer.summary)")
            }
            if answered.waitsForWrites, self.log.lastSequence > self.log.durableSequence {
                self.held.append(Held(sequence: self.log.lastSequence, envelope: envelope, answer: answered.answer))
            } else {
                self.release(envelope, answered.answer)
            }
        }
    }

    func flushed(_ sequence: Int) {
        self.log.flushed(sequence)
        self.unforgotten = self.unforgotten.filter { $0.value > sequence }
        while let first = self.held.first, first.sequence <= self.log.durableSequence {
            self.held.removeFirst()
            self.release(first.envelope, first.answer)
        }
    }

    private func release(_ envelope: Envelope, _ answer: GroupAnswer) {
        self.world.trace { "← \(envelope.number) client \(envelope.client): \(answer.summary)" }
        let client = self.world.client(envelope.client)
        if client.isAlive, client.connection == envelope.connection {
            self.world.ledger.handedOut(answer, to: envelope)
        }
        self.world.answer(envelope, .group(answer))
    }

    private func noteGenerations(_ records: [CoordinatorRecord]) {
        // A group of that name may begin with its first generation again.
        for case .consumerGroup(let key, nil) in records { self.generations[key.groupID] = nil }
        for case .classicGroup(let key, let value) in records {
            // One without a leader was a consumer group: until they join, its members go by the epochs that they had.
            guard let value, value.leader != nil || value.members.isEmpty else {
                self.generations[key.group] = nil
                self.downgrades[key.group] = value?.generation
                continue
            }
            self.note(value.generation, of: key.group)
        }
    }

    private func note(_ generation: Int32, of group: String) {
        self.generations[group] = max(self.generations[group] ?? 0, generation)
    }

    // MARK: Topics

    /// A topic was deleted.
    func noteDeleted(_ slot: Int) {
        self.unforgotten[slot] = .max
        self.forgetTopics()
    }

    func noteForgotten(_ slot: Int) {
        let isDurable = self.log.durableSequence >= self.log.lastSequence
        self.unforgotten[slot] = isDurable ? nil : self.log.lastSequence
    }

    // MARK: Time

    private func setTimer() {
        guard let at = self.shard.nextWakeUp, at < self.scheduledWakeUp else { return }
        self.scheduledWakeUp = at
        let late = self.world.random(0...(self.world.isCalm ? 20 : self.world.plan.timerLateMsMax))
        self.world.schedule(.wakeUp(life: self.life), at: max(at, self.world.now) + late)
    }

    func timerFired() {
        guard self.isUp else { return }
        self.scheduledWakeUp = .max
        self.take(self.shard.expire(self.environment))
        if let next = self.shard.nextWakeUp, next <= self.world.now {
            self.world.fail("expire leaves something due: next wake-up at \(next), now \(self.world.now)")
        }
        self.setTimer()
    }

    // MARK: Crashes

    /// The coordinator is gone at once, or its disk was: another one loads what the log has.
    func crash() {
        guard self.isUp else { return }
        self.checkReplay()
        self.life += 1
        self.isUp = false
        let under = self.outstanding.values.sorted { $0.number < $1.number } + self.held.map(\.envelope)
        for envelope in under where !self.world.oneIn(3) {
            self.world.answer(envelope, self.world.oneIn(2) ? .disconnected : .refused(.notCoordinator))
        }
        self.outstanding = [:]
        self.held = []
        let last = self.log.lastSequence
        let kept = self.world.draw { self.log.crash(now: self.world.now, using: &$0) }
        self.world.trace { "the coordinator crashes and keeps \(kept) of \(last) batches" }
        self.truth.lose(after: kept)
        self.world.tally.note(.crash)
        if kept < last { self.world.tally.note(.lostBatches) }
        if self.world.oneIn(2) {
            self.world.draw { self.log.compact(using: &$0) }
            self.world.tally.note(.cleanedLog)
        }
        self.shadow = GroupShadow()
        self.generations = [:]
        self.downgrades = [:]
        self.lastBatch = [:]
        do {
            let records = try self.log.records()
            for record in records { _ = self.shadow.apply([record]) }
            self.noteGenerations(records)
            self.shard = try Self.loaded(self.log)
        } catch {
            self.world.fail("the log cannot be read: \(error)")
        }
        for slot in self.unforgotten.keys { self.unforgotten[slot] = .max }
        let down = self.world.oneIn(4) ? self.world.random(2_000...12_000) : self.world.random(10...500)
        self.world.schedule(.coordinatorUp(life: self.life), at: self.world.now + down)
    }

    func comesUp() {
        self.isUp = true
        self.scheduledWakeUp = .max
        self.take(self.shard.finishLoading(self.environment))
        self.forgetTopics()
        self.setTimer()
        self.world.trace { "the coordinator is up" }
    }

    /// A shard of what is in the log, durable or not.
    static func loaded(_ log: SimulatedLog) throws -> GroupShard {
        var shard = GroupShard()
        for record in try log.records() { shard.replay(record) }
        return shard
    }
}

extension GroupAnswer {
    /// It says who has what: a crash must not be able to take that back.
    fileprivate var tellsAssignment: Bool {
        switch self {
        case .sync(let response): response.errorCode == 0
        case .consumerHeartbeat(let response): response.errorCode == 0 && response.assignment != nil
        default: false
        }
    }
}
