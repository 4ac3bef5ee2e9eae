// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import SimulatedIO
import Testing

@Suite struct SeededGeneratorTests {
    @Test("the sequence of a seed is xoshiro256** over SplitMix64, on every platform")
    func knownSequence() {
        var generator = SeededGenerator(seed: 0)
        #expect(generator.next() == 0x99ec_5f36_cb75_f2b4)
        #expect(generator.next() == 0xbf6e_1f78_4956_452a)
        #expect(generator.next() == 0x1a5f_849d_4933_e6e0)
    }

    @Test("one seed gives one sequence, and its description is the seed")
    func repeatable() {
        var first = SeededGenerator(seed: 42)
        var second = SeededGenerator(seed: 42)
        var other = SeededGenerator(seed: 43)
        let bytes = first.bytes(count: 1_001)
        #expect(bytes.count == 1_001)
        #expect(bytes == second.bytes(count: 1_001))
        #expect(bytes != other.bytes(count: 1_001))
        #expect("\(first)" == "seed 42")
    }

    @Test("one in ten is about one in ten")
    func odds() {
        var generator = SeededGenerator(seed: 7)
        let hits = (0..<10_000).count { _ in generator.oneIn(10) }
        #expect((900...1_100).contains(hits), "\(hits) hits, \(generator)")
    }
}
