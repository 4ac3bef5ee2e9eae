// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaMessages
import KafkaWire
import NIOCore
import Testing

/// A seeded fuzzer of every request at every version.
///
/// `FUZZ_SECONDS` sets how long it runs (8 by default), `FUZZ_SEED` repeats a run: the seed is printed, and the inputs
/// depend on it alone.
@Suite("Fuzzing")
struct FuzzTests {
    private struct Target {
        let entry: MessageEntry
        let version: Int16
        var corpus: [[UInt8]]
    }

    @Test("no bytes make a request trap, at any version")
    func requests() throws {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["FUZZ_SECONDS"].flatMap(Double.init) ?? 8
        let seed = environment["FUZZ_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: .min ... .max)
        print("fuzzing with FUZZ_SEED=\(seed) for \(seconds) s")
        var generator = SeededGenerator(seed: seed)
        let targets = try self.targets(seed: seed)
        let end = ContinuousClock.now + .seconds(seconds)
        var rounds = 0
        var refused = 0
        while ContinuousClock.now < end {
            for target in targets {
                rounds += 1
                let bytes = Self.mutate(target.corpus, using: &generator)
                let place = "\(target.entry) version \(target.version), FUZZ_SEED=\(seed)"
                if try isRefused(bytes, by: target.entry.type, version: target.version, place: place) { refused += 1 }
            }
        }
        print("fuzzed \(targets.count) requests and versions with \(rounds) inputs, of which \(refused) were refused")
        #expect(rounds >= targets.count)
    }

    private func targets(seed: UInt64) throws -> [Target] {
        let vectors = Dictionary(grouping: Vector.all) { "\($0.kind) \($0.version)" }
        var targets: [Target] = []
        for entry in messageTable {
            guard case .request = entry.kind else { continue }
            let message = try #require(RandomEncoder.messages[entry.name])
            for version in entry.versions {
                var corpus = (vectors["\(entry.kind) \(version)"] ?? []).map(\.bytes)
                for round in 0..<4 {
                    var encoder = RandomEncoder(message, version: version, seed: seed &+ UInt64(round))
                    corpus.append(encoder.encode())
                }
                targets.append(Target(entry: entry, version: version, corpus: corpus))
            }
        }
        return targets
    }

    /// An input of the corpus with a few changes.
    private static func mutate(_ corpus: [[UInt8]], using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = corpus.randomElement(using: &generator) ?? []
        // The numbers at which lengths, counts and varints change their form.
        let edges: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff], [0x80, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0x0f],
            [0xff, 0xff],
            [0x7f, 0xff], [0x00, 0x0f, 0x42, 0x40], [0x80, 0x00], [0x80], [0x00], [0x01], [0xff],
        ]
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let index = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where index < bytes.count: bytes[index] = UInt8.random(in: .min ... .max, using: &generator)
            case 1 where index < bytes.count: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: bytes.removeSubrange(index...)
            case 3:
                let edge = edges.randomElement(using: &generator) ?? []
                bytes.replaceSubrange(index..<min(bytes.count, index + edge.count), with: edge)
            case 4:
                bytes.insert(contentsOf: edges.randomElement(using: &generator) ?? [], at: index)
            default:
                let other = corpus.randomElement(using: &generator) ?? []
                let start = Int.random(in: 0...other.count, using: &generator)
                bytes.replaceSubrange(index..., with: other[start...])
            }
        }
        return bytes
    }
}
