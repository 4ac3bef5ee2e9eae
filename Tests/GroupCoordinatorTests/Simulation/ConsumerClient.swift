// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaTypes
import KafkaWire

/// A member of the consumer protocol (KIP-848): everything goes by heartbeats. It is told what it shall have, gives up
/// what it shall not, and says what it has.
final class ConsumerClient: ModelClient {
    /// It subscribes by a regular expression instead of by names.
    let pattern: String?
    let assignor: String?
    /// What it tells the assignor `weighted` that it can carry; -1 for nothing.
    var weight: Int32
    /// In version 0 the coordinator makes the member id.
    let version: Int16
    /// What the coordinator last said that the member shall have, while it has something else.
    private var target: [SimulatedPartition]?
    private var reconcileAt: Int64 = .max
    private var saysAll = true
    private var saysOwned = false
    private var lastHeartbeatAt: Int64 = -1_000_000
    private var intervalMs: Int64 = 0
    private var retryAt: Int64 = 0

    init(
        number: Int, group: Int, instanceID: String?, subscription: [Int], world: GroupSimulation, pattern: String?,
        assignor: String?, weight: Int32, version: Int16
    ) {
        self.pattern = pattern
        self.assignor = assignor
        self.weight = weight
        self.version = version
        super.init(number: number, group: group, instanceID: instanceID, subscription: subscription, world: world)
        if version > 0 { self.memberID = world.freshID().base64 }
        self.epoch = 0
    }

    var isReconciled: Bool { self.target == nil && !self.saysOwned && !self.saysAll }

    override func work() {
        self.process()
        self.reconcile()
        guard self.isAlive else { return }
        if self.epoch > 0 {
            self.fetchPositions()
            if self.world.oneIn(2) { self.commit() }
        }
        let isDue = self.saysAll || self.saysOwned || self.world.now >= self.lastHeartbeatAt + self.intervalMs
        if isDue, self.world.now >= self.retryAt { self.heartbeat() }
    }

    override func subscriptionChanged() {
        self.saysAll = true
        self.wake(at: self.world.now)
    }

    override func sayGoodbye() {
        if self.epoch <= 0 { return }
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = self.world.groupIDs[self.group]
        request.memberID = self.memberID
        request.instanceID = self.instanceID
        request.memberEpoch = self.instanceID == nil ? -1 : -2
        self.send(.consumerHeartbeat(request, version: self.version))
    }

    // MARK: Heartbeats

    private func heartbeat() {
        if self.isAwaitingMembership { return }
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = self.world.groupIDs[self.group]
        request.memberID = self.memberID
        request.memberEpoch = self.epoch
        request.instanceID = self.instanceID
        if self.saysAll {
            request.rebalanceTimeoutMs = self.world.plan.rebalanceTimeoutMs
            if let pattern = self.pattern {
                request.subscribedTopicRegex = pattern
            } else {
                request.subscribedTopicNames = self.subscription.map { SimulatedTopics.names[$0] }
            }
            request.serverAssignor = self.assignor
            request.weight = self.weight
        }
        if self.saysAll || self.saysOwned {
            request.topicPartitions = self.ownedByTopic()
            // It has said that it has not got it: what it has not taken by now the coordinator may give to others.
            self.target = nil
        }
        self.saysAll = false
        self.saysOwned = false
        self.lastHeartbeatAt = self.world.now
        self.send(.consumerHeartbeat(request, version: self.version))
    }

    private func ownedByTopic() -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        var topics: [ConsumerGroupHeartbeatRequest.TopicPartitions] = []
        for partition in self.ownedPartitions {
            if topics.last?.topicID == partition.topicID {
                topics[topics.count - 1].partitions.append(partition.index)
            } else {
                var entry = ConsumerGroupHeartbeatRequest.TopicPartitions()
                entry.topicID = partition.topicID
                entry.partitions = [partition.index]
                topics.append(entry)
            }
        }
        return topics
    }

    override func received(_ answer: GroupAnswer, to request: SimulatedRequest) {
        guard case .consumerHeartbeat(let response) = answer, case .consumerHeartbeat(let heartbeat, _) = request else {
            return self.world.fail("\(self.name) asked \(request.name) and was answered something else")
        }
        let code = ErrorCode(rawValue: response.errorCode)
        if code != .none { return self.membershipRefused(code) }
        if self.memberID.isEmpty { self.memberID = response.memberID ?? "" }
        if response.memberEpoch <= 0 || self.memberID.isEmpty || response.memberID != self.memberID {
            return self.world.fail(
                "\(self.name): \(heartbeat.memberID) is answered as \(response.memberID ?? "nobody") of epoch "
                    + "\(response.memberEpoch)")
        }
        if response.memberEpoch < self.epoch {
            return self.world.fail("\(self.name) goes back from epoch \(self.epoch) to \(response.memberEpoch)")
        }
        self.epoch = response.memberEpoch
        self.intervalMs = Int64(response.heartbeatIntervalMs)
        if let assignment = response.assignment {
            self.target = SimulatedPartition.list(assignment.topicPartitions.map { ($0.topicID, $0.partitions) })
            let delay = self.world.oneIn(8) ? self.world.random(500...3_000) : self.world.random(0...50)
            self.reconcileAt = max(self.busyUntil, self.world.now + delay)
            self.wake(at: self.reconcileAt)
        }
        if self.saysOwned || self.saysAll { self.wake(at: self.world.now) }
    }

    /// Gives up what is not in the target, takes what is, and says so. Not while a heartbeat is under way: that would
    /// tell of what was before.
    private func reconcile() {
        guard let target = self.target, self.world.now >= self.reconcileAt, self.world.now >= self.busyUntil else {
            return
        }
        if self.isAwaitingMembership { return }
        if self.ownedPartitions.contains(where: { !target.contains($0) }) { self.commit() }
        self.setOwned(target)
        self.target = nil
        self.saysOwned = true
    }

    /// Begins anew, as a member that has nothing.
    private func forget() {
        self.setOwned([])
        self.epoch = 0
        self.target = nil
        self.saysAll = true
        self.saysOwned = false
        self.retryAt = self.world.now + self.world.random(0...100)
        self.wake(at: self.retryAt)
    }

    private func membershipRefused(_ code: ErrorCode) {
        self.world.trace { "\(self.name) (\(self.memberID)) hears \(code)" }
        switch code {
        case .unknownMemberID, .fencedMemberEpoch: self.forget()
        // It became a classic group again, and may become a consumer group again.
        case .groupIDNotFound: self.epoch == 0 ? self.die() : self.forget()
        case .fencedInstanceID, .unreleasedInstanceID, .groupMaxSizeReached: self.die()
        case .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator, .requestTimedOut: self.again()
        default: self.world.fail("\(self.name) did nothing wrong and hears \(code)")
        }
    }

    private func again() {
        self.saysAll = true
        self.retryAt = self.world.now + self.world.random(50...500)
        self.wake(at: self.retryAt)
    }

    override func refused(_ code: ErrorCode, _ request: SimulatedRequest) {
        switch code {
        // The next heartbeat tells.
        case .staleMemberEpoch, .unknownMemberID, .illegalGeneration, .fencedMemberEpoch, .unknownTopicOrPartition,
            .unknownTopicID, .groupIDNotFound:
            break
        default: self.membershipRefused(code)
        }
    }

    override func failed(_ request: SimulatedRequest) {
        if case .consumerHeartbeat = request { self.again() }
    }
}
