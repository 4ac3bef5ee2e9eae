// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import Testing

@testable import GroupCoordinator

/// Weights as the members of a group see them: what they send, what the group's config says, and how a change comes to
/// them in rounds.
@Suite struct WeightedGroupTests {
    /// Members that do what they are told, one heartbeat after the other.
    private struct Service {
        private struct Replica {
            var epoch: Int32 = 0
            var owned: [ConsumerGroupHeartbeatRequest.TopicPartitions] = []
        }

        private var shard = GroupShard()
        private var replicas: [String: Replica] = [:]
        private var written: [CoordinatorRecord] = []
        private var calls: UInt64 = 0
        private let topics: TopicsOfTest
        var settings = GroupSettings()
        /// The epochs that members were told, each once, in their order.
        private(set) var epochs: [Int32] = []

        init(partitions: Int32) {
            var topics = TopicsOfTest()
            topics.set([TopicFacts(id: TopicsOfTest.id(of: "x"), name: "x", partitionCount: partitions)])
            self.topics = topics
            self.settings.consumerAssignors = ["uniform", "weighted"]
        }

        /// Sets `martlet.consumer.weights` for client ids.
        mutating func rule(_ rules: [(pattern: String, weight: Int32)]) {
            self.settings.groups["g", default: .init()].weights = rules.map {
                WeightRule(subject: .clientID, pattern: $0.pattern, weight: $0.weight)
            }
        }

        /// A heartbeat of a member, which joins with its first one.
        mutating func beat(_ id: String, weight: Int32 = -1) {
            let replica = self.replicas[id] ?? Replica()
            var request = ConsumerGroupHeartbeatRequest()
            request.groupID = "g"
            request.memberID = id
            request.memberEpoch = replica.epoch
            request.topicPartitions = replica.owned
            request.weight = weight
            if replica.epoch == 0 {
                request.rebalanceTimeoutMs = 60_000
                request.subscribedTopicNames = ["x"]
                request.serverAssignor = "weighted"
            }
            self.calls += 1
            let call = GroupCall(
                token: RequestToken(self.calls), apiVersion: 1, clientID: id, clientHost: "/127.0.0.1",
                freshID: UUID128(high: 0, low: self.calls))
            let effects = self.shard.consumerHeartbeat(request, call, self.environment)
            self.written += effects.records
            for answered in effects.answers {
                guard case .consumerHeartbeat(let response) = answered.answer else { continue }
                #expect(response.errorCode == 0, "\(response.errorMessage ?? "")")
                self.replicas[id, default: Replica()].epoch = response.memberEpoch
                if !self.epochs.contains(response.memberEpoch) { self.epochs.append(response.memberEpoch) }
                guard let assignment = response.assignment else { continue }
                self.replicas[id]?.owned = assignment.topicPartitions.map { assigned in
                    var owned = ConsumerGroupHeartbeatRequest.TopicPartitions()
                    owned.topicID = assigned.topicID
                    owned.partitions = assigned.partitions
                    return owned
                }
            }
        }

        /// Heartbeats of all in turn until nobody is told anything any more.
        mutating func converge() {
            for _ in 0..<200 {
                let before = self.written.count
                for id in self.replicas.keys.sorted() { self.beat(id) }
                if self.written.count == before { return }
            }
            Issue.record("the group does not come to rest")
        }

        mutating func restart() {
            self.shard = GroupShard()
            for record in self.written { self.shard.replay(record) }
            self.written += self.shard.finishLoading(self.environment).records
        }

        func partitions(of id: String) -> [Int32] { self.replicas[id]?.owned.flatMap(\.partitions) ?? [] }

        /// How many partitions each replica has.
        var counts: [Int] { self.replicas.keys.sorted().map { self.partitions(of: $0).count } }

        private var environment: GroupEnvironment {
            GroupEnvironment(
                now: GroupTime(monotonicMs: 0, wallMs: 0), topics: self.topics, settings: self.settings)
        }
    }

