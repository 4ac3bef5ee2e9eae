// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import NIOCore
import Testing

@testable import KafkaClient

/// What Kafka documents for its assignors, and who comes first where several orders are possible.
@Suite struct ClassicAssignorTests {
    @Test("range cuts each topic for itself, the longer runs first, and topics alike are cut alike")
    func range() throws {
        var sketch = AssignorSketch(partitions: [3, 3])
        sketch.add("C1")
        sketch.add("C0")
        #expect(
            AssignorSketch.text(try sketch.assign(RangeAssignor())) == """
                C0: t0[0 1] t1[0 1]
                C1: t0[2] t1[2]
                """)
    }

    @Test("range gives nothing to subscribers for whom no partition is left, and counts only subscribers")
    func rangeWithFewPartitions() throws {
        var sketch = AssignorSketch(partitions: [2, 7, 0])
        sketch.add("a")
        sketch.add("b", to: [1, 2])
        sketch.add("c", to: [0, 1])
        sketch.add("d", to: [0, 5])
        #expect(
            AssignorSketch.text(try sketch.assign(RangeAssignor())) == """
                a: t0[0] t1[0 1 2]
                b: t1[3 4]
                c: t0[1] t1[5 6]
                """)
    }

    @Test("round robin deals all topics out one after the other")
    func roundRobin() throws {
        var sketch = AssignorSketch(partitions: [3, 3])
        sketch.add("C0")
        sketch.add("C1")
        #expect(
            AssignorSketch.text(try sketch.assign(RoundRobinAssignor())) == """
                C0: t0[0 2] t1[1]
                C1: t0[1] t1[0 2]
                """)
    }

    @Test("round robin passes over who is not subscribed")
    func roundRobinOfDifferentSubscriptions() throws {
        var sketch = AssignorSketch(partitions: [1, 2, 3])
        sketch.add("C0", to: [0])
        sketch.add("C1", to: [0, 1])
        sketch.add("C2")
        #expect(
            AssignorSketch.text(try sketch.assign(RoundRobinAssignor())) == """
                C0: t0[0]
                C1: t1[0]
                C2: t1[1] t2[0 1 2]
                """)
    }

    @Test("members with an instance id come first, in the order of those, however their member ids change")
    func staticMembers() throws {
        for salt in ["x", "b"] {
            var sketch = AssignorSketch(partitions: [4])
            sketch.add("a")
            sketch.add("\(salt)1", instanceID: "i2")
            sketch.add("\(salt)2", instanceID: "i1")
            #expect(
                AssignorSketch.text(try sketch.assign(RangeAssignor())) == """
                    a: t0[3]
                    \(salt)1: t0[2]
                    \(salt)2: t0[0 1]
                    """)
            #expect(
                AssignorSketch.text(try sketch.assign(RoundRobinAssignor())) == """
                    a: t0[2]
                    \(salt)1: t0[1]
                    \(salt)2: t0[0 3]
                    """)
        }
    }

    @Test("topics and members are in the order of UTF-16, as in Java")
    func order() {
        // A character of two units comes before U+FFFD in UTF-16, and after it in every other order.
        #expect("😀".precedesInJava("\u{fffd}"))
        #expect("T".precedesInJava("t"))
        #expect("t10".precedesInJava("t2"))
        #expect(!"a".precedesInJava("a"))
    }

    @Test("round robin is what one gets by asking each member in turn", arguments: UInt64(0)..<100)
    func roundRobinInOtherWords(seed: UInt64) throws {
        var random = TestRandom(seed: seed)
        var sketch = AssignorSketch(partitions: (0..<(1 + random.upTo(5))).map { _ in random.upTo(7) })
        for number in 0...random.upTo(6) {
            sketch.add(
                "m\(number)", to: (0...sketch.partitionCounts.count).filter { _ in random.upTo(2) > 0 },
                instanceID: random.upTo(2) == 0 ? "i\(9 - number)" : nil)
        }
        let members = sketch.problem.membersInJavasOrder()
        var expected: [String: [TopicPartition]] = [:]
        var turn = 0
        for topic in sketch.partitionCounts.keys.sorted()
        where members.contains(where: { $0.topics.contains(topic) }) {
            for index in 0..<(sketch.partitionCounts[topic] ?? 0) {
                while !members[turn % members.count].topics.contains(topic) { turn += 1 }
                expected[members[turn % members.count].memberID, default: []]
                    .append(TopicPartition(topic: topic, partition: PartitionIndex(Int32(index))))
                turn += 1
            }
        }
        #expect(RoundRobinAssignor().assign(sketch.problem) == expected, "\(random)")
    }

    @Test("sticky serves different subscriptions as evenly as can be, as KIP-54 has it")
    func sticky() throws {
        var sketch = AssignorSketch(partitions: [1, 2, 3])
        sketch.add("C0", to: [0])
        sketch.add("C1", to: [0, 1])
        sketch.add("C2")
        #expect(
            AssignorSketch.text(try sketch.assign(StickyAssignor())) == """
                C0: t0[0]
                C1: t1[0 1]
                C2: t2[0 1 2]
                """)
        sketch.members["C0"] = nil
        #expect(
            AssignorSketch.text(try sketch.assign(StickyAssignor())) == """
                C1: t0[0] t1[0 1]
                C2: t2[0 1 2]
                """)
    }

    @Test("of two claims to a partition the later one is believed, and of equal ones one")
    func claims() throws {
        let partitions = (0..<4).map { TopicPartition(topic: "t0", partition: PartitionIndex(Int32($0))) }
        var sketch = AssignorSketch(partitions: [4])
        sketch.add("a")
        sketch.add("b")
        sketch.give("a", partitions, generation: 3)
        sketch.give("b", Array(partitions.prefix(2)), generation: 4)
        for assignor in [StickyAssignor(), CooperativeStickyAssignor()] as [any ClassicAssignor] {
            #expect(AssignorSketch.text(try assignor.assign(sketch.problem)) == "a: t0[2 3]\nb: t0[0 1]")
        }
        // Whichever comes first.
        sketch.give("b", Array(partitions.prefix(2)), generation: 2)
        for assignor in [StickyAssignor(), CooperativeStickyAssignor()] as [any ClassicAssignor] {
            #expect(AssignorSketch.text(try assignor.assign(sketch.problem)) == "a: t0[0 1]\nb: t0[2 3]")
        }
        sketch.give("b", partitions, generation: 3)
        for assignor in [StickyAssignor(), CooperativeStickyAssignor()] as [any ClassicAssignor] {
            #expect(sketch.fault(of: try assignor.assign(sketch.problem)) == nil)
        }
    }

    @Test("what several claim is held back for those who were given it last", arguments: [(3, 4), (4, 3), (4, 4)])
    func holdsBack(ofA: Int32, ofB: Int32) {
        let partition = TopicPartition(topic: "t0", partition: 0)
        let members = [("a", ofA), ("b", ofB)].map { id, generation in
            var member = ClassicGroupMember(memberID: id, topics: ["t0"])
            member.owned = [partition]
            member.generation = generation
            return member
        }
        for (memberID, generation) in [("a", ofA), ("b", ofB), ("c", -1)] {
            var shares = [memberID: [partition]]
            CooperativeHold.apply(to: &shares, members)
            #expect(shares[memberID]?.isEmpty == (generation < max(ofA, ofB)), "\(memberID)")
        }
    }

    @Test("claims to what does not exist, or is not subscribed to, count for nothing")
    func falseClaims() throws {
        var sketch = AssignorSketch(partitions: [2, 2])
        sketch.add("a", to: [0])
        sketch.add("b")
        let partitions = [("t0", 0), ("t0", 7), ("t0", Int32.max), ("t1", 0), ("t9", 0)].map {
            TopicPartition(topic: $0.0, partition: PartitionIndex($0.1))
        }
        sketch.give("a", partitions, generation: 1)
        #expect(AssignorSketch.text(try sketch.assign(CooperativeStickyAssignor())) == "a: t0[0 1]\nb: t1[0 1]")
    }

    @Test("user data that cannot be read means that nothing is known")
    func unreadableUserData() throws {
        var sketch = AssignorSketch(partitions: [2])
        let samples: [[UInt8]] = [[], [0], [255, 255, 255, 255], [127, 255, 255, 255, 0]]
        for (number, bytes) in samples.enumerated() {
            sketch.add("m\(number)")
            sketch.members["m\(number)"]?.userData = ByteBuffer(bytes: bytes)
        }
        let problem = sketch.problem
        #expect(sketch.fault(of: StickyAssignor().assign(problem)) == nil)
        #expect(sketch.fault(of: CooperativeStickyAssignor().assign(problem)) == nil)
    }

    @Test("500 members share 5,000 partitions out, with few and with many kinds of subscriptions", arguments: [1, 50])
    func many(kinds: Int) throws {
        var sketch = AssignorSketch(partitions: [Int](repeating: 50, count: 100))
        for number in 0..<500 {
            let kind = number % kinds
            sketch.add("m\(number)", to: (0..<100).filter { kind == 0 || $0 % 50 != kind })
        }
        let clock = ContinuousClock()
        for assignor in [
            RangeAssignor(), RoundRobinAssignor(), StickyAssignor(), CooperativeStickyAssignor(),
        ] as [any ClassicAssignor] {
            for round in 0..<2 {
                var shares: [String: [TopicPartition]] = [:]
                let problem = sketch.problem
                let duration = try clock.measure { shares = try assignor.assign(problem) }
                #expect(sketch.fault(of: shares) == nil)
                // Many times what it takes without optimisation on a busy machine: what grows with the square shows.
                #expect(duration < .seconds(20), "\(assignor.name)")
                for (id, share) in shares { sketch.give(id, share, generation: Int32(round)) }
                sketch.members["m\(round)"] = nil
            }
        }
    }
}
