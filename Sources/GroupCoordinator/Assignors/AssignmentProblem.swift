// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// What assignors work on: members, topics and partitions as small numbers, in an order that does not depend on hashing.
///
/// A partition's number is the first one of its topic plus its index, so ascending numbers are ascending topics and
/// indexes. A member may take the partitions of a topic that it subscribed to; but where a topic has subscribers with
/// weight, those without any may not, and so lose what they have. After that no set of members that share topics mixes
/// the two kinds, and those without weight count as equals.
struct AssignmentProblem {
    static let nobody: Int32 = -1

    /// Ids, ascending.
    let members: [String]
    /// What each member can carry beside those that it shares topics with; 1 and more.
    let weights: [Int]
    /// Ids, ascending; only topics with partitions.
    let topics: [TopicID]
    /// The number of each topic's first partition, and at the end the number of all partitions.
    let firstPartitions: [Int]
    /// The topics of which each member may have partitions, ascending.
    let eligible: [[Int32]]
    /// The members that may have partitions of each topic, ascending.
    let takers: [[Int32]]
    /// The member that has each partition, or `nobody`.
    var owners: [Int32]

    /// Topics, and the members that may take their partitions, that have nothing to do with the others.
    struct Component {
        /// Ascending.
        var members: [Int] = []
        /// Ascending.
        var topics: [Int] = []
    }

    /// All topics and members, taken apart. Members that may take nothing are in no component.
    struct Division {
        /// Components in which each of the members may take partitions of each of the topics, in the order of their first
        /// topics.
        var homogeneous: [Component] = []
        /// All others together.
        var mixed = Component()
        /// Which of the members of its component each member is; undefined for others.
        var places: [Int]
    }

    /// Members that are to be told apart by their weights, or else not. Linear in members, topics of members and
    /// partitions, apart from sorting.
    init(_ input: AssignmentInput, weighted: Bool) {
        let members = input.members.sorted { $0.key < $1.key }
        let facts = input.topics.values.filter { $0.partitionCount > 0 }.sorted { $0.id < $1.id }
        var numbers: [TopicID: Int32] = [:]
        var firstPartitions = [0]
        for (number, topic) in facts.enumerated() {
            numbers[topic.id] = Int32(number)
            firstPartitions.append(firstPartitions[number] + Int(topic.partitionCount))
        }
        let weights = members.map { weighted ? Int(min(max($0.value.weight, 0), WeightRule.weightMax)) : 1 }

        var eligible = Self.subscriptions(members.map { $0.value.subscribed }, numbers)
        if weights.contains(0) { Self.drain(&eligible, weights, topicCount: facts.count) }
        var takers = [[Int32]](repeating: [], count: facts.count)
        for (member, topics) in eligible.enumerated() {
            for topic in topics { takers[Int(topic)].append(Int32(member)) }
        }

        var owners = [Int32](repeating: Self.nobody, count: firstPartitions[facts.count])
        for (number, member) in members.enumerated() {
            let assigned = member.value.assigned
            for id in assigned.topics {
                guard let topic = numbers[id], eligible[number].sortedIndex(of: topic) != nil else { continue }
                let first = firstPartitions[Int(topic)]
                for index in assigned[id] where index >= 0 && index < facts[Int(topic)].partitionCount {
                    // Of two that have the same one, which should not be, the first keeps it.
                    if owners[first + Int(index)] == Self.nobody { owners[first + Int(index)] = Int32(number) }
                }
            }
        }

        self.members = members.map { $0.key }
        self.weights = weights.map { max($0, 1) }
        self.topics = facts.map { $0.id }
        self.firstPartitions = firstPartitions
        self.eligible = eligible
        self.takers = takers
        self.owners = owners
    }

    /// The partitions of a topic.
    func partitions(of topic: Int) -> Range<Int> { self.firstPartitions[topic]..<self.firstPartitions[topic + 1] }

    /// What `owners` says, as an assignor returns it. A partition that nobody may take is left out.
    func result() -> [String: PartitionSet] {
        var sets = [PartitionSet](repeating: PartitionSet(), count: self.members.count)
        var indexes = [[Int32]](repeating: [], count: self.members.count)
        for topic in self.topics.indices {
            var touched: [Int] = []
            let range = self.partitions(of: topic)
            for partition in range {
                let owner = Int(self.owners[partition])
                if owner < 0 { continue }
                if indexes[owner].isEmpty { touched.append(owner) }
                indexes[owner].append(Int32(partition - range.lowerBound))
            }
            for member in touched {
                sets[member][self.topics[topic]] = indexes[member]
                indexes[member] = []
            }
        }
        return Dictionary(uniqueKeysWithValues: zip(self.members, sets))
    }