    /// Ten replicas, named after the digits, that have converged.
    private func service(partitions: Int32 = 100) -> Service {
        var service = Service(partitions: partitions)
        for number in 0..<10 { service.beat("r\(number)") }
        service.converge()
        return service
    }

    @Test func partitionsFollowWhatReplicasSay() {
        var service = Service(partitions: 12)
        service.beat("a", weight: 300)
        service.beat("b", weight: 100)
        service.beat("c")
        service.converge()
        // Nobody said anything of c, so it counts as 100.
        #expect(service.counts == [7, 2, 3] || service.counts == [7, 3, 2])
        service.beat("b", weight: 500)
        service.converge()
        #expect(service.counts == [4, 7, 1])
    }

    @Test func aRuleOfWeightZeroGoesBeforeWhatAMemberSaysAndOthersDoNot() {
        func weight(saying own: Int32?, _ rules: WeightRule...) -> Int32 {
            var details = ConsumerMember.Details()
            details.clientID = "pod-7"
            details.weight = own
            return details.weight(under: rules)
        }
        let (drain, double) = (
            WeightRule(subject: .clientID, pattern: "pod-*", weight: 0),
            WeightRule(subject: .clientID, pattern: "pod-*", weight: 200)
        )
        #expect(weight(saying: 300, drain) == 0)
        #expect(weight(saying: 300, double) == 300)
        #expect(weight(saying: nil, double) == 200)
        #expect(weight(saying: 300, double, drain) == 300, "the first rule that fits is the only one")
        #expect(weight(saying: nil) == 100)
    }

    @Test func aReplicaThatIsDrainedByConfigHasNothingSoonAndTheOthersKeepTheirs() {
        var service = self.service()
        let before = service.partitions(of: "r0")
        service.rule([("r7", 0)])
        service.beat("r0")
        service.converge()
        #expect(service.partitions(of: "r7").isEmpty)
        #expect(service.counts.reduce(0, +) == 100)
        #expect(Set(service.partitions(of: "r0")).isSuperset(of: before))
        // Back in its place it gets its share again.
        service.rule([])
        service.converge()
        #expect(service.counts == Array(repeating: 10, count: 10))
    }

    @Test func aGreatChangeGoesOnRoundByRoundWhileReplicasOnlyHeartbeat() {
        var service = self.service()
        service.rule([("r0", 900), ("r1", 900)])
        let epochs = service.epochs.count
        service.converge()
        // 34.6 for each of the two, 3.8 for the others.
        #expect(service.counts.sorted() == [4, 4, 4, 4, 4, 4, 4, 4, 34, 34])
        // 48 partitions to move, 10 at a time.
        #expect(service.epochs.count - epochs == 5)
        let settled = service.epochs.count
        service.converge()
        #expect(service.epochs.count == settled)
    }

    @Test func theNextRoundWaitsUntilAllHaveArrivedAtTheLast() {
        var service = self.service()
        service.rule([("r0", 900), ("r1", 900)])
        // r9 is not heard of: what it is to give up does not arrive, and nothing else is begun.
        for _ in 0..<20 { for number in 0..<9 { service.beat("r\(number)") } }
        let epochs = service.epochs.count
        for _ in 0..<20 { for number in 0..<9 { service.beat("r\(number)") } }
        #expect(service.epochs.count == epochs)
        #expect(service.counts[0] + service.counts[1] <= 30)
        service.converge()
        #expect(service.counts[0] + service.counts[1] == 68)
    }

    @Test func roundsGoOnAfterARestartAndRulesThatChangedMeanwhileHold() {
        var service = self.service()
        service.rule([("r0", 900), ("r1", 900)])
        for number in 0..<10 { service.beat("r\(number)") }
        service.restart()
        service.converge()
        #expect(service.counts[0] + service.counts[1] == 68)
        service.rule([])
        service.restart()
        service.converge()
        #expect(service.counts == Array(repeating: 10, count: 10))
    }
}
