// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes
import Testing

@Suite struct PartitionSetTests {
    private let one = UUID128(high: 0, low: 1)
    private let two = UUID128(high: 0, low: 2)

    @Test func indexesAreAscendingAndThereOnce() {
        var set = PartitionSet([(self.one, [3, 1, 3]), (self.two, []), (self.one, [2, 1])])
        #expect(set[self.one] == [1, 2, 3])
        #expect(Array(set.topics) == [self.one])
        set.formUnion(self.one, [0, 2, 9])
        #expect(set[self.one] == [0, 1, 2, 3, 9])
        set.formUnion(self.one, [10, 11])
        #expect(set[self.one] == [0, 1, 2, 3, 9, 10, 11])
        #expect(set.count == 7)
        #expect(set.contains(self.one, 9))
        #expect(!set.contains(self.one, 4))
        #expect(!set.contains(self.two, 1))
    }

    @Test func aTopicWithoutPartitionsIsNotInTheSet() {
        var set = PartitionSet([(self.one, [1])])
        set[self.one] = []
        #expect(set.isEmpty)
        #expect(set == PartitionSet())
        let left = PartitionSet([(self.one, [1, 2]), (self.two, [0])])
        #expect(left.subtracting(left).isEmpty)
        #expect(left.intersection(PartitionSet([(self.one, [3])])).isEmpty)
    }

    @Test func setsAreCombinedTopicByTopic() {
        let left = PartitionSet([(self.one, [1, 2, 4]), (self.two, [0])])
        let right = PartitionSet([(self.one, [2, 3])])
        #expect(left.union(right) == PartitionSet([(self.one, [1, 2, 3, 4]), (self.two, [0])]))
        #expect(right.union(left) == left.union(right))
        #expect(left.union(PartitionSet()) == left)
        #expect(left.intersection(right) == PartitionSet([(self.one, [2])]))
        #expect(left.subtracting(right) == PartitionSet([(self.one, [1, 4]), (self.two, [0])]))
        #expect(right.subtracting(left) == PartitionSet([(self.one, [3])]))
    }

    @Test func subsetsAndDisjointSetsAreKnown() {
        let all = PartitionSet([(self.one, [1, 2, 4]), (self.two, [0])])
        #expect(PartitionSet().isSubset(of: all))
        #expect(PartitionSet([(self.one, [1, 4])]).isSubset(of: all))
        #expect(!PartitionSet([(self.one, [1, 3])]).isSubset(of: all))
        #expect(!all.isSubset(of: PartitionSet([(self.one, [1, 2, 4])])))
        #expect(all.isDisjoint(with: PartitionSet([(self.one, [0, 3]), (self.two, [1])])))
        #expect(!all.isDisjoint(with: PartitionSet([(self.two, [0])])))
    }

    @Test func topicsAreWrittenInTheOrderOfTheirIDs() {
        let set = PartitionSet([(self.two, [0]), (self.one, [1])])
        #expect(set.sorted.map(\.topic) == [self.one, self.two])
    }
}
