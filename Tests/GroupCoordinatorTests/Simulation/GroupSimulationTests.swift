// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GroupCoordinator
import Synchronization
import Testing

/// Groups under churn, seed by seed. `SIM_SEEDS` says how many seeds (200 by default), `SIM_FIRST` which is the first,
/// `SIM_SEED` runs a single one; `make sim` sets them. A seed that fails is run once more and tells what happened last.
/// Every fourth seed has 50 members, the others fewer.
@Suite("Groups in a seeded simulation")
struct GroupSimulationTests {
    private static let kinds = SimulationPlan.GroupKind.allCases

    private static func membersMax(_ seed: UInt64) -> Int { seed % 4 == 0 ? 50 : [4, 10, 20][Int(seed % 3)] }

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : UInt64($0) }
    }

    @Test("no partition has two owners, no offset is lost or invented, and all settle")
    func seeds() async {
        if let seed = Self.number("SIM_SEED") {
            guard let result = Self.run(seed) else { return }
            return print("seed \(seed) passed: \(result.steps) events, \(result.tally)")
        }
        let count = Self.number("SIM_SEEDS") ?? 200
        let progress = Progress(first: Self.number("SIM_FIRST") ?? 1, count: count)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, ProcessInfo.processInfo.activeProcessorCount) {
                group.addTask {
                    while let seed = progress.nextSeed() { progress.note(Self.run(seed)) }
                }
            }
        }
        print("simulated \(progress)\n\(progress.tally)")
        if count >= 200 { #expect(progress.tally.missing.isEmpty, "the simulation shows less than it should") }
    }

    /// What the threads that take seeds share.
    private final class Progress: Sendable, CustomStringConvertible {
        /// After that many failures no more seeds are begun.
        private static let failuresMax = 3

        private let start = ContinuousClock.now
        private let end: UInt64
        private let next: Atomic<UInt64>
        private let events = Atomic<Int>(0)
        private let passed = Atomic<Int>(0)
        private let failed = Atomic<Int>(0)
        private let sum = Mutex(SimulationTally())

        var tally: SimulationTally { self.sum.withLock { $0 } }

        init(first: UInt64, count: UInt64) {
            self.end = first + count
            self.next = Atomic(first)
        }

        func nextSeed() -> UInt64? {
            if self.failed.load(ordering: .relaxed) >= Self.failuresMax { return nil }
            let seed = self.next.add(1, ordering: .relaxed).oldValue
            if seed % 1_000 == 0 { print("at seed \(seed), \(self)") }
            return seed < self.end ? seed : nil
        }

        /// Takes the result of a seed that passed; nil for one that failed.
        func note(_ result: (steps: Int, digest: UInt64, tally: SimulationTally)?) {
            guard let result else {
                self.failed.add(1, ordering: .relaxed)
                return
            }
            self.passed.add(1, ordering: .relaxed)
            self.events.add(result.steps, ordering: .relaxed)
            self.sum.withLock { $0.add(result.tally) }
        }

        var description: String {
            "\(self.passed.load(ordering: .relaxed)) seeds with \(self.events.load(ordering: .relaxed)) events, "
                + "\(self.failed.load(ordering: .relaxed)) failed, \(ContinuousClock.now - self.start)"
        }
    }

    private static func run(_ seed: UInt64) -> (steps: Int, digest: UInt64, tally: SimulationTally)? {
        do {
            return try GroupSimulation.run(seed: seed, kinds: Self.kinds, membersMax: Self.membersMax(seed))
        } catch {
            Issue.record(error)
            return nil
        }
    }

    @Test("a seed gives the same simulation every time", arguments: [UInt64(3), 8])
    func repeats(seed: UInt64) throws {
        let first = try GroupSimulation.run(seed: seed, kinds: Self.kinds, membersMax: 20)
        let second = try GroupSimulation.run(seed: seed, kinds: Self.kinds, membersMax: 20)
        #expect(first.steps == second.steps)
        #expect(first.digest == second.digest)
    }
}
