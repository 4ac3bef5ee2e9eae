// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// What ``StickyBalancer`` works on: members, topics and partitions as small numbers, in an order that does not depend
/// on hashing.
///
/// Topics with the same subscribers make a class. In a group that subscribes to one set of topics there is one class,
/// however many topics and members there are.
struct StickyProblem {
    static let nobody = -1

    /// A member that may have partitions of a class, and the place of the class among those that it may have.
    struct Taker {
        var member: Int
        var slot: Int
    }

    /// Member ids, ascending.
    let members: [String]
    /// The partitions of all topics: by topic, then by index.
    let partitions: [TopicPartition]
    /// The class of each partition.
    let classes: [Int]
    /// The members that may have partitions of each class, ascending.
    let takers: [[Taker]]
    /// The classes of which each member may have partitions, ascending.
    let eligible: [[Int]]
    /// The member that has each partition at the outset, or `nobody`.
    let owners: [Int]

    /// Near to linear in members, partitions, claims and topics of members, apart from sorting.
    ///
    /// A claim is believed when the member is subscribed to the topic and the partition exists. Of two, the one of the
    /// later generation is (KIP-792), and of equal ones the first.
    init(_ problem: ClassicAssignmentProblem, _ claims: [StickyBalancer.Claim]) {
        self.members = problem.members.map(\.memberID)
        let kinds = Kinds(problem)
        let topics = problem.topicsInJavasOrder(kinds.subscribers.keys)

        var classNumbers: [[Int]: Int] = [:]
        var takers: [[Taker]] = []
        var eligible = [[Int]](repeating: [], count: kinds.members.count)
        var partitions: [TopicPartition] = []
        var classes: [Int] = []
        var firsts: [String: (partition: Int, count: Int, number: Int)] = [:]
        for topic in topics {
            let subscribers = kinds.subscribers[topic.name] ?? []
            let number = classNumbers[subscribers] ?? takers.count
            if number == takers.count {
                classNumbers[subscribers] = number
                takers.append(
                    subscribers.flatMap { kind in
                        kinds.members[kind].map { Taker(member: $0, slot: eligible[kind].count) }
                    }.sorted { $0.member < $1.member })
                for kind in subscribers { eligible[kind].append(number) }
            }
            firsts[topic.name] = (partitions.count, topic.count, number)
            for index in 0..<topic.count {
                partitions.append(topic.partition(index))
                classes.append(number)
            }
        }

        var owners = [Int](repeating: Self.nobody, count: partitions.count)
        var generations = [Int32](repeating: .min, count: partitions.count)
        for (member, claim) in claims.enumerated() {
            for claimed in claim.partitions {
                let index = Int(claimed.partition.rawValue)
                guard let first = firsts[claimed.topic], (0..<first.count).contains(index),
                    problem.members[member].topics.contains(claimed.topic)
                else { continue }
                let partition = first.partition + index
                guard owners[partition] == Self.nobody || generations[partition] < claim.generation else { continue }
                owners[partition] = member
                generations[partition] = claim.generation
            }
        }

        self.partitions = partitions
        self.classes = classes
        self.takers = takers
        self.eligible = kinds.kindOfMember.map { eligible[$0] }
        self.owners = owners
    }

    /// Members that subscribe to the same topics are of a kind.
    private struct Kinds {
        var kindOfMember: [Int] = []
        /// The members of each kind, ascending.
        var members: [[Int]] = []
        /// The kinds that subscribe to each topic, ascending.
        var subscribers: [String: [Int]] = [:]

        init(_ problem: ClassicAssignmentProblem) {
            var kinds: [Set<String>: Int] = [:]
            for (number, member) in problem.members.enumerated() {
                let kind = kinds[member.topics] ?? kinds.count
                if kind == kinds.count {
                    kinds[member.topics] = kind
                    self.members.append([])
                    for topic in member.topics { self.subscribers[topic, default: []].append(kind) }
                }
                self.members[kind].append(number)
                self.kindOfMember.append(kind)
            }
        }
    }
}
