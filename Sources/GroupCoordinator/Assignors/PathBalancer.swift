// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Shares out partitions among members with different subscriptions.
///
/// The aim: the sum of load² / weight over all members is as small as it can be, which is as even as subscriptions allow.
/// It is reached when no chain of moves helps: a member that has too much gives a partition to a second one, which gives
/// one of another topic to a third, and so on to a member that has too little. (The members of a group and its topics
/// are a bipartite graph, and the assignment is a semi-matching in it; that cost-reducing paths lead to the optimum was
/// shown by Harvey, Ladner, Lovász and Tamir.)
///
/// Three steps, each going on where the one before stopped:
/// 1. Partitions without an owner go to the emptiest subscriber, topics with few subscribers first.
/// 2. Topic by topic, the fullest owner gives to the emptiest subscriber. This does nearly all there is to do.
/// 3. Chains, shortest first, to the emptiest member for which there is one.
///
/// Every move of steps 2 and 3 makes the sum smaller, so nothing goes round in circles however often it is repeated.
struct PathBalancer {
    /// Members that are looked at in search of chains, before what has been reached is taken as good enough. A search that
    /// finds nothing never has to be repeated, so only very many long chains come to so much: some tens of milliseconds.
    static let searchStepsMax = 10_000_000

    /// Rounds of step 2 over all topics. What is left after so many is for step 3.
    static let topicRoundsMax = 4

    /// A member that may take a topic, and the place of the topic among those it may take.
    private struct Taker {
        let member: Int
        let slot: Int
    }

    private let weights: [Int]
    private let eligible: [[Int32]]
    private let takers: [[Taker]]
    private let topics: [Int]
    private let members: [Int]
    /// Who had each partition in the beginning.
    private let origins: [Int32]
    private var loads: [Int]
    /// For each member and slot its partitions; the last one goes first. Those that it got here are the last ones, so that
    /// rather they move on than others move, too.
    private var held: [[[Int]]]
    private var isFinished: [Bool]
    private var isFinishedTopic: [Bool]
    private var stepsLeft = Self.searchStepsMax
    /// The number of the search for a chain that is under way, and of the last one that came by a member or a topic.
    private var search = 0
    private var seenMembers: [Int]
    private var seenTopics: [Int]
    /// For a member that the search under way came by, what it would give and to whom; nil for the end of the chain.
    private var hops: [Hop?]

    /// Takes any component of the problem, or several as one.
    static func balance(
        _ problem: inout AssignmentProblem, _ component: AssignmentProblem.Component, _ budget: inout MoveBudget
    ) {
        var balancer = PathBalancer(problem, component)
        balancer.placeOwnerless(problem)
        if balancer.balanceTopics(&budget) { balancer.balanceChains(&budget) }
        for member in component.members {
            for partition in balancer.held[member].joined() { problem.owners[partition] = Int32(member) }
        }
    }

    private init(_ problem: AssignmentProblem, _ component: AssignmentProblem.Component) {
        self.weights = problem.weights
        self.eligible = problem.eligible
        self.origins = problem.owners
        self.topics = component.topics
        self.members = component.members
        var takers = [[Taker]](repeating: [], count: problem.topics.count)
        var held = [[[Int]]](repeating: [], count: problem.members.count)
        var loads = [Int](repeating: 0, count: problem.members.count)
        for member in component.members {
            let topics = problem.eligible[member]
            held[member] = [[Int]](repeating: [], count: topics.count)
            for (slot, topic) in topics.enumerated() { takers[Int(topic)].append(Taker(member: member, slot: slot)) }
        }
        for topic in component.topics {
            for partition in problem.partitions(of: topic) where problem.owners[partition] >= 0 {
                let owner = Int(problem.owners[partition])
                guard let slot = problem.eligible[owner].sortedIndex(of: Int32(topic)) else { continue }
                held[owner][slot].append(partition)
                loads[owner] += 1
            }
        }
        self.takers = takers
        self.held = held
        self.loads = loads
        self.isFinished = [Bool](repeating: false, count: problem.members.count)
        self.isFinishedTopic = [Bool](repeating: false, count: problem.topics.count)
        self.seenMembers = [Int](repeating: 0, count: problem.members.count)
        self.seenTopics = [Int](repeating: 0, count: problem.topics.count)
        self.hops = [Hop?](repeating: nil, count: problem.members.count)
    }

    /// What one partition more would add to the sum.
    private func gain(_ member: Int) -> Cost { Cost(part: 2 * self.loads[member] + 1, whole: self.weights[member]) }

    /// What one partition less would take from it.
    private func loss(_ member: Int) -> Cost { Cost(part: 2 * self.loads[member] - 1, whole: self.weights[member]) }

    // MARK: - Steps 1 and 2

    private mutating func placeOwnerless(_ problem: AssignmentProblem) {
        let ordered = self.topics.sorted {
            let (left, right) = (self.takers[$0].count, self.takers[$1].count)
            return left == right ? $0 < $1 : left < right
        }
        for topic in ordered {
            let partitions = problem.partitions(of: topic).filter { problem.owners[$0] == AssignmentProblem.nobody }
            if partitions.isEmpty { continue }
            var emptiest = CostHeap(self.takers[topic].enumerated().map { ($0.offset, self.gain($0.element.member)) })
            for partition in partitions {
                guard let number = emptiest.first else { continue }
                let taker = self.takers[topic][number]
                self.held[taker.member][taker.slot].append(partition)
                self.loads[taker.member] += 1
                emptiest.replaceFirst(self.gain(taker.member))
            }
        }
    }

