// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

extension KafkaConsumer {
    /// The id that the group knows this member by; empty without a group, and while it has none.
    public var memberID: String { self.withState { $0.group?.membership.memberID ?? "" } }

    /// Changes what this member can carry beside the others, 0 to ``ConsumerGroupConfiguration/weightMax``; 0 drains
    /// it. The coordinator is told at once. Does nothing in the classic protocol, or without a group.
    ///
    /// Throws `invalidRequest` for another weight.
    public func setWeight(_ weight: Int32) throws(KafkaClientError) {
        try ConsumerGroupConfiguration.validate(weight: weight)
        self.withState { $0.group?.membership.setWeight(weight, nowMs: self.now()) }
        self.membershipWaker.wake()
    }

    // MARK: Heartbeats

    /// Sends what the membership says, when it says so. Heartbeats have a connection of their own, so that neither slow
    /// receivers nor slow fetches end the membership.
    func sendHeartbeats(_ groupID: String) async {
        while !Task.isCancelled {
            let wakes = self.membershipWaker.wakes
            let now = self.now()
            guard let step = self.withState({ $0.group?.membership.step(nowMs: now) }) else { return }
            switch step {
            case .ended:
                // Out of the group for now, or for good; in the second case the consumer ends.
                if !self.withState({ $0.group?.joinAgain() ?? false }) {
                    await self.membershipWaker.wait(after: wakes)
                }
            case .wait(let untilMs):
                let wait = Duration.milliseconds(max(untilMs - now, 1))
                await self.membershipWaker.wait(after: wakes, for: wait, clock: self.clock)
            case .send(let request, let timeout):
                do {
                    let answer = try await self.cluster.carryOut(
                        request, of: groupID, lane: self.membershipLane, timeout: timeout)
                    self.react { group, generator in
                        group.membership.answered(answer, nowMs: self.now(), using: &generator)
                    }
                } catch let error as KafkaClientError {
                    self.react { group, generator in
                        group.membership.failed(error, nowMs: self.now(), using: &generator)
                    }
                } catch {
                    // Cancelled: the consumer ends.
                    return
                }
            }
        }
    }

    /// Lets something happen to the membership, and does what follows from it.
    private func react(
        _ event: (inout GroupPlace, inout SystemRandomNumberGenerator) -> MembershipReaction
    ) {
        let (reaction, lost) = self.withState { state -> (MembershipReaction, [TopicPartition]) in
            guard var group = state.group else { return (.none, []) }
            let reaction = event(&group, &state.generator)
            state.group = group
            guard case .lose = reaction else { return (reaction, []) }
            // In the same moment, so that nothing of these partitions is committed under a new membership.
            return (reaction, state.loseAll())
        }
        switch reaction {
        case .none:
            break
        case .reconcile(let reconciliation):
            self.reconciliations.yield(reconciliation)
        case .lose(let error):
            self.lost(lost, error)
        case .retry(let error):
            if error.errorCode != .coordinatorLoadInProgress, let groupID = self.configuration.subscription.groupID {
                self.cluster.forgetCoordinator(of: groupID)
            }
            self.tell(.retrying(error))
        case .fail(let error):
            self.fail(error)
        }
    }

    private func lost(_ partitions: [TopicPartition], _ error: KafkaClientError) {
        self.interrupt { _ in }
        self.handIsFree()
        self.forgetLag(of: partitions)
        self.logger.warning(
            "the group took the partitions away", metadata: ["count": "\(partitions.count)", "reason": "\(error)"])
        self.tell(partitions.isEmpty ? .retrying(error) : .lost(partitions, error))
    }

    /// How far these are behind is somebody else's to tell from now on.
    func forgetLag(of partitions: [TopicPartition]) {
        guard let metrics = self.cluster.telemetry.metrics else { return }
        for partition in partitions {
            metrics.lagEnded(partition, group: self.configuration.subscription.groupID)
        }
    }

    // MARK: The assignment

    /// Goes from what is read to what is to be read, one reconciliation after the other. What stays is read on
    /// meanwhile.
    func carryOutAssignments(_ group: ConsumerGroupConfiguration) async {
        for await reconciliation in self.assignments {
            let number = reconciliation.number
            let startMs = self.now()
            guard self.withState({ $0.group?.membership.isUnderWay(number) ?? false }) else { continue }
            if !reconciliation.revoked.isEmpty { await self.giveUp(reconciliation.revoked, group) }
            guard !Task.isCancelled else { return }
            self.react { group, _ in
                // The member may have lost everything meanwhile, and what it was given is not its any more.
                guard group.membership.isUnderWay(number) else { return .none }
                group.add(reconciliation.added, nowMs: self.now())
                return group.membership.released(number, nowMs: self.now())
            }
            self.beginNamed()
            self.membershipWaker.wake()
            self.lookupWaker.wake()
            self.cluster.telemetry.metrics?.rebalanced(
                group: group.groupID, after: .milliseconds(self.now() - startMs))
        }
    }

