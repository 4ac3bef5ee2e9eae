// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import Testing

@Suite struct WeightedAssignorTests {
    /// Assigns until nothing moves any more; how many assignments moved something.
    private func settle(_ sketch: inout AssignmentSketch) -> Int {
        var rounds = 0
        while !WeightedAssignor.isSettled(sketch.input), rounds < 1_000 {
            sketch.assign(WeightedAssignor.self)
            rounds += 1
        }
        return rounds
    }

    @Test func partitionsFollowTheWeights() {
        var sketch = AssignmentSketch(partitions: [10])
        sketch.add("a", weight: 300)
        sketch.add("b", weight: 100)
        sketch.add("c", weight: 100)
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [6, 2, 2])
        #expect(WeightedAssignor.isSettled(sketch.input))
    }

    @Test func whatDoesNotComeOutEvenGoesByLargestRemainder() {
        // The shares are 4.25, 1.7 and 1.05.
        var sketch = AssignmentSketch(partitions: [7])
        sketch.add("a", weight: 425)
        sketch.add("b", weight: 170)
        sketch.add("c", weight: 105)
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [4, 2, 1])
    }

    @Test func ofEqualRemaindersThePartitionStaysWhereItIs() {
        var sketch = AssignmentSketch(partitions: [5])
        sketch.add("a")
        sketch.add("b")
        sketch.give("a", [0: [0, 1]])
        sketch.give("b", [0: [2, 3, 4]])
        #expect(WeightedAssignor.isSettled(sketch.input))
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.text == "a: t0[0 1]\nb: t0[2 3 4]")
    }

    @Test func withoutWeightsItIsUniform() {
        var sketch = AssignmentSketch(partitions: [4, 3])
        for id in ["a", "b", "c"] { sketch.add(id) }
        #expect(WeightedAssignor.assign(sketch.input) == UniformAssignor.assign(sketch.input))
    }

    @Test func weightZeroDrainsAMemberAtOnceAndMovesNothingElse() {
        var sketch = AssignmentSketch(partitions: [12])
        for id in ["a", "b", "c"] { sketch.add(id) }
        sketch.assign(WeightedAssignor.self)
        sketch.input.members["b"]?.weight = 0
        #expect(!WeightedAssignor.isSettled(sketch.input))
        let before = sketch.input
        let result = sketch.assign(WeightedAssignor.self)
        #expect(sketch.text == "a: t0[0 1 3 6 7 9]\nb:\nc: t0[2 4 5 8 10 11]")
        #expect(before.moves(to: result).count == 4)
        #expect(WeightedAssignor.isSettled(sketch.input))
    }

    @Test func aDrainedMemberKeepsWhatNobodyElseCouldTake() {
        var sketch = AssignmentSketch(partitions: [4, 2])
        sketch.add("a", to: [0])
        sketch.add("b", weight: 0)
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.text == "a: t0[0 1 2 3]\nb: t1[0 1]")
    }

    @Test func aGroupWithoutAnyWeightSharesEvenly() {
        var sketch = AssignmentSketch(partitions: [6])
        for id in ["a", "b", "c"] { sketch.add(id, weight: 0) }
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [2, 2, 2])
        sketch.input.members["a"]?.weight = 1
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [6, 0, 0])
    }

    @Test func negativeWeightsCountAsNoneAndHugeOnesAsTheLargest() {
        var sketch = AssignmentSketch(partitions: [6])
        sketch.add("a", weight: .max)
        sketch.add("b", weight: WeightRule.weightMax)
        sketch.add("c", weight: .min)
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [3, 3, 0])
    }

    @Test func aMemberThatJoinsGetsItsShareAtOnce() {
        var sketch = AssignmentSketch(partitions: [20])
        for id in ["a", "b", "c"] { sketch.add(id) }
        sketch.assign(WeightedAssignor.self)
        sketch.add("d")
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [5, 5, 5, 5])
    }

    @Test func aGreatChangeGoesThroughInRounds() {
        #expect(WeightedAssignor.movesMax(partitions: 200, members: 20) == 20)
        #expect(WeightedAssignor.movesMax(partitions: 200, members: 4) == 50)
        #expect(WeightedAssignor.movesMax(partitions: 3, members: 20) == 1)
        #expect(WeightedAssignor.movesMax(partitions: 0, members: 0) == 1)
        var sketch = AssignmentSketch(partitions: [200])
        for number in 10..<30 { sketch.add("m\(number)", weight: number < 20 ? 100 : 300) }
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == Array(repeating: 5, count: 10) + Array(repeating: 15, count: 10))
        for number in 10..<30 { sketch.input.members["m\(number)"]?.weight = number < 20 ? 300 : 100 }
        sketch.assign(WeightedAssignor.self)
        // The fullest gave, the emptiest took: everybody is two nearer to its share.
        #expect(sketch.counts == Array(repeating: 7, count: 10) + Array(repeating: 13, count: 10))
        #expect(self.settle(&sketch) == 4)
        #expect(sketch.counts == Array(repeating: 15, count: 10) + Array(repeating: 5, count: 10))
    }

    @Test func aSmallChangeOfAWeightMovesNothingOrOnePartition() {
        var sketch = AssignmentSketch(partitions: [40])
        for id in ["a", "b", "c", "d"] { sketch.add(id) }
        sketch.assign(WeightedAssignor.self)
        sketch.input.members["a"]?.weight = 103
        #expect(WeightedAssignor.isSettled(sketch.input))
        sketch.input.members["a"]?.weight = 120
        let before = sketch.input
        #expect(before.moves(to: sketch.assign(WeightedAssignor.self)).count == 1)
        #expect(WeightedAssignor.isSettled(sketch.input))
    }

    @Test func whatHasToMoveDoesNotCount() {
        var sketch = AssignmentSketch(partitions: [100])
        for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] { sketch.add(id) }
        sketch.assign(WeightedAssignor.self)
        for id in ["b", "c", "d"] { sketch.input.members[id]?.weight = 0 }
        for id in ["e", "f", "g", "h", "i", "j"] { sketch.input.members[id] = nil }
        sketch.add("k", weight: 900)
        let before = sketch.input
        let result = sketch.assign(WeightedAssignor.self)
        // All 90 go to the new one, which is its share; nothing else moves.
        #expect(sketch.counts == [10, 0, 0, 0, 90])
        #expect(before.moves(to: result).count == 30)
    }

    @Test func topicsThatNotAllSubscribeToFollowTheWeightsAsFarAsTheyCan() {
        // Of 40 partitions c may take 10 only, which is less than its part; the others share the rest 1 to 2.
        var sketch = AssignmentSketch(partitions: [30, 10])
        sketch.add("a", weight: 100)
        sketch.add("b", weight: 200)
        sketch.add("c", to: [1], weight: 600)
        sketch.assign(WeightedAssignor.self)
        #expect(sketch.counts == [10, 20, 10])
        #expect(WeightedAssignor.isSettled(sketch.input))
    }
}
