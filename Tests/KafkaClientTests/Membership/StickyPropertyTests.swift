// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

/// What holds for every group. A failure names the seed: give it to `arguments` alone to see it again.
@Suite struct StickyPropertyTests {
    private static let seeds = UInt64(0)..<50
    private static let assignors: [any ClassicAssignor] = [
        RangeAssignor(), RoundRobinAssignor(), StickyAssignor(), CooperativeStickyAssignor(),
    ]

    /// A group that changes: members come and go, topics grow and appear, subscriptions change.
    private struct RandomGroup {
        var random: TestRandom
        var sketch: AssignorSketch
        var isHomogeneous: Bool
        private var made = 0

        init(seed: UInt64, isHomogeneous: Bool? = nil, membersMax: Int = 8, topicsMax: Int = 5, partitionsMax: Int = 9)
        {
            var random = TestRandom(seed: seed)
            let isMixed = random.upTo(2) > 0
            self.random = random
            self.isHomogeneous = isHomogeneous ?? !isMixed
            self.sketch = AssignorSketch(partitions: [])
            let topics = 1 + self.random.upTo(topicsMax - 1)
            var counts: [Int] = []
            for _ in 0..<topics { counts.append(self.random.upTo(partitionsMax)) }
            self.sketch = AssignorSketch(partitions: counts)
            for _ in 0...self.random.upTo(membersMax - 1) { self.addMember() }
        }

        mutating func addMember() {
            self.made += 1
            let topics = self.isHomogeneous ? nil : self.someTopics()
            self.sketch.add("m\(self.random.upTo(99))-\(self.made)", to: topics)
        }

        private mutating func someTopics() -> [Int] {
            var topics: [Int] = []
            for topic in 0..<self.sketch.partitionCounts.count where self.random.upTo(2) > 0 { topics.append(topic) }
            return topics
        }

        mutating func change() {
            let ids = self.sketch.members.keys.sorted()
            switch self.random.upTo(4) {
            case 0, 1: self.addMember()
            case 2 where ids.count > 1: self.sketch.members[ids[self.random.upTo(ids.count - 1)]] = nil
            case 3:
                let topic = "t\(self.random.upTo(self.sketch.partitionCounts.count - 1))"
                self.sketch.partitionCounts[topic, default: 0] += self.random.upTo(3)
            case 4 where !self.isHomogeneous:
                let topics = Set(self.someTopics().map { "t\($0)" })
                self.sketch.members[ids[self.random.upTo(ids.count - 1)]]?.topics = topics
            default: break
            }
        }
    }

    @Test("every partition goes to one member, and that is subscribed to it", arguments: Self.seeds)
    func valid(seed: UInt64) throws {
        var group = RandomGroup(seed: seed)
        for _ in 0..<8 {
            for assignor in Self.assignors {
                let shares = try assignor.assign(group.sketch.problem)
                #expect(group.sketch.fault(of: shares) == nil, "\(group.random) \(assignor.name)")
            }
            try group.sketch.assign(StickyAssignor())
            group.change()
        }
    }

    @Test("what was balanced is left alone", arguments: Self.seeds)
    func stable(seed: UInt64) throws {
        var group = RandomGroup(seed: seed)
        for _ in 0..<6 {
            let shares = try group.sketch.assign(StickyAssignor())
            #expect(StickyAssignor().assign(group.sketch.problem) == shares, "\(group.random)")
            #expect(CooperativeStickyAssignor().assign(group.sketch.problem) == shares, "\(group.random)")
            group.change()
        }
    }

    @Test("among equals nobody has two more than another, and no more moves than must", arguments: Self.seeds)
    func fewestMoves(seed: UInt64) throws {
        var group = RandomGroup(seed: seed, isHomogeneous: true)
        for _ in 0..<10 {
            let before = group.sketch
            let total = before.partitionCounts.values.reduce(0, +)
            let held = before.members.values.map(\.owned.count)
            let (least, rest) = total.quotientAndRemainder(dividingBy: before.members.count)
            // Everybody may keep the least, and as many as there are a remainder for one more.
            let kept = held.reduce(0) { $0 + min($1, least) } + min(rest, held.count { $0 > least })
            let shares = try group.sketch.assign(CooperativeStickyAssignor())
            #expect(shares.values.allSatisfy { (least...(least + 1)).contains($0.count) }, "\(group.random)")
            #expect(before.moves(to: shares) == held.reduce(0, +) - kept, "\(group.random)")
            group.change()
        }
    }

    @Test("when a member goes only its partitions move", arguments: Self.seeds)
    func memberGoes(seed: UInt64) throws {
        var group = RandomGroup(seed: seed, isHomogeneous: true)
        try group.sketch.assign(StickyAssignor())
        guard group.sketch.members.count > 1, let gone = group.sketch.members.keys.min() else { return }
        group.sketch.members[gone] = nil
        #expect(group.sketch.moves(to: StickyAssignor().assign(group.sketch.problem)) == 0, "\(group.random)")
    }

    /// Tries all assignments of small groups.
    @Test("different subscriptions are served as evenly as they can be", arguments: Self.seeds)
    func optimal(seed: UInt64) throws {
        var group = RandomGroup(seed: seed, isHomogeneous: false, membersMax: 4, topicsMax: 3, partitionsMax: 3)
        for _ in 0..<4 {
            let ids = group.sketch.members.keys.sorted()
            var wanted: [[Int]] = []
            for (topic, count) in group.sketch.partitionCounts.sorted(by: { $0.key < $1.key }) {
                let takers = ids.indices.filter { group.sketch.members[ids[$0]]?.topics.contains(topic) ?? false }
                if !takers.isEmpty { wanted += Array(repeating: takers, count: count) }
            }
            guard wanted.count <= 6 else { break }
            let shares = try group.sketch.assign(CooperativeStickyAssignor())
            let sum = shares.values.reduce(0) { $0 + $1.count * $1.count }
            #expect(sum == Self.least(wanted[...], [Int](repeating: 0, count: ids.count)), "\(group.random)")
            group.change()
        }
    }

    /// The least sum of squares that there is.
    private static func least(_ wanted: ArraySlice<[Int]>, _ loads: [Int]) -> Int {
        guard let takers = wanted.first else { return loads.reduce(0) { $0 + $1 * $1 } }
        var best = Int.max
        for taker in takers {
            var loads = loads
            loads[taker] += 1
            best = min(best, Self.least(wanted.dropFirst(), loads))
        }
        return best
    }

    @Test(
        "what is given and what is held back never has two owners, and all is given in the end", arguments: Self.seeds)
    func cooperation(seed: UInt64) throws {
        var group = RandomGroup(seed: seed)
        for _ in 0..<8 {
            // Two generations: what moves is given up in the first, and given away in the second.
            for round in 0..<2 {
                let members = Array(group.sketch.members.values)
                var shares = CooperativeStickyAssignor().assign(group.sketch.problem)
                let wanted = shares
                CooperativeHold.apply(to: &shares, members)
                group.sketch.generation += 1
                for member in members {
                    let others = members.filter { $0.memberID != member.memberID }
                    let taken = Set(shares[member.memberID] ?? []).subtracting(member.owned)
                    #expect(taken.isDisjoint(with: others.flatMap(\.owned)), "\(group.random)")
                    group.sketch.give(
                        member.memberID, shares[member.memberID] ?? [], generation: group.sketch.generation)
                }
                if round == 1 {
                    #expect(shares == wanted, "\(group.random)")
                    #expect(group.sketch.fault(of: shares) == nil, "\(group.random)")
                }
            }
            group.change()
        }
    }
}
