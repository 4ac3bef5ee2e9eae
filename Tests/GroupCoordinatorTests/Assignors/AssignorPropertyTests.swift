// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes
import SimulatedIO
import Testing

/// What holds for every group. A failure names the seed: give it to `arguments` alone to see it again.
@Suite struct AssignorPropertyTests {
    private static let seeds: Range<UInt64> = 0..<200
    private static let weights: [Int32] = [0, 1, 50, 99, 100, 100, 100, 101, 250, 1_000]

    @Test(arguments: Self.seeds)
    func everyPartitionHasOneOwnerThatSubscribedToIt(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(weights: Self.weights, isHomogeneous: random.oneIn(3))
        var sketch = kind.sketch(using: &random)
        for _ in 0..<8 {
            for assignor in Assignors.all {
                let result = assignor.assign(sketch.input)
                #expect(sketch.input.fault(of: result) == nil, "\(random) \(assignor.name)")
            }
            sketch.assign(Assignors.all.randomElement(using: &random) ?? UniformAssignor.self)
            kind.change(&sketch, using: &random)
        }
    }

    @Test(arguments: Self.seeds)
    func theOrderOfDictionariesDoesNotMatter(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(weights: Self.weights)
        var sketch = kind.sketch(using: &random)
        sketch.assign(UniformAssignor.self)
        kind.change(&sketch, using: &random)
        // Another capacity is another order.
        var other = AssignmentInput(members: [:], topics: [:])
        other.members.reserveCapacity(1_000)
        other.topics.reserveCapacity(1_000)
        for (id, topic) in sketch.input.topics { other.topics[id] = topic }
        for (id, member) in sketch.input.members {
            var copy = member
            copy.subscribed = []
            copy.subscribed.reserveCapacity(1_000)
            for topic in member.subscribed { copy.subscribed.insert(topic) }
            other.members[id] = copy
        }
        for assignor in Assignors.all {
            #expect(assignor.assign(sketch.input) == assignor.assign(other), "\(random) \(assignor.name)")
        }
    }

    @Test(arguments: Self.seeds)
    func uniformMovesNoMoreThanItMustAmongEquals(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(isHomogeneous: true)
        var sketch = kind.sketch(using: &random)
        for _ in 0..<10 {
            let before = sketch.input
            var held: [String: Int] = [:]
            for holder in before.holders().values { held[holder, default: 0] += 1 }
            let (least, rest) = sketch.partitionCount.quotientAndRemainder(dividingBy: before.members.count)
            let above = held.values.count { $0 > least }
            let kept = held.values.reduce(0) { $0 + min($1, least) } + min(rest, above)

            let result = sketch.assign(UniformAssignor.self)
            #expect(sketch.counts.allSatisfy { $0 == least || $0 == least + 1 }, "\(random)")
            #expect(before.moves(to: result).count == before.holders().count - kept, "\(random)")
            #expect(UniformAssignor.assign(sketch.input) == result, "\(random)")
            kind.change(&sketch, using: &random)
        }
    }

    @Test(arguments: Self.seeds)
    func whenAMemberLeavesOnlyItsPartitionsMove(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var sketch = RandomGroup(weights: [100, 200, 300], isHomogeneous: true).sketch(using: &random)
        for _ in 0..<20 { sketch.assign(WeightedAssignor.self) }
        guard sketch.input.members.count > 1, let gone = sketch.input.members.keys.sorted().first else { return }
        var uniform = sketch
        for id in uniform.input.members.keys { uniform.input.members[id]?.assigned = PartitionSet() }
        uniform.assign(UniformAssignor.self)
        uniform.input.members[gone] = nil
        #expect(uniform.input.moves(to: UniformAssignor.assign(uniform.input)).isEmpty, "\(random)")
        // With weights the rounding of the shares may differ by one for each of those who stay.
        sketch.input.members[gone] = nil
        let moved = sketch.input.moves(to: WeightedAssignor.assign(sketch.input)).count
        #expect(moved < sketch.input.members.count, "\(random)")
    }

    @Test(arguments: Self.seeds)
    func membersWithTheSameSubscriptionDifferByOneAtMost(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(topicsMax: 3)
        var sketch = kind.sketch(using: &random)
        for _ in 0..<10 {
            let result = sketch.assign(UniformAssignor.self)
            #expect(UniformAssignor.assign(sketch.input) == result, "\(random)")
            for members in Dictionary(grouping: sketch.input.members.values, by: \.subscribed).values {
                let counts = members.map(\.assigned.count).sorted()
                #expect((counts.last ?? 0) - (counts.first ?? 0) <= 1, "\(random) \(sketch.text)")
            }
            kind.change(&sketch, using: &random)
        }
    }

