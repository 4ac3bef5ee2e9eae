// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaTypes
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct PartitionerTests {
    private static func choice(_ partitioner: Partitioner, count: Int32) -> PartitionChoice {
        PartitionChoice(partitioner, count: count, seed: 7)
    }

    /// Rows of key in hexadecimal, hash, and partition of 12, made with Java's own code.
    private static var vectors: [[String]] {
        get throws {
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("Fixtures/protocol/murmur2.tsv")
            return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst()
                .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
        }
    }

    @Test("keys go where Java's producer puts them")
    func keys() throws {
        let choice = Self.choice(.keyHash, count: 12)
        let vectors = try Self.vectors
        #expect(vectors.count > 10)
        for row in vectors {
            let hex = Array(row[0].utf8)
            let bytes = stride(from: 0, to: hex.count - 1, by: 2).compactMap { index in
                UInt8(String(decoding: hex[index...index + 1], as: UTF8.self), radix: 16)
            }
            let record = ProducerRecord(topic: "t", key: ByteBuffer(bytes: bytes), value: nil)
            #expect(choice.partition(for: record).index == Int(row[2]), "key \(row[0])")
        }
    }

    @Test("records without a key stay with a partition until its batch ends, and then go to another")
    func sticky() {
        let choice = Self.choice(.keyHash, count: 5)
        let record = ProducerRecord(topic: "t", value: "x")
        var seen: Set<Int> = []
        for _ in 0..<100 {
            let first = choice.partition(for: record)
            #expect(first.isAnywhere)
            #expect(choice.partition(for: record).index == first.index)
            choice.rotate(from: first.index)
            #expect(choice.partition(for: record).index != first.index)
            // A batch of a partition that is not the current one changes nothing.
            let second = choice.partition(for: record).index
            choice.rotate(from: first.index)
            #expect(choice.partition(for: record).index == second)
            seen.insert(second)
        }
        #expect(seen == Set(0..<5))
    }

    @Test("round robin takes the partitions in turn")
    func roundRobin() {
        let choice = Self.choice(.roundRobin, count: 3)
        let record = ProducerRecord(topic: "t", key: "same", value: "x")
        let indexes = (0..<6).map { _ in choice.partition(for: record).index }
        #expect(Set(indexes.prefix(3)) == [0, 1, 2])
        #expect(Array(indexes.prefix(3)) == Array(indexes.suffix(3)))
    }

    @Test("random partitions are alike, weighted ones as their weights say")
    func weights() {
        let record = ProducerRecord(topic: "t", value: "x")
        func counts(_ partitioner: Partitioner) -> [Int] {
            let choice = Self.choice(partitioner, count: 4)
            return (0..<8_000).reduce(into: [0, 0, 0, 0]) { counts, _ in
                counts[choice.partition(for: record).index] += 1
            }
        }
        for count in counts(.random) { #expect((1_700...2_300).contains(count)) }
        let weighted = counts(.weighted([1, 0, 3]))
        #expect((1_700...2_300).contains(weighted[0]) && (5_700...6_300).contains(weighted[2]))
        #expect(weighted[1] == 0 && weighted[3] == 0)
        for count in counts(.weighted([-1, 0, .nan])) { #expect((1_700...2_300).contains(count)) }
    }

    @Test("the caller's own partitioner sees the record and the number of partitions")
    func custom() {
        let choice = Self.choice(
            .custom { record, count in PartitionIndex(record.key == nil ? count - 1 : 0) }, count: 9)
        #expect(choice.partition(for: ProducerRecord(topic: "t", value: "x")).index == 8)
        #expect(choice.partition(for: ProducerRecord(topic: "t", key: "k", value: "x")).index == 0)
    }
}