    /// Linear in partitions, members and topics of members, but for a factor that hardly grows.
    func divided() -> Division {
        var sets = TopicSets(count: self.topics.count)
        for topics in self.eligible { sets.unite(topics) }
        var numbers = [Int](repeating: -1, count: self.topics.count)
        var components: [Component] = []
        for topic in self.topics.indices where !self.takers[topic].isEmpty {
            let first = sets.first(of: topic)
            if numbers[first] < 0 {
                numbers[first] = components.count
                components.append(Component())
            }
            components[numbers[first]].topics.append(topic)
        }
        var isMixed = [Bool](repeating: false, count: components.count)
        for (member, topics) in self.eligible.enumerated() {
            guard let topic = topics.first else { continue }
            let number = numbers[sets.first(of: Int(topic))]
            components[number].members.append(member)
            if topics.count != components[number].topics.count { isMixed[number] = true }
        }
        var division = Division(places: [Int](repeating: 0, count: self.members.count))
        for (component, isMixed) in zip(components, isMixed) {
            for (place, member) in component.members.enumerated() { division.places[member] = place }
            if isMixed {
                division.mixed.members += component.members
                division.mixed.topics += component.topics
            } else {
                division.homogeneous.append(component)
            }
        }
        division.mixed.members.sort()
        division.mixed.topics.sort()
        return division
    }

    /// The numbers of the topics in each set, ascending; members with the same subscription, one after the other, share
    /// an array.
    private static func subscriptions(_ sets: [Set<TopicID>], _ numbers: [TopicID: Int32]) -> [[Int32]] {
        var last: (set: Set<TopicID>, topics: [Int32]) = ([], [])
        return sets.map { set in
            if set != last.set { last = (set, set.compactMap { numbers[$0] }.sorted()) }
            return last.topics
        }
    }

    /// Takes topics that somebody with weight subscribed to away from those without.
    private static func drain(_ eligible: inout [[Int32]], _ weights: [Int], topicCount: Int) {
        var hasCarrier = [Bool](repeating: false, count: topicCount)
        for (member, topics) in eligible.enumerated() where weights[member] > 0 {
            for topic in topics { hasCarrier[Int(topic)] = true }
        }
        for member in eligible.indices where weights[member] == 0 {
            eligible[member].removeAll { hasCarrier[Int($0)] }
        }
    }
}

/// Sets of topics, of which some get united: each topic knows one before it in its set (union-find).
private struct TopicSets {
    private var earlier: [Int]

    init(count: Int) { self.earlier = Array(0..<count) }

    /// The first topic of its set.
    mutating func first(of topic: Int) -> Int {
        var topic = topic
        while self.earlier[topic] != topic {
            self.earlier[topic] = self.earlier[self.earlier[topic]]
            topic = self.earlier[topic]
        }
        return topic
    }

    mutating func unite(_ topics: [Int32]) {
        guard let head = topics.first else { return }
        for topic in topics.dropFirst() {
            let (one, other) = (self.first(of: Int(head)), self.first(of: Int(topic)))
            self.earlier[max(one, other)] = min(one, other)
        }
    }
}

/// How many partitions that have an owner who may keep them are still allowed to change it.
struct MoveBudget {
    /// 0 and more.
    private(set) var left: Int
    /// Something was moved on this budget.
    private(set) var isTouched = false

    static let unlimited = MoveBudget(.max)

    init(_ moves: Int) { self.left = moves }

    /// As many of `moves` as there are left.
    mutating func take(upTo moves: Int) -> Int {
        let taken = min(moves, self.left)
        self.left -= taken
        if taken > 0 { self.isTouched = true }
        return taken
    }

    /// Whether `moves`, which only make sense together, may be made. Those that come first always may, since they would
    /// otherwise never be made; negative ones take back what was moved before.
    mutating func allows(_ moves: Int) -> Bool {
        if moves > self.left, self.isTouched { return false }
        if self.left != .max { self.left = max(self.left - moves, 0) }
        if moves > 0 { self.isTouched = true }
        return true
    }
}
