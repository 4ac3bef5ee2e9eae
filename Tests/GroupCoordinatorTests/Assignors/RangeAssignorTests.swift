// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import Testing

@Suite struct RangeAssignorTests {
    @Test func everyMemberGetsOneRangeOfEachTopic() {
        var sketch = AssignmentSketch(partitions: [7, 2])
        for id in ["a", "b", "c"] { sketch.add(id) }
        sketch.assign(RangeAssignor.self)
        #expect(sketch.text == "a: t0[0 1 2] t1[0]\nb: t0[3 4] t1[1]\nc: t0[5 6]")
    }

    @Test func partitionsOfTopicsWithAsManyMeetAtOneMember() {
        var sketch = AssignmentSketch(partitions: [5, 5])
        sketch.add("a")
        sketch.add("b")
        sketch.give("a", [0: [3, 4], 1: [0]])
        sketch.assign(RangeAssignor.self)
        #expect(sketch.text == "a: t0[0 1 2] t1[0 1 2]\nb: t0[3 4] t1[3 4]")
    }

    @Test func onlySubscribersOfATopicCount() {
        var sketch = AssignmentSketch(partitions: [4, 4])
        sketch.add("a", to: [0])
        sketch.add("b")
        sketch.add("c", to: [1])
        sketch.assign(RangeAssignor.self)
        #expect(sketch.text == "a: t0[0 1]\nb: t0[2 3] t1[0 1]\nc: t1[2 3]")
    }

    @Test func staticMembersComeFirstAndFindTheirPartitionsAgain() {
        var sketch = AssignmentSketch(partitions: [4])
        sketch.add("a")
        sketch.add("y", instanceID: "two")
        sketch.add("z", instanceID: "one")
        sketch.assign(RangeAssignor.self)
        #expect(sketch.text == "a: t0[3]\ny: t0[2]\nz: t0[0 1]")
        sketch.input.members["z"] = nil
        sketch.add("0", instanceID: "one")
        sketch.assign(RangeAssignor.self)
        #expect(sketch.text == "0: t0[0 1]\na: t0[3]\ny: t0[2]")
    }
}