    /// False when the budget is used up.
    private mutating func balanceTopics(_ budget: inout MoveBudget) -> Bool {
        for _ in 0..<Self.topicRoundsMax {
            var moves = 0
            for topic in self.topics {
                guard self.balanceTopic(topic, &moves, &budget) else { return false }
            }
            if moves == 0 { return true }
        }
        return true
    }

    /// Adds its moves to `moves`; false when the budget is used up.
    private mutating func balanceTopic(_ topic: Int, _ moves: inout Int, _ budget: inout MoveBudget) -> Bool {
        let takers = self.takers[topic]
        var emptiest = CostHeap(takers.enumerated().map { ($0.offset, self.gain($0.element.member)) })
        let givers = takers.enumerated().filter { !self.held[$0.element.member][$0.element.slot].isEmpty }
        // The fullest is the one whose loss, as a negative number, is the least.
        var fullest = CostHeap(givers.map { ($0.offset, self.loss($0.element.member).negated) })
        // A giver never has to take again, nor a taker to give: the one's gain is above what anybody else's loss still
        // is, and the other way round. So what one heap does not know of the other does not matter.
        while let from = fullest.first, let to = emptiest.first {
            let (giver, receiver) = (takers[from], takers[to])
            guard self.gain(receiver.member) < self.loss(giver.member) else { break }
            guard let partition = self.held[giver.member][giver.slot].last else { break }
            if !budget.allows(self.price(of: partition, from: giver.member, to: receiver.member)) { return false }
            self.move(giver, receiver)
            moves += 1
            emptiest.replaceFirst(self.gain(receiver.member))
            if self.held[giver.member][giver.slot].isEmpty {
                fullest.removeFirst()
            } else {
                fullest.replaceFirst(self.loss(giver.member).negated)
            }
        }
        return true
    }

    private mutating func move(_ giver: Taker, _ receiver: Taker) {
        guard let partition = self.held[giver.member][giver.slot].popLast() else { return }
        self.held[receiver.member][receiver.slot].append(partition)
        self.loads[giver.member] -= 1
        self.loads[receiver.member] += 1
    }

    /// What a move costs of the budget: one when the partition leaves its owner, and that one back when it comes home.
    private func price(of partition: Int, from giver: Int, to receiver: Int) -> Int {
        let origin = Int(self.origins[partition])
        return origin == giver ? 1 : origin == receiver ? -1 : 0
    }

    // MARK: - Step 3

    /// A partition of the taker's topic goes from it to the receiver.
    private struct Hop {
        let from: Taker
        let to: Taker
    }

    /// From the emptiest member on. What one more costs the emptiest never gets less meanwhile, and so a member for which
    /// no chain was found needs none any more; nor do those that its search came by.
    private mutating func balanceChains(_ budget: inout MoveBudget) {
        var emptiest = CostHeap(self.members.map { ($0, self.gain($0)) })
        while let member = emptiest.first, self.stepsLeft > 0 {
            let cost = self.gain(member)
            if emptiest.firstCost != cost {
                emptiest.replaceFirst(cost)
            } else if self.isFinished[member] {
                emptiest.removeFirst()
            } else if let chain = self.chain(to: member) {
                let price = chain.reduce(0) { sum, hop in
                    guard let partition = self.held[hop.from.member][hop.from.slot].last else { return sum }
                    return sum + self.price(of: partition, from: hop.from.member, to: hop.to.member)
                }
                if !budget.allows(price) { return }
                for hop in chain { self.move(hop.from, hop.to) }
                emptiest.replaceFirst(self.gain(member))
                // The giver got emptier than the heap knows.
                if let giver = chain.last?.from.member { emptiest.insert(giver, self.gain(giver)) }
            } else {
                emptiest.removeFirst()
            }
        }
    }

    /// The shortest chain that makes the sum smaller, from its end at `member`; of several the one from the fullest
    /// member. Without one, everybody who was looked at is finished.
    private mutating func chain(to member: Int) -> [Hop]? {
        let gain = self.gain(member)
        self.search += 1
        self.seenMembers[member] = self.search
        self.hops[member] = nil
        var seen = [member]
        var seenTopics: [Int] = []
        var ring = seen[...]
        while !ring.isEmpty, self.stepsLeft > 0 {
            var best: (member: Int, loss: Cost)?
            for receiver in ring {
                for (slot, topic) in self.eligible[receiver].enumerated() {
                    let topic = Int(topic)
                    if self.isFinishedTopic[topic] || self.seenTopics[topic] == self.search { continue }
                    self.seenTopics[topic] = self.search
                    seenTopics.append(topic)
                    self.stepsLeft -= self.takers[topic].count
                    for taker in self.takers[topic] where !self.held[taker.member][taker.slot].isEmpty {
                        if self.seenMembers[taker.member] == self.search { continue }
                        self.seenMembers[taker.member] = self.search
                        self.hops[taker.member] = Hop(from: taker, to: Taker(member: receiver, slot: slot))
                        seen.append(taker.member)
                        let loss = self.loss(taker.member)
                        if gain < loss, best.map({ $0.loss < loss }) ?? true { best = (taker.member, loss) }
                    }
                }
            }
            if let best { return self.chain(from: best.member) }
            ring = seen[ring.endIndex...]
        }
        for member in seen { self.isFinished[member] = true }
        for topic in seenTopics { self.isFinishedTopic[topic] = true }
        return nil
    }

    /// The hops from that member on, the last one first.
    private func chain(from giver: Int) -> [Hop] {
        var chain: [Hop] = []
        var giver = giver
        while let hop = self.hops[giver] {
            chain.append(hop)
            giver = hop.to.member
        }
        return chain.reversed()
    }
}
