// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import Testing

@Suite struct UniformAssignorTests {
    @Test func assignorsAreKnownByName() {
        #expect(Assignors.named("uniform") == UniformAssignor.self)
        #expect(Assignors.named("range") == RangeAssignor.self)
        #expect(Assignors.named("weighted") == WeightedAssignor.self)
        #expect(Assignors.named("Uniform") == nil)
    }

    @Test func nobodyGetsNothingOfNothing() {
        #expect(UniformAssignor.assign(AssignmentInput(members: [:], topics: [:])).isEmpty)
        var sketch = AssignmentSketch(partitions: [3])
        sketch.add("a", to: [])
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a:")
    }

    @Test func eachTopicIsSpreadOverTheMembers() {
        var sketch = AssignmentSketch(partitions: [4, 3])
        for id in ["a", "b", "c"] { sketch.add(id) }
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 3] t1[2]\nb: t0[1] t1[0]\nc: t0[2] t1[1]")
    }

    @Test func aMemberThatJoinsTakesFromEachTopicOfEachMember() {
        var sketch = AssignmentSketch(partitions: [6, 6])
        sketch.add("a")
        sketch.add("b")
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 2 4] t1[0 2 4]\nb: t0[1 3 5] t1[1 3 5]")
        sketch.add("c")
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 4] t1[0 4]\nb: t0[1 5] t1[1 5]\nc: t0[2 3] t1[2 3]")
    }

    @Test func whenAMemberLeavesOnlyItsPartitionsMove() {
        var sketch = AssignmentSketch(partitions: [7])
        for id in ["a", "b", "c"] { sketch.add(id) }
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 3 6]\nb: t0[1 4]\nc: t0[2 5]")
        sketch.input.members["b"] = nil
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 3 4 6]\nc: t0[1 2 5]")
    }

    @Test func newPartitionsGoToWhoeverHasLeast() {
        var sketch = AssignmentSketch(partitions: [5])
        sketch.add("a")
        sketch.add("b")
        sketch.give("a", [0: [0, 1]])
        sketch.give("b", [0: [2]])
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 1 4]\nb: t0[2 3]")
    }

    @Test func whatSomebodyNoLongerMayHaveMoves() {
        var sketch = AssignmentSketch(partitions: [2, 2])
        sketch.add("a", to: [0])
        sketch.add("b")
        sketch.give("a", [0: [1, 7, -1], 1: [0, 1], 9: [3]])
        sketch.give("b", [0: [0, 1]])
        sketch.assign(UniformAssignor.self)
        // Of the two that claim partition 1 the first keeps it.
        #expect(sketch.text == "a: t0[0 1]\nb: t1[0 1]")
    }

    @Test func aTopicWithOneSubscriberIsMadeUpForInTheOthers() {
        var sketch = AssignmentSketch(partitions: [4, 4])
        sketch.add("a", to: [0])
        sketch.add("b", to: [0])
        sketch.add("c")
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 2]\nb: t0[1 3]\nc: t1[0 1 2 3]")
    }

    @Test func aChainOfMovesBalancesMembersThatShareNoTopic() {
        // a has four too many and d nothing, but only b and c lie between them.
        var sketch = AssignmentSketch(partitions: [6, 3, 3])
        sketch.add("a", to: [0])
        sketch.add("b", to: [0, 1])
        sketch.add("c", to: [1, 2])
        sketch.add("d", to: [2])
        sketch.give("a", [0: [0, 1, 2, 3, 4, 5]])
        sketch.give("b", [1: [0, 1, 2]])
        sketch.give("c", [2: [0, 1, 2]])
        sketch.assign(UniformAssignor.self)
        #expect(sketch.counts == [3, 3, 3, 3])
        #expect(sketch.input.fault(of: sketch.input.members.mapValues(\.assigned)) == nil)
    }

    @Test func groupsOfTopicsThatNobodySharesAreBalancedByThemselves() {
        var sketch = AssignmentSketch(partitions: [6, 2])
        sketch.add("a", to: [0])
        sketch.add("b", to: [0])
        sketch.add("c", to: [1])
        sketch.assign(UniformAssignor.self)
        #expect(sketch.text == "a: t0[0 2 4]\nb: t0[1 3 5]\nc: t1[0 1]")
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [(500, [5_000]), (500, Array(repeating: 100, count: 50)), (5_000, [20_000])])
    func largeGroupsAreAssigned(members: Int, partitions: [Int]) {
        var sketch = AssignmentSketch(partitions: partitions)
        for number in 0..<members { sketch.add("m\(number)") }
        for assignor in Assignors.all {
            let result = assignor.assign(sketch.input)
            #expect(sketch.input.fault(of: result) == nil)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func largeGroupsOfManySubscriptionsAreAssigned() {
        var sketch = AssignmentSketch(partitions: Array(repeating: 80, count: 50))
        for number in 0..<1_000 { sketch.add("m\(number)", to: (0..<4).map { (number + $0 * $0) % 50 }) }
        for assignor in Assignors.all {
            let result = assignor.assign(sketch.input)
            #expect(sketch.input.fault(of: result) == nil)
        }
        sketch.assign(UniformAssignor.self)
        #expect(Set(sketch.counts) == [4])
    }
}