    /// Tries all assignments of small groups.
    @Test(arguments: Self.seeds)
    func differentSubscriptionsAreServedAsEvenlyAsTheyCanBe(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(membersMax: 4, topicsMax: 3, partitionsMax: 3, weights: [1, 2, 3])
        var sketch = kind.sketch(using: &random)
        for _ in 0..<4 {
            let ids = sketch.input.members.keys.sorted()
            let wanted: [[Int]] = sketch.input.topics.values.sorted { $0.id < $1.id }.flatMap { topic in
                let takers = ids.indices.filter {
                    sketch.input.members[ids[$0]]?.subscribed.contains(topic.id) ?? false
                }
                return Array(repeating: takers, count: Int(topic.partitionCount))
            }.filter { !$0.isEmpty }
            let result = sketch.assign(UniformAssignor.self)
            let cost = ids.reduce(0) { sum, id in sum + (result[id]?.count ?? 0) * (result[id]?.count ?? 0) }
            #expect(cost == Self.leastSquares(wanted, members: ids.count), "\(random)")
            kind.change(&sketch, using: &random)
        }
    }

    private static func leastSquares(_ wanted: [[Int]], members: Int) -> Int? {
        var reached: Set<[Int]> = [Array(repeating: 0, count: members)]
        for takers in wanted {
            var next: Set<[Int]> = []
            for loads in reached {
                for taker in takers {
                    var loads = loads
                    loads[taker] += 1
                    next.insert(loads)
                }
            }
            reached = next
        }
        return reached.map { $0.reduce(0) { $0 + $1 * $1 } }.min()
    }

    @Test(arguments: Self.seeds)
    func weightedComesToTheSharesInBoundedRoundsAndStays(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let kind = RandomGroup(
            membersMax: 12, partitionsMax: 40, weights: Self.weights, isHomogeneous: random.oneIn(2))
        var sketch = kind.sketch(using: &random)
        for _ in 0..<6 {
            var rounds = 0
            while rounds == 0 || !WeightedAssignor.isSettled(sketch.input) {
                self.checkRound(&sketch, kind, "\(random) \(kind)")
                rounds += 1
                #expect(rounds <= 40, "\(random)")
                if rounds > 40 { return }
            }
            let settled = sketch.input.members.mapValues(\.assigned)
            #expect(WeightedAssignor.assign(sketch.input) == settled, "\(random)")
            if kind.isHomogeneous { self.checkShares(sketch, "\(random)") }
            kind.change(&sketch, using: &random)
            kind.change(&sketch, using: &random)
        }
    }

    /// One assignment: drained members lose everything at once, and of the rest no more moves than may.
    private func checkRound(_ sketch: inout AssignmentSketch, _ kind: RandomGroup, _ comment: String) {
        let before = sketch.input
        let result = sketch.assign(WeightedAssignor.self)
        #expect(before.fault(of: result) == nil, "\(comment)")
        let carried = before.members.values.filter { $0.weight > 0 }
            .reduce(into: Set<TopicID>()) { $0.formUnion($1.subscribed) }
        let filled = Set(before.topics.values.filter { $0.partitionCount > 0 }.map(\.id))
        let holders = before.holders()
        let voluntary = before.moves(to: result).filter {
            (holders[$0].flatMap { before.members[$0]?.weight } ?? 0) > 0 || !carried.contains($0.topic)
        }
        let carriers = before.members.values.count { member in
            !(member.weight > 0 ? member.subscribed : member.subscribed.subtracting(carried)).isDisjoint(with: filled)
        }
        var bound = WeightedAssignor.movesMax(partitions: sketch.partitionCount, members: carriers)
        if !kind.isHomogeneous { bound = max(bound, filled.count) }
        #expect(voluntary.count <= bound, "\(comment)")
        for (id, member) in before.members where member.weight == 0 {
            #expect(carried.isDisjoint(with: result[id]?.topics.map { $0 } ?? []), "\(comment)")
        }
    }

    /// Everybody has its share, rounded up or down, and nobody has a smaller remainder rounded up beside a larger one
    /// rounded down.
    private func checkShares(_ sketch: AssignmentSketch, _ comment: String) {
        var members = sketch.input.members.values.map { (weight: Int($0.weight), count: $0.assigned.count) }
        if members.allSatisfy({ $0.weight == 0 }) { members = members.map { (1, $0.count) } }
        let sum = members.reduce(0) { $0 + $1.weight }
        let total = sketch.partitionCount
        var roundedUp: [Int] = []
        var roundedDown: [Int] = []
        for member in members {
            let (share, rest) = (total * member.weight).quotientAndRemainder(dividingBy: sum)
            if member.count == share { roundedDown.append(rest) } else { roundedUp.append(rest) }
            #expect(member.count == share || member.count == share + 1, "\(comment)")
        }
        #expect((roundedUp.min() ?? .max) >= (roundedDown.max() ?? 0), "\(comment)")
    }
}
