// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import GroupCoordinator

/// Which assignor a group uses, and by what weights.
@Suite struct ConsumerAssignorTests {
    @Test func theAssignorThatMostAskForIsUsed() {
        ConsumerStory.check(
            """
            > topics x=3
            > join a x
            + member a x
            + topics x=3
            + epoch 1
            + target a x:0,1,2
            + target@1
            + current a@1<0 stable x:0,1,2
            a@1 x:0,1,2
            > describe
            Stable epoch=1 target=1 range
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0,1,2 target x:0,1,2
            > join b x assignor=weighted
            + member b x assignor=weighted
            + epoch 2
            + target a x:0,2
            + target b x:1
            + target@2
            + current b@2<0 unreleased nothing
            b@2 nothing interval=500
            > describe
            Reconciling epoch=2 target=2 weighted
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0,1,2 target x:0,2
            b@2 type=1 client=client-b instance=- names=x regex=- has - target x:1
            > join c x assignor=uniform
            + member c x assignor=uniform
            + epoch 3
            + target a x:0
            + target c x:2
            + target@3
            + current c@3<0 unreleased nothing
            c@3 nothing interval=500
            > describe
            Reconciling epoch=3 target=3 uniform
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0,1,2 target x:0
            b@2 type=1 client=client-b instance=- names=x regex=- has - target x:1
            c@3 type=1 client=client-c instance=- names=x regex=- has - target x:2
            > join d x assignor=uniform
            + member d x assignor=uniform
            + epoch 4
            + target d nothing
            + target@4
            + current d@4<0 stable nothing
            d@4 nothing
            > describe
            Reconciling epoch=4 target=4 uniform
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0,1,2 target x:0
            b@2 type=1 client=client-b instance=- names=x regex=- has - target x:1
            c@3 type=1 client=client-c instance=- names=x regex=- has - target x:2
            d@4 type=1 client=client-d instance=- names=x regex=- has - target -
            """
        )
    }

    @Test func whoLeavesTakesItsVoteAlong() {
        ConsumerStory.check(
            """
            >> topics x=1
            >> join a x
            > join b x assignor=uniform
            + member b x assignor=uniform
            + epoch 2
            + target b nothing
            + target@2
            + current b@2<0 stable nothing
            b@2 nothing
            > describe
            Reconciling epoch=2 target=2 uniform
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0 target x:0
            b@2 type=1 client=client-b instance=- names=x regex=- has - target -
            > leave b
            - current b
            - target b
            - member b
            + epoch 3
            b@-1
            > describe
            Assigning epoch=3 target=2 range
            a@1 type=1 client=client-a instance=- names=x regex=- has x:0 target x:0
            """
        )
    }