    /// Stops to read partitions, waits for the batch in hand, commits, and only then lets go of them.
    private func giveUp(_ partitions: Set<GroupPartition>, _ group: ConsumerGroupConfiguration) async {
        let named = self.interrupt { state -> Set<TopicPartition> in
            guard let group = state.group else { return [] }
            let named = Set(partitions.compactMap(group.name))
            state.stopDelivery(of: named)
            return named
        }
        await self.waitForHand(atMost: group.rebalanceTimeout) { !$0.isInHand(named) }
        if self.configuration.autoCommitInterval != nil { await self.commitProcessed() }
        // The last commit has to know how far these were processed.
        guard !Task.isCancelled else { return }
        let revoked = self.withState { state -> [TopicPartition] in
            state.group?.drop(partitions)
            let revoked = named.intersection(state.revoking)
            state.remove(named)
            return revoked.sorted()
        }
        self.forgetLag(of: revoked)
        if !revoked.isEmpty { self.tell(.revoked(revoked)) }
    }

    /// Begins to read what was assigned and has a name, as soon as that has been told: nothing of it is delivered before,
    /// and who is told may seek first.
    func beginNamed() {
        let begun = self.withState { state -> [TopicPartition] in
            let named = state.group?.takeNamed() ?? []
            for partition in named { state.assign(partition, start: .committed, isAnnounced: false) }
            return named
        }
        guard !begun.isEmpty else { return }
        self.tell(.assigned(begun))
        self.withState { $0.fetcher.announced(begun) }
    }

    /// Asks for the names of topics; those that the brokers do not know yet, or not any more, stay unknown.
    func learnNames(of ids: [TopicID]) async throws {
        let response = try await self.cluster.refreshMetadata(topics: [], ids: ids)
        var names: [TopicID: String] = [:]
        for topic in response.topics where topic.errorCode == ErrorCode.none.rawValue {
            if let name = topic.name, ids.contains(topic.topicID) { names[topic.topicID] = name }
        }
        self.withState { [names] in $0.group?.learn(names, nowMs: self.now()) }
        self.beginNamed()
    }

    // MARK: The receiver

    /// How often it is looked whether the receiver still asks: ten times per interval, and once a second at least.
    private static let pollChecksPerInterval = 10
    private static let pollCheckIntervalMax = Duration.seconds(1)

    /// Leaves the group while the receiver takes longer than it may.
    func watchReceiver(_ group: ConsumerGroupConfiguration) async {
        let interval = self.configuration.maxPollInterval
        let checks = min(interval / Self.pollChecksPerInterval, Self.pollCheckIntervalMax)
        while (try? await self.clock.sleep(for: max(checks, .milliseconds(1)))) != nil {
            let isLate: @Sendable (inout ConsumerState) -> Bool = {
                $0.isReceiverLate(nowMs: self.now(), afterMs: interval.milliseconds)
            }
            guard self.withState({ isLate(&$0) }) else { continue }
            // What was processed was processed.
            if self.configuration.autoCommitInterval != nil { await self.commitProcessed() }
            let lost = self.withState { state -> [TopicPartition]? in
                // Whoever has asked meanwhile waits for what comes, and does not ask again. And when the consumer ends,
                // the last commit has to know how far everything was processed.
                guard isLate(&state), !Task.isCancelled else { return nil }
                state.group?.leaveForNow()
                return state.loseAll()
            }
            guard let lost else { continue }
            self.membershipWaker.wake()
            let error = KafkaClientError(
                .timedOut,
                "nothing was asked for within maxPollInterval, \(interval): the member has left group \(group.groupID),"
                    + " and joins again when it asks; process less at a time, pause partitions, or raise maxPollInterval"
            )
            self.lost(lost, error)
        }
    }

    // MARK: The end

    /// Says goodbye to the group, if it can be reached.
    func leaveGroup() async {
        guard let groupID = self.configuration.subscription.groupID else { return }
        let step = self.withState { state -> MembershipStep? in
            state.group?.membership.leave()
            return state.group?.membership.step(nowMs: self.now())
        }
        guard case .send(let request, let timeout)? = step else { return }
        do {
            _ = try await self.cluster.carryOut(request, of: groupID, lane: self.membershipLane, timeout: timeout)
        } catch {
            // The group finds out by itself, when the session is over.
            self.logger.info("could not leave the group", metadata: ["group": "\(groupID)", "reason": "\(error)"])
        }
    }
}
