// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct ClassicGroupSimulationTests {
    /// Runs a group through faults and then in peace, and looks at it after every single thing that happens.
    private static func run(_ seed: UInt64, _ assignors: [any ClassicAssignor]) -> ClassicGroupSimulation {
        var simulation = ClassicGroupSimulation(seed: seed, assignors: assignors)
        for _ in 0...simulation.random.upTo(3) { simulation.addMember() }
        for (faults, ticks) in [(0, 300), (4, 3000), (0, 3000)] {
            simulation.faults = faults
            if faults == 0, ticks == 3000 {
                // Whom the group has given up without their knowing it is heard of again; what waits for members that
                // are gone is over.
                let alive = Set(simulation.members.filter { !$0.isGone }.map(\.membership.memberID))
                for id in simulation.group.members.keys.sorted() where !alive.contains(id) { simulation.forget(id) }
            }
            for tick in 0..<ticks {
                simulation.tick()
                if let conflict = simulation.conflict {
                    Issue.record("\(simulation.random), tick \(tick) with \(faults) % faults: \(conflict)")
                    return simulation
                }
            }
        }
        return simulation
    }

    private static func check(_ simulation: ClassicGroupSimulation) {
        guard simulation.members.contains(where: { !$0.isGone }) else { return }
        let total = simulation.partitionCounts.values.reduce(0, +)
        let loads = simulation.loads
        #expect(loads.reduce(0, +) == total, "\(simulation.random): \(loads) of \(total)")
        #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1, "\(simulation.random): \(loads)")
    }

    @Test("in a cooperative group nobody reads what another reads, and all is read in the end", arguments: 0..<20)
    func cooperative(seed: UInt64) {
        Self.check(Self.run(seed, [CooperativeStickyAssignor()]))
    }

    @Test("in an eager group nobody reads what another reads, and all is read in the end", arguments: 0..<10)
    func eager(seed: UInt64) {
        Self.check(Self.run(seed, [StickyAssignor()]))
        Self.check(Self.run(seed, [RoundRobinAssignor(), CooperativeStickyAssignor()]))
    }

    /// Moves what it can at random: whatever an assignor says, what moves is held back.
    private struct Shuffle: ClassicAssignor {
        var name: String { "shuffle" }
        var isCooperative: Bool { true }

        func assign(_ problem: ClassicAssignmentProblem) -> [String: [TopicPartition]] {
            var random = TestRandom(seed: UInt64(problem.members.reduce(0) { $0 + Int($1.generation ?? 0) }))
            var shares: [String: [TopicPartition]] = [:]
            for (topic, count) in problem.partitionCounts.sorted(by: { $0.key < $1.key }) {
                for index in 0..<count {
                    let member = problem.members[random.upTo(problem.members.count - 1)].memberID
                    shares[member, default: []].append(
                        TopicPartition(topic: topic, partition: PartitionIndex(Int32(index))))
                }
            }
            return shares
        }
    }

    @Test("an assignor that moves everything about makes no partition have two readers", arguments: 0..<10)
    func shuffle(seed: UInt64) {
        _ = Self.run(seed, [Shuffle()])
    }
}
