// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The groups whose records are in one partition of `__consumer_offsets`: their members, assignments and offsets.
///
/// A state machine without IO. A command changes it and says in `GroupEffects` what is to be appended and answered; time,
/// topics and configs come with `GroupEnvironment`. Commands change what is kept only by replaying the records that
/// they hand out, so replaying a log rebuilds the same state; what is not in records (rebalances of classic groups that
/// are under way, time-outs) begins anew, as after any change of coordinator.
///
/// When its records cannot be made durable the shard must be thrown away and loaded from the log: it is ahead of it.
public struct GroupShard: Sendable {
    /// Groups of the classic protocol, and those that only keep offsets.
    var classicGroups: [String: ClassicGroup] = [:]
    /// Groups of KIP-848.
    var consumerGroups: [String: ConsumerGroup] = [:]
    /// Committed offsets of all of them.
    var offsets = OffsetTable()
    /// When which group wants to be looked at.
    var wakeUps = WakeUpQueue()

    /// A shard of an empty log.
    public init() {}

    /// When `expire` has something to do next, in milliseconds of the monotonic clock; nil when nothing waits.
    public var nextWakeUp: Int64? { self.wakeUps.first }

    /// Runs a command, and keeps account of when its group is to be looked at.
    mutating func run(
        _ groupID: String, _ environment: GroupEnvironment, _ body: (inout GroupShard, inout Step) -> Void
    ) -> GroupEffects {
        var step = Step(environment)
        body(&self, &step)
        self.noteWakeUp(of: groupID)
        return step.effects
    }

    /// Does what time has brought: members that were silent too long are removed, rebalances end.
    public mutating func expire(_ environment: GroupEnvironment) -> GroupEffects {
        var step = Step(environment)
        while let id = self.wakeUps.popDue(at: environment.now.monotonicMs) {
            self.classicGroups[id]?.expire(&step)
            self.consumerGroups[id]?.expire(&step)
            self.settle(id, &step)
            self.noteWakeUp(of: id)
        }
        return step.effects
    }

    private mutating func noteWakeUp(of id: String) {
        let classic = self.classicGroups[id]?.wakeAt ?? .max
        let consumer = self.consumerGroups[id]?.wakeAt ?? .max
        self.wakeUps.want(id, at: min(classic, consumer))
    }

    /// What may have to happen to a group after any of its members came or went.
    private mutating func settle(_ id: String, _ step: inout Step) {
        self.forgetIfUnused(id)
        self.downgradeIfDue(id, &step)
    }
}

// MARK: Loading

extension GroupShard {
    /// Takes in one record of the log. Records must come in the order of the log.
    public mutating func replay(_ record: CoordinatorRecord) {
        switch record {
        case .offsetCommit(let key, let value): self.offsets.replay(key, value)
        case .classicGroup(let key, let value): self.replayClassic(key, value)
        case .consumerGroup, .consumerTopics, .consumerMember, .consumerTarget, .consumerMemberTarget,
            .consumerMemberCurrent:
            self.replayConsumer(record)
        }
    }

    /// To be called once after the last record of the log: members get their whole time-outs, as if they had just been
    /// heard of, and offsets of topics that were deleted meanwhile are forgotten.
    public mutating func finishLoading(_ environment: GroupEnvironment) -> GroupEffects {
        var step = Step(environment)
        for id in self.classicGroups.keys.sorted() {
            self.classicGroups[id]?.resume(&step)
            self.noteWakeUp(of: id)
        }
        for id in self.consumerGroups.keys.sorted() {
            self.consumerGroups[id]?.resume(&step)
            self.noteWakeUp(of: id)
        }
        self.forgetDeletedTopics(&step)
        return step.effects
    }
}
