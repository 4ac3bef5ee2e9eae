// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes

/// What is done to the clients, the topics and the coordinator.
extension GroupSimulation {
    func churn() {
        let interval = self.plan.churnIntervalMs
        self.schedule(.churn, at: self.now + self.random(0...2 * interval))
        if self.random(0..<100) < self.plan.crashesPercent { return self.coordinator.crash() }
        let isEarly = self.now < 3_000
        switch self.random(0..<100) {
        case ..<(isEarly || self.alive.count < self.plan.membersMax / 2 ? 60 : 25): self.startClients()
        case ..<85: self.harm()
        case ..<93: self.changeTopics()
        default: self.administer()
        }
    }

    // MARK: Clients

    private func startClients() {
        // At the beginning many come together.
        let count = self.now < 3_000 ? self.random(1..<max(3, self.plan.membersMax / 4)) : self.random(1..<3)
        for _ in 0..<count where self.alive.count < self.plan.membersMax {
            let group = self.random(0..<self.groupIDs.count)
            var instanceID: String?
            if self.oneIn(3) { instanceID = "i\(self.random(0..<max(2, self.plan.membersMax / self.groupIDs.count)))" }
            // Two processes of one instance are a mistake that people make; mostly one waits until the name is free.
            let isTaken = self.alive.contains {
                self.client($0).group == group && self.client($0).instanceID == instanceID
            }
            if instanceID != nil, isTaken, !self.oneIn(10) { instanceID = nil }
            self.start(group: group, instanceID: instanceID)
        }
    }

    private func start(group: Int, instanceID: String?) {
        var subscription = [0, 1, 2, 3].filter { _ in self.oneIn(2) }
        if subscription.isEmpty || self.oneIn(3) { subscription = [0, 1, 2] }
        let client = self.add { number in
            switch self.plan.groups[group] {
            case .eager:
                self.classic(number, group, instanceID, subscription, [ClassicClient.range])
            case .cooperative:
                self.classic(number, group, instanceID, subscription, [ClassicClient.cooperative])
            case .eagerAndCooperative:
                self.classic(
                    number, group, instanceID, subscription,
                    self.oneIn(2) ? [ClassicClient.cooperative, ClassicClient.range] : [ClassicClient.range])
            case .consumer: self.consumer(number, group, instanceID, subscription)
            case .mixed:
                self.oneIn(2)
                    ? self.consumer(number, group, instanceID, subscription)
                    : self.classic(
                        number, group, instanceID, subscription,
                        [
                            self.oneIn(10) != self.seed.isMultiple(of: 2)
                                ? ClassicClient.cooperative : ClassicClient.range
                        ])
            }
        }
        self.trace {
            "\(client.name) starts in \(self.groupIDs[group]) as \(instanceID ?? "nobody") for \(subscription)"
        }
    }

    private func classic(
        _ number: Int, _ group: Int, _ instanceID: String?, _ subscription: [Int], _ protocols: [String]
    ) -> ModelClient {
        ClassicClient(
            number: number, group: group, instanceID: instanceID, subscription: subscription, world: self,
            protocols: protocols, joinVersion: self.joinVersion(isStatic: instanceID != nil))
    }

    private func consumer(
        _ number: Int, _ group: Int, _ instanceID: String?, _ subscription: [Int]
    ) -> ModelClient {
        let patterns = SimulatedTopics.patterns
        let pattern = self.oneIn(5) ? patterns[self.random(0..<patterns.count)] : nil
        let assignor = self.oneIn(2) ? ["range", "uniform", "weighted"][self.random(0..<3)] : nil
        return ConsumerClient(
            number: number, group: group, instanceID: instanceID, subscription: pattern?.slots ?? subscription,
            world: self, pattern: pattern?.text, assignor: assignor, weight: self.weight(),
            version: pattern == nil && self.oneIn(5) ? 0 : 1)
    }

