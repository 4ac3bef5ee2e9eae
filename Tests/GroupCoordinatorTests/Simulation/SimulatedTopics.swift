// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes

/// A partition of one life of a topic. Small, because the simulation compares millions of them.
struct SimulatedPartition: Hashable, Comparable, CustomStringConvertible {
    private let rawValue: UInt64

    init(slot: Int, life: Int, index: Int32) {
        self.rawValue = UInt64(slot) << 56 | UInt64(life) << 32 | UInt64(UInt32(bitPattern: index))
    }

    init(topic: TopicID, index: Int32) { self.init(slot: topic.simulatedSlot, life: topic.simulatedLife, index: index) }

    /// Which of the topics: it has the same name in all of its lives.
    var slot: Int { Int(self.rawValue >> 56) }
    /// How often the topic had been made before.
    var life: Int { Int(self.rawValue >> 32 & 0xff_ffff) }
    var index: Int32 { Int32(truncatingIfNeeded: self.rawValue) }
    var topicID: TopicID { TopicID.simulated(slot: self.slot, life: self.life) }
    var topicName: String { SimulatedTopics.names[self.slot] }

    static func < (lhs: SimulatedPartition, rhs: SimulatedPartition) -> Bool { lhs.rawValue < rhs.rawValue }

    var description: String { "\(self.topicName)\(self.life > 0 ? "'\(self.life)" : "")-\(self.index)" }

    /// All partitions of a list as messages have it, ascending.
    static func list(_ topics: some Sequence<(TopicID, [Int32])>) -> [SimulatedPartition] {
        topics.flatMap { topic, indexes in indexes.map { SimulatedPartition(topic: topic, index: $0) } }.sorted()
    }
}

extension TopicID {
    static func simulated(slot: Int, life: Int) -> TopicID { TopicID(high: UInt64(slot) + 0x4000, low: UInt64(life)) }
    var simulatedSlot: Int { Int(truncatingIfNeeded: self.high &- 0x4000) & 0xff }
    var simulatedLife: Int { Int(truncatingIfNeeded: self.low) & 0xff_ffff }
}

/// The topics of a simulation: `t0` up to `t5`, each of which comes and goes.
struct SimulatedTopics: TopicsView {
    static let names = (0..<6).map { "t\($0)" }
    /// Regular expressions that clients subscribe with, and what they match.
    static let patterns: [(text: String, slots: [Int])] = [
        ("t.*", [0, 1, 2, 3, 4, 5]), ("t[0-2]", [0, 1, 2]), ("t(1|3|5)", [1, 3, 5]),
    ]

    private(set) var version: Int64 = 0
    private var facts: [TopicFacts?] = Array(repeating: nil, count: Self.names.count)
    private var lives = Array(repeating: 0, count: Self.names.count)

    static func slot(named name: String) -> Int? {
        guard name.utf8.count == 2, let digit = name.utf8.last else { return nil }
        let slot = Int(digit) - 48
        return Self.names.indices.contains(slot) ? slot : nil
    }

    subscript(slot: Int) -> TopicFacts? { self.facts[slot] }

    /// The life of the topic that is, or was the last one.
    func life(of slot: Int) -> Int { self.lives[slot] }

    func topic(named name: String) -> TopicFacts? { Self.slot(named: name).flatMap { self.facts[$0] } }

    func topic(id: TopicID) -> TopicFacts? {
        guard Self.names.indices.contains(id.simulatedSlot), let facts = self.facts[id.simulatedSlot], facts.id == id
        else { return nil }
        return facts
    }

    func names(matching pattern: String) throws(TopicPatternError) -> [String] {
        guard let known = Self.patterns.first(where: { $0.text == pattern }) else {
            throw TopicPatternError("the simulation knows nothing of \(pattern)")
        }
        return known.slots.filter { self.facts[$0] != nil }.map { Self.names[$0] }
    }

    /// Whether the partition is there now.
    func has(_ partition: SimulatedPartition) -> Bool {
        guard let facts = self.facts[partition.slot], facts.id.simulatedLife == partition.life else { return false }
        return partition.index < facts.partitionCount
    }

    /// The partitions of a topic that are there now.
    func partitions(of slot: Int) -> [SimulatedPartition] {
        guard let facts = self.facts[slot] else { return [] }
        return (0..<facts.partitionCount).map { SimulatedPartition(topic: facts.id, index: $0) }
    }

    mutating func create(_ slot: Int, partitions: Int32) {
        self.version += 1
        self.lives[slot] += 1
        let id = TopicID.simulated(slot: slot, life: self.lives[slot])
        self.facts[slot] = TopicFacts(id: id, name: Self.names[slot], partitionCount: partitions)
    }

    mutating func grow(_ slot: Int, by count: Int32) {
        guard let old = self.facts[slot] else { return }
        self.version += 1
        self.facts[slot] = TopicFacts(id: old.id, name: old.name, partitionCount: old.partitionCount + count)
    }

    mutating func delete(_ slot: Int) {
        self.version += 1
        self.facts[slot] = nil
    }
}
