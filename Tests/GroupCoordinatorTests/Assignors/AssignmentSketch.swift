// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes
import SimulatedIO

/// Groups as tests write them down: topics are numbers, assignments are lines of text.
struct AssignmentSketch {
    var input: AssignmentInput

    /// Topic `n` has `partitions[n]` partitions.
    init(partitions: [Int]) {
        let facts = partitions.enumerated().map { number, count in
            TopicFacts(id: Self.id(number), name: "t\(number)", partitionCount: Int32(count))
        }
        self.input = AssignmentInput(members: [:], topics: Dictionary(uniqueKeysWithValues: facts.map { ($0.id, $0) }))
    }

    static func id(_ topic: Int) -> TopicID { UUID128(high: 1, low: UInt64(topic)) }

    /// The numbers of all topics.
    var topics: [Int] { Array(0..<self.input.topics.count) }

    /// All partitions of all topics.
    var partitionCount: Int { self.input.topics.values.reduce(0) { $0 + Int($1.partitionCount) } }

    /// A member that subscribes to all topics, or to those.
    mutating func add(
        _ id: String, to topics: [Int]? = nil, weight: Int32 = AssignmentInput.Member.defaultWeight,
        instanceID: String? = nil
    ) {
        self.input.members[id] = AssignmentInput.Member(
            instanceID: instanceID, subscribed: Set((topics ?? self.topics).map(Self.id)), weight: weight)
    }

    /// Says what a member has before it is assigned anything: partitions by topic.
    mutating func give(_ id: String, _ partitions: [Int: [Int32]]) {
        self.input.members[id]?.assigned = PartitionSet(partitions.map { (Self.id($0.key), $0.value) })
    }

    /// Assigns, and has the members hold what came out.
    @discardableResult
    mutating func assign(_ assignor: any PartitionAssignor.Type) -> [String: PartitionSet] {
        let result = assignor.assign(self.input)
        for (id, partitions) in result { self.input.members[id]?.assigned = partitions }
        return result
    }

    /// What the members hold, a line for each: `a: t0[0 1] t1[4]`.
    var text: String {
        self.input.members.sorted { $0.key < $1.key }.map { id, member in
            let topics = member.assigned.sorted.map { topic, indexes in
                "t\(topic.low)[\(indexes.map(String.init).joined(separator: " "))]"
            }
            return ([id + ":"] + topics).joined(separator: " ")
        }.joined(separator: "\n")
    }

    /// How many partitions each member holds, by ascending id.
    var counts: [Int] { self.input.members.sorted { $0.key < $1.key }.map { $0.value.assigned.count } }
}

/// One partition of a topic.
struct SketchedPartition: Hashable {
    let topic: TopicID
    let index: Int32
}

extension AssignmentInput {
    /// Who may keep what: the holder of each partition that exists and that it subscribes to, the first of two.
    func holders() -> [SketchedPartition: String] {
        var holders: [SketchedPartition: String] = [:]
        for (id, member) in self.members.sorted(by: { $0.key < $1.key }) {
            for (topic, indexes) in member.assigned.sorted where member.subscribed.contains(topic) {
                for index in indexes where index >= 0 && index < self.topics[topic]?.partitionCount ?? 0 {
                    let partition = SketchedPartition(topic: topic, index: index)
                    if holders[partition] == nil { holders[partition] = id }
                }
            }
        }
        return holders
    }

    /// What is wrong with an assignment: partitions without an owner, with two, with one that did not subscribe. Nil when
    /// nothing is.
    func fault(of result: [String: PartitionSet]) -> String? {
        if Set(result.keys) != Set(self.members.keys) { return "not the members of the group" }
        var owners: [SketchedPartition: String] = [:]
        for (id, partitions) in result {
            for (topic, indexes) in partitions.sorted {
                guard self.members[id]?.subscribed.contains(topic) ?? false else { return "\(id) did not subscribe" }
                if indexes != Set(indexes).sorted() { return "\(id) has indexes out of order" }
                for index in indexes {
                    if index < 0 || index >= self.topics[topic]?.partitionCount ?? 0 { return "no partition \(index)" }
                    let partition = SketchedPartition(topic: topic, index: index)
                    if let other = owners.updateValue(id, forKey: partition) { return "\(id) and \(other) share one" }
                }
            }
        }
        let wanted = self.members.values.reduce(into: Set<TopicID>()) { $0.formUnion($1.subscribed) }
        let count = wanted.reduce(0) { $0 + Int(self.topics[$1]?.partitionCount ?? 0) }
        return owners.count == count ? nil : "\(count - owners.count) partitions without an owner"
    }

    /// The partitions that changed their owner although that one could have kept them.
    func moves(to result: [String: PartitionSet]) -> [SketchedPartition] {
        self.holders().filter { !(result[$0.value]?.contains($0.key.topic, $0.key.index) ?? false) }.map { $0.key }
    }
}

/// What a random group may be like.
struct RandomGroup {
    var membersMax = 8
    var topicsMax = 5
    var partitionsMax = 12
    var weights: [Int32] = [AssignmentInput.Member.defaultWeight]
    var isHomogeneous = false

    /// A group without assignments.
    func sketch(using random: inout SeededGenerator) -> AssignmentSketch {
        let topics = Int.random(in: 1...self.topicsMax, using: &random)
        var sketch = AssignmentSketch(
            partitions: (0..<topics).map { _ in Int.random(in: 0...self.partitionsMax, using: &random) })
        for _ in 0..<Int.random(in: 1...self.membersMax, using: &random) { self.join(&sketch, using: &random) }
        return sketch
    }

    /// One more member with a random id, subscription and weight.
    func join(_ sketch: inout AssignmentSketch, using random: inout SeededGenerator) {
        let topics = sketch.topics.filter { _ in self.isHomogeneous || !random.oneIn(3) }
        let weight = self.weights.randomElement(using: &random) ?? 0
        sketch.add("m\(UInt32.random(in: 0...999_999, using: &random))", to: topics, weight: weight)
    }

    /// What happens to groups: somebody joins, leaves, subscribes to something else or changes its weight; a topic grows;
    /// two members are said to have the same partitions.
    func change(_ sketch: inout AssignmentSketch, using random: inout SeededGenerator) {
        let ids = sketch.input.members.keys.sorted()
        guard let id = ids.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: self.join(&sketch, using: &random)
        case 1: if ids.count > 1 { sketch.input.members[id] = nil }
        case 2:
            if !self.isHomogeneous {
                let topics = sketch.topics.filter { _ in random.oneIn(2) }
                sketch.input.members[id]?.subscribed = Set(topics.map(AssignmentSketch.id))
            }
        case 3: sketch.input.members[id]?.weight = self.weights.randomElement(using: &random) ?? 0
        case 4:
            let topic = AssignmentSketch.id(Int.random(in: 0..<sketch.topics.count, using: &random))
            guard let facts = sketch.input.topics[topic] else { return }
            sketch.input.topics[topic] = TopicFacts(
                id: topic, name: facts.name,
                partitionCount: facts.partitionCount + Int32.random(in: 1...4, using: &random))
        default:
            if let other = ids.randomElement(using: &random), let assigned = sketch.input.members[other]?.assigned {
                sketch.input.members[id]?.assigned = assigned
                sketch.input.members[id]?.assigned.formUnion(AssignmentSketch.id(99), [0])
            }
        }
    }
}