    /// Mostly the newest. Before 4 nobody is sent away for an id, before 1 there is no rebalance time-out. Static
    /// members have the newest: before 9 a leader that was started anew does not learn that it is the leader, and
    /// nobody would watch the topics any more.
    private func joinVersion(isStatic: Bool) -> Int16 {
        isStatic || !self.oneIn(4) ? 9 : [0, 1, 3, 4, 6][self.random(0..<5)]
    }

    private func weight() -> Int32 { [-1, -1, 0, 50, 300][self.random(0..<5)] }

    private func harm() {
        guard !self.alive.isEmpty else { return }
        let client = self.client(self.alive[self.random(0..<self.alive.count)])
        let session = Int64(self.plan.sessionTimeoutMs)
        switch self.random(0..<11) {
        case 0: client.leave()
        case 1:
            self.trace { "\(client.name) is killed" }
            client.die()
        case 2:
            // A deploy: the old one goes, well or badly, and a new one of the same name comes.
            self.oneIn(2) ? client.leave() : client.die()
            self.start(group: client.group, instanceID: client.instanceID)
        case 3:
            // A zombie: the orchestrator takes it for dead and starts another one.
            self.pause(client, self.random(500...2 * session))
            self.start(group: client.group, instanceID: client.instanceID)
        case 4, 5: self.pause(client, self.random(500...2 * session))
        case 6:
            let busy = self.random(500...Int64(self.plan.rebalanceTimeoutMs) * 2)
            self.trace { "\(client.name) is busy for \(busy) ms" }
            client.busyUntil = self.now + busy
        case 7: client.reconnect()
        case 8: self.breakConnection(of: client)
        default:
            if let consumer = client as? ConsumerClient, consumer.pattern != nil || self.oneIn(3) {
                consumer.weight = self.weight()
                self.trace { "\(client.name) can carry \(consumer.weight)" }
                return client.subscriptionChanged()
            }
            client.subscription = [0, 1, 2, 3].filter { _ in self.oneIn(2) }
            if client.subscription.isEmpty { client.subscription = [1] }
            self.trace { "\(client.name) subscribes to \(client.subscription)" }
            client.subscriptionChanged()
        }
    }

    private func pause(_ client: ModelClient, _ milliseconds: Int64) {
        self.trace { "\(client.name) stands still for \(milliseconds) ms" }
        client.pause(until: self.now + milliseconds)
    }

    // MARK: Topics and administrators

    private func changeTopics() {
        let slot = self.random(0..<SimulatedTopics.names.count)
        guard let facts = self.topics[slot] else {
            // A broker makes no topic of a name whose offsets it is still forgetting.
            if self.coordinator.unforgotten[slot] != nil { return }
            self.topics.create(slot, partitions: Int32(self.random(1...8)))
            return self.trace { "\(SimulatedTopics.names[slot]) is made" }
        }
        if facts.partitionCount < 10, self.oneIn(2) {
            self.topics.grow(slot, by: Int32(self.random(1...3)))
            return self.trace { "\(SimulatedTopics.names[slot]) grows" }
        }
        self.topics.delete(slot)
        self.trace { "\(SimulatedTopics.names[slot]) is deleted" }
        self.coordinator.noteDeleted(slot)
    }

    private func administer() {
        guard self.coordinator.isUp else { return }
        let group = self.random(0..<self.groupIDs.count)
        let slot = self.random(0..<SimulatedTopics.names.count)
        switch self.random(0..<6) {
        case 0: self.coordinator.deleteGroup(group)
        case 4: self.coordinator.removeMember(of: group, self.random(0..<50))
        case 1: self.coordinator.deleteOffsets(group: group, slot: slot)
        case 2: self.coordinator.expireOffsets()
        case 3:
            let offsets = self.topics.partitions(of: slot).map { (partition: $0, offset: self.random(0...50)) }
            if !offsets.isEmpty { self.coordinator.reset(group: group, offsets) }
        default: self.coordinator.checkReplay()
        }
    }
}
