// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import Synchronization
import Testing

@testable import GroupCoordinator

/// What other parts of the coordinator ask a consumer group.
@Suite struct ConsumerContractTests {
    private func story(_ steps: String) -> ConsumerStory {
        var story = ConsumerStory()
        story.run(steps)
        return story
    }

    private func group(_ steps: String) throws -> ConsumerGroup {
        try #require(self.story(steps).shard.consumerGroups["g"])
    }

    @Test func aGroupIsEmptySinceItsLastMemberLeft() throws {
        #expect(try self.group("join a x").emptySinceMs == nil)
        let left = try self.group(
            """
            join a x
            at 70
            leave a
            at 90
            """
        )
        #expect(left.isEmpty)
        #expect(left.emptySinceMs == 1_000_070)
    }

    @Test func aLoadedGroupIsEmptySinceItWasLoaded() throws {
        let group = try self.group(
            """
            join a x
            leave a
            at 90
            restart
            """
        )
        #expect(group.emptySinceMs == 1_000_090)
    }

    @Test func aGroupSubscribesToWhatItsMembersNameAndMatch() throws {
        let group = try self.group(
            """
            topics x1=1 y=1
            join a y,later regex=x.*
            """
        )
        #expect(group.subscribes(to: "y"))
        #expect(group.subscribes(to: "later"))
        #expect(group.subscribes(to: "x1"))
        #expect(!group.subscribes(to: "z"))
    }

    @Test func aGroupWithAnExpressionMaySubscribeToAnythingUntilItWasMatched() throws {
        let group = try self.group(
            """
            topics x1=1 y=1
            join a - regex=x.*
            restart
            """
        )
        #expect(group.subscribes(to: "z"))
    }

    @Test func tombstonesDeleteTheGroup() throws {
        var story = self.story(
            """
            topics x=2
            join a x
            join b x
            leave b
            """
        )
        let group = try #require(story.shard.consumerGroups["g"])
        for record in group.tombstones() { story.shard.replay(record) }
        #expect(story.shard.consumerGroups.isEmpty)
    }

    @Test func recordsOfNothingMakeNoGroup() throws {
        let group = try self.group("join a x")
        var shard = GroupShard()
        for record in group.tombstones() { shard.replay(record) }
        #expect(shard.consumerGroups.isEmpty)
    }

    @Test func anExpressionIsMatchedOnceForEachVersionOfTheTopics() {
        let count = Counter()
        var story = ConsumerStory()
        story.topics.onMatch = { count.add() }
        story.run(
            """
            topics x1=1
            join a - regex=x.*
            join b - regex=x.*
            beat a 1 regex=x.*
            beat a 1
            beat b 2
            leave a
            """
        )
        #expect(count.value == 1)
        story.run(
            """
            topics x1=1 x2=1
            beat b 2
            beat b 4
            """
        )
        #expect(count.value == 2)
    }

    @Test func aCompactedLogMayLackWhatGaveAPartitionUp() throws {
        var story = self.story(
            """
            topics x=2
            join a x
            join b x
            beat a 1
            beat a 1 owned=x:0
            beat b 2
            """
        )
        // The record of a that is kept is its last one, after that of b; here it is lost altogether, and an older one
        // of a comes first.
        let group = try #require(story.shard.consumerGroups["g"])
        var before = CurrentAssignment()
        before.assigned = PartitionSet([(TopicsOfTest.id(of: "x"), [0, 1])])
        before.epoch = 1
        let after = try #require(group.members["b"]?.current)
        let last = try #require(group.members["a"]?.current)
        story.shard = GroupShard()
        for record in [
            group.currentRecord("a", before), group.currentRecord("b", after), group.currentRecord("a", last),
        ] {
            story.shard.replay(record)
        }
        let owners = try #require(story.shard.consumerGroups["g"]?.owners)
        #expect(owners.owner(of: TopicsOfTest.id(of: "x"), 0) == "a")
        #expect(owners.owner(of: TopicsOfTest.id(of: "x"), 1) == "b")
    }

    @Test func aMemberInAStateOfTheFutureMustBeginAnew() throws {
        var story = self.story(
            """
            topics x=1
            join a x
            """
        )
        let group = try #require(story.shard.consumerGroups["g"])
        var current = try #require(group.members["a"]?.current)
        current.state = .unknown
        story.shard.replay(group.currentRecord("a", current))
        let answers = story.run(
            """
            beat a 1 owned=x:0
            beat a 1
            join a x
            """
        )
        #expect(answers.filter { $0.hasPrefix("FENCED_MEMBER_EPOCH") }.count == 2)
        #expect(answers.last == "a@1 x:0")
    }
}

/// Counts from a closure that may run anywhere.
private final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { self.count.withLock { $0 } }

    func add() { self.count.withLock { $0 += 1 } }
}