    @Test func anotherVoteMayMoveEverything() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x assignor=range
            + member a x assignor=range
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > beat a 1 assignor=range
            a@1 (now)
            > beat a 1 assignor=uniform
            + member a x assignor=uniform
            + epoch 2
            + target@2
            + current a@2<1 stable x:0
            a@2
            """
        )
    }

    @Test func aWeightCountsWhereTheAssignorWeighs() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x weight=5
            + member a x weight=5
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > beat a 1 weight=5
            a@1 (now)
            > beat a 1 weight=7
            + member a x weight=7
            a@1
            > beat a 1
            a@1 (now)
            > beat a 1 assignor=weighted
            + member a x assignor=weighted weight=7
            + epoch 2
            + target@2
            + current a@2<1 stable x:0
            a@2
            > beat a 2 weight=7
            a@2 (now)
            > beat a 2 weight=8
            + member a x assignor=weighted weight=8
            + epoch 3
            + target@3
            + current a@3<2 stable x:0
            a@3
            > beat a 3
            a@3 (now)
            > restart
            > beat a 3 weight=8
            a@3 (now)
            """
        )
    }

    @Test func changedRulesTakeEffectAtTheNextHeartbeat() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x assignor=weighted client=blue
            + member a x assignor=weighted
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > beat a 1 client=blue
            a@1 (now)
            > set weights=green:0
            > beat a 1 client=blue
            a@1 (now)
            > set weights=green:0,bl*:7
            > beat a 1 client=blue
            + epoch 2
            + target@2
            + current a@2<1 stable x:0
            a@2
            > beat a 2 client=blue
            a@2 (now)
            > beat a 2 client=blue weight=9
            + member a x assignor=weighted weight=9
            + epoch 3
            + target@3
            + current a@3<2 stable x:0
            a@3
            > set weights=bl*:8
            > beat a 3 client=blue
            a@3 (now)
            """
        )
    }

    @Test func rulesAboutWeightsDoNotConcernOtherAssignors() {
        ConsumerStory.check(
            """
            > topics x=1
            > join a x client=blue
            + member a x
            + topics x=1
            + epoch 1
            + target a x:0
            + target@1
            + current a@1<0 stable x:0
            a@1 x:0
            > set weights=blue:0
            > beat a 1 client=blue
            a@1 (now)
            """
        )
    }

    @Test func anAssignorThatMovesFewAtATimeGoesOnUntilItIsDone() {
        var fleet = ConsumerFleet(assignor: "weighted", partitionCount: 40, memberCount: 8)
        fleet.converge()
        #expect(fleet.counts == Array(repeating: 5, count: 8))
        fleet.clients[0].weight = 1_300
        let before = fleet.group?.epoch ?? 0
        fleet.restart()
        fleet.converge()
        #expect(fleet.counts == [26, 2, 2, 2, 2, 2, 2, 2])
        #expect((fleet.group?.epoch ?? 0) >= before + 4)
        let settled = fleet.group?.epoch
        fleet.restart()
        fleet.converge()
        #expect(fleet.group?.epoch == settled)
    }

    @Test func aLoadedGroupGoesOnMovingFewAtATime() {
        var fleet = ConsumerFleet(assignor: "weighted", partitionCount: 40, memberCount: 8)
        fleet.converge()
        fleet.clients[0].weight = 1_300
        // Two rounds of heartbeats are too few to get there.
        fleet.round()
        fleet.round()
        #expect(fleet.counts.first ?? 0 < 26)
        fleet.restart()
        fleet.converge()
        #expect(fleet.counts.first == 26)
    }
}

/// Members that all want the one topic that there is, and do as they are told.
private struct ConsumerFleet {
    private var shard = GroupShard()
    private var shadow = GroupShard()
    private var environment: GroupEnvironment
    var clients: [ConsumerClientModel]

    init(assignor: String, partitionCount: Int32, memberCount: Int) {
        var topics = TopicsOfTest()
        topics.set([TopicFacts(id: TopicsOfTest.id(of: "x"), name: "x", partitionCount: partitionCount)])
        var settings = GroupSettings()
        settings.consumerAssignors = [assignor]
        self.environment = GroupEnvironment(
            now: GroupTime(monotonicMs: 0, wallMs: 0), topics: topics, settings: settings
        )
        self.clients = (0..<memberCount).map { ConsumerClientModel(id: "m\($0)", names: ["x"]) }
    }

    var group: ConsumerGroup? { self.shard.consumerGroups["g"] }
    var counts: [Int] { self.clients.map(\.owned.count) }

    mutating func round() {
        for index in self.clients.indices {
            self.clients[index].giveUp()
            let call = GroupCall(
                token: RequestToken(0), apiVersion: 1, clientID: "c", clientHost: "/127.0.0.1", freshID: .zero
            )
            let effects = self.shard.consumerHeartbeat(self.clients[index].heartbeat(), call, self.environment)
            for record in effects.records { self.shadow.replay(record) }
            guard case .consumerHeartbeat(let response)? = effects.answers.first?.answer else { continue }
            self.clients[index].take(response)
        }
    }

    /// Long enough for any change.
    mutating func converge() {
        for _ in 0..<60 { self.round() }
    }

    mutating func restart() {
        self.shard = self.shadow
        _ = self.shard.finishLoading(self.environment)
    }
}
