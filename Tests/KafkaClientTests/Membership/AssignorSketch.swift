// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

@testable import KafkaClient

/// A classic group as tests write it down: assignments are lines of text, `a: t0[0 1] t1[4]`.
struct AssignorSketch {
    var members: [String: ClassicGroupMember] = [:]
    var partitionCounts: [String: Int]
    /// Counts the times it was shared out.
    var generation: Int32 = 0

    /// Topic `tN` has `partitions[N]` partitions.
    init(partitions: [Int]) {
        self.partitionCounts = Dictionary(
            uniqueKeysWithValues: partitions.enumerated().map { ("t\($0.offset)", $0.element) })
    }

    /// A member that subscribes to all topics, or to those of these numbers.
    mutating func add(_ id: String, to topics: [Int]? = nil, instanceID: String? = nil) {
        var member = ClassicGroupMember(
            memberID: id, topics: topics.map { Set($0.map { "t\($0)" }) } ?? Set(self.partitionCounts.keys))
        member.instanceID = instanceID
        self.members[id] = member
    }

    /// Says what a member has, and since when.
    mutating func give(_ id: String, _ partitions: [TopicPartition], generation: Int32) {
        self.members[id]?.owned = partitions
        self.members[id]?.generation = generation
        self.members[id]?.userData = try? StickyUserData(partitions: partitions, generation: generation).encoded()
    }

    var problem: ClassicAssignmentProblem {
        ClassicAssignmentProblem(members: Array(self.members.values), partitionCounts: self.partitionCounts)
    }

    /// Shares out, and has the members hold what came out.
    @discardableResult
    mutating func assign(_ assignor: some ClassicAssignor) throws -> [String: [TopicPartition]] {
        let shares = try assignor.assign(self.problem)
        self.generation += 1
        for id in self.members.keys { self.give(id, shares[id] ?? [], generation: self.generation) }
        return shares
    }

    /// How many partitions have another owner in `shares` than the member that has them and still wants them.
    func moves(to shares: [String: [TopicPartition]]) -> Int {
        var moves = 0
        for (id, member) in self.members {
            let kept = Set(shares[id] ?? [])
            for partition in member.owned where member.topics.contains(partition.topic) && !kept.contains(partition) {
                moves += 1
            }
        }
        return moves
    }

    static func text(_ shares: [String: [TopicPartition]]) -> String {
        shares.sorted { $0.key < $1.key }.map { id, partitions in
            let topics = partitions.groupedByTopic { topic, partitions in
                "\(topic)[\(partitions.map { "\($0.partition)" }.joined(separator: " "))]"
            }
            return (["\(id):"] + topics).joined(separator: " ")
        }.joined(separator: "\n")
    }

    /// What is wrong with an assignment; nil for one that gives every partition to one subscriber.
    func fault(of shares: [String: [TopicPartition]]) -> String? {
        var owners: [TopicPartition: String] = [:]
        for (id, partitions) in shares {
            guard let member = self.members[id] else { return "\(id) is no member" }
            for partition in partitions {
                if let other = owners[partition] { return "\(partition) goes to \(other) and \(id)" }
                owners[partition] = id
                if !member.topics.contains(partition.topic) { return "\(id) is not subscribed to \(partition)" }
                let count = self.partitionCounts[partition.topic] ?? 0
                if !(0..<count).contains(Int(partition.partition.rawValue)) { return "there is no \(partition)" }
            }
        }
        for (topic, count) in self.partitionCounts
        where self.members.values.contains(where: { $0.topics.contains(topic) }) {
            for index in 0..<count {
                let partition = TopicPartition(topic: topic, partition: PartitionIndex(Int32(index)))
                if owners[partition] == nil { return "nobody has \(partition)" }
            }
        }
        return nil
    }
}

/// Random numbers that a test can have again (SplitMix64).
struct TestRandom: RandomNumberGenerator, CustomStringConvertible {
    let seed: UInt64
    private var state: UInt64

    init(seed: UInt64) {
        self.seed = seed
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func upTo(_ limit: Int) -> Int { Int.random(in: 0...limit, using: &self) }

    var description: String { "seed \(self.seed)" }
}
