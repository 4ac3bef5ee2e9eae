// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Shares out partitions so that members have as equal numbers as their subscriptions allow, and leaves as much as
/// possible where it is.
///
/// The aim: the sum of load² over all members is as small as it can be. It is reached when no chain of moves helps: a
/// member that has too much gives a partition to a second one, which gives one of another topic to a third, and so on to
/// a member that has at least two less than the first. (Members and topics are a bipartite graph, and the assignment is
/// a semi-matching in it; that cost-reducing paths lead to the optimum was shown by Harvey, Ladner, Lovász and Tamir.)
///
/// Three steps, each going on where the one before stopped:
/// 1. Partitions without an owner go to the emptiest subscriber, topics with few subscribers first.
/// 2. The fullest member gives to the emptiest that may have something of what it has. Where all members subscribe to
///    the same topics, this ends with differences of one at most, after the fewest moves there can be.
/// 3. Chains, shortest first, to the emptiest member for which there is one.
struct StickyBalancer {
    /// What a member had.
    struct Claim {
        var partitions: [TopicPartition] = []
        /// Of claims to the same partition that with the highest generation counts.
        var generation: Int32 = -1
    }

    /// Members that are looked at in search of chains, before what has been reached is taken as good enough. A search
    /// that finds nothing never has to be repeated, so only very many long chains come to so much: about a second
    /// without optimisation.
    static let searchStepsMax = 5_000_000
    /// Rounds of step 2. What is left after so many is for step 3.
    static let roundsMax = 4

    private typealias Taker = StickyProblem.Taker

    private let problem: StickyProblem
    private var loads: [Int]
    /// For each member and slot its partitions; the last one goes first. Those that it got here are the last ones, so
    /// that rather they move on than others move, too.
    private var held: [[[Int]]]

    /// The partitions of each member, by id; a claim for each of the members, in their order.
    static func balance(
        _ problem: ClassicAssignmentProblem, _ claims: [Claim]
    ) -> [String: [TopicPartition]] {
        var balancer = StickyBalancer(StickyProblem(problem, claims))
        balancer.placeOwnerless()
        balancer.balanceDirectly()
        balancer.balanceChains()
        return balancer.result()
    }

    private init(_ problem: StickyProblem) {
        self.problem = problem
        self.loads = [Int](repeating: 0, count: problem.members.count)
        self.held = problem.eligible.map { [[Int]](repeating: [], count: $0.count) }
        for (partition, owner) in problem.owners.enumerated() where owner != StickyProblem.nobody {
            // A claim is believed of a subscriber only, so the class is among those that the owner may have.
            let number = problem.classes[partition]
            let slot = problem.eligible[owner].partitioningIndex { $0 >= number }
            self.held[owner][slot].append(partition)
            self.loads[owner] += 1
        }
    }

    private func result() -> [String: [TopicPartition]] {
        var shares: [String: [TopicPartition]] = [:]
        for (number, member) in self.problem.members.enumerated() {
            shares[member] = self.held[number].joined().sorted().map { self.problem.partitions[$0] }
        }
        return shares
    }

    private mutating func move(_ giver: Taker, _ receiver: Taker) {
        guard let partition = self.held[giver.member][giver.slot].popLast() else { return }
        self.held[receiver.member][receiver.slot].append(partition)
        self.loads[giver.member] -= 1
        self.loads[receiver.member] += 1
    }

    // MARK: Steps 1 and 2

    /// The takers of each class, the emptiest first. Loads may have grown since they were put there.
    private func takersByLoad() -> [LoadHeap] {
        self.problem.takers.map { takers in
            LoadHeap(takers.enumerated().map { (self.loads[$0.element.member], $0.offset) })
        }
    }

    /// The emptiest taker of a class, by its place.
    private func emptiest(_ heap: inout LoadHeap, of number: Int) -> Taker? {
        while let first = heap.first {
            let taker = self.problem.takers[number][first.number]
            let load = self.loads[taker.member]
            if load <= first.load { return taker }
            heap.replaceFirst(load: load)
        }
        return nil
    }

    private mutating func placeOwnerless() {
        var ownerless = [[Int]](repeating: [], count: self.problem.takers.count)
        for (partition, owner) in self.problem.owners.enumerated() where owner == StickyProblem.nobody {
            ownerless[self.problem.classes[partition]].append(partition)
        }
        let ordered = ownerless.indices.sorted {
            (self.problem.takers[$0].count, $0) < (self.problem.takers[$1].count, $1)
        }
        var heaps = self.takersByLoad()
        for number in ordered {
            for partition in ownerless[number] {
                guard let taker = self.emptiest(&heaps[number], of: number) else { break }
                self.held[taker.member][taker.slot].append(partition)
                self.loads[taker.member] += 1
            }
        }
    }

    private mutating func balanceDirectly() {
        for _ in 0..<Self.roundsMax {
            var heaps = self.takersByLoad()
            // The fullest is the one whose load, as a negative number, is the least.
            var fullest = LoadHeap(self.loads.enumerated().map { (-$0.element, $0.offset) })
            var moves = 0
            while let (load, giver) = fullest.first {
                if -load != self.loads[giver] {
                    fullest.replaceFirst(load: -self.loads[giver])
                } else if let (from, to) = self.bestMove(from: giver, &heaps) {
                    self.move(from, to)
                    moves += 1
                    fullest.replaceFirst(load: -self.loads[giver])
                } else {
                    fullest.removeFirst()
                }
            }
            if moves == 0 { return }
        }
    }

    /// To the emptiest that may have something the giver has; of several things, one that it did not have before. Nil
    /// when nobody has at least two less.
    private func bestMove(from giver: Int, _ heaps: inout [LoadHeap]) -> (from: Taker, to: Taker)? {
        var best: (slot: Int, to: Taker, load: Int, isNew: Bool)?
        for (slot, number) in self.problem.eligible[giver].enumerated() {
            guard let partition = self.held[giver][slot].last,
                let taker = self.emptiest(&heaps[number], of: number)
            else { continue }
            let load = self.loads[taker.member]
            let isNew = self.problem.owners[partition] != giver
            guard load <= self.loads[giver] - 2 else { continue }
            if let best, best.load < load || (best.load == load && (best.isNew || !isNew)) { continue }
            best = (slot, taker, load, isNew)
        }
        return best.map { (Taker(member: giver, slot: $0.slot), $0.to) }
    }

    // MARK: Step 3

    /// A partition of the class that both may have goes from one to the other.
    private struct Hop {
        var from: Taker
        var to: Taker
    }

    /// What is known of the search for chains.
    private struct Search {
        var stepsLeft = StickyBalancer.searchStepsMax
        /// The number of the search that is under way, and of the last one that came by a member or class.
        var number = 0
        var seenMembers: [Int]
        var seenClasses: [Int]
        /// No chain leads away from these.
        var finishedMembers: [Bool]
        var finishedClasses: [Bool]
        /// For a member that the search under way came by, what it would give to whom; nil for the end of the chain.
        var hops: [Hop?]
    }

    /// From the emptiest member on. Its load never gets less meanwhile, and so a member for which no chain was found
    /// needs none any more; nor do those that its search came by.
    private mutating func balanceChains() {
        let (members, classes) = (self.loads.count, self.problem.takers.count)
        var search = Search(
            seenMembers: [Int](repeating: 0, count: members), seenClasses: [Int](repeating: 0, count: classes),
            finishedMembers: [Bool](repeating: false, count: members),
            finishedClasses: [Bool](repeating: false, count: classes), hops: [Hop?](repeating: nil, count: members))
        var emptiest = LoadHeap(self.loads.enumerated().map { ($0.element, $0.offset) })
        while let (load, member) = emptiest.first, search.stepsLeft > 0 {
            if load != self.loads[member] {
                emptiest.replaceFirst(load: self.loads[member])
            } else if search.finishedMembers[member] {
                emptiest.removeFirst()
            } else if let chain = self.chain(to: member, &search) {
                for hop in chain { self.move(hop.from, hop.to) }
                emptiest.replaceFirst(load: self.loads[member])
                // The giver got emptier than the heap knows.
                if let giver = chain.first?.from.member { emptiest.insert(load: self.loads[giver], number: giver) }
            } else {
                emptiest.removeFirst()
            }
        }
    }

    /// The shortest chain that ends at `member` and makes the sum smaller, of several the one from the fullest member;
    /// its first hop first. Without one, everybody who was looked at is finished.
    private func chain(to member: Int, _ search: inout Search) -> [Hop]? {
        search.number += 1
        search.seenMembers[member] = search.number
        search.hops[member] = nil
        var seen = [member]
        var seenClasses: [Int] = []
        var ring = 0..<1
        while !ring.isEmpty, search.stepsLeft > 0 {
            var fullest: Int?
            for place in ring {
                let receiver = seen[place]
                for (slot, number) in self.problem.eligible[receiver].enumerated() {
                    if search.finishedClasses[number] || search.seenClasses[number] == search.number { continue }
                    search.seenClasses[number] = search.number
                    seenClasses.append(number)
                    search.stepsLeft -= self.problem.takers[number].count
                    for taker in self.problem.takers[number] where !self.held[taker.member][taker.slot].isEmpty {
                        if search.seenMembers[taker.member] == search.number { continue }
                        search.seenMembers[taker.member] = search.number
                        search.hops[taker.member] = Hop(from: taker, to: Taker(member: receiver, slot: slot))
                        seen.append(taker.member)
                        let load = self.loads[taker.member]
                        if load >= self.loads[member] + 2, fullest.map({ self.loads[$0] < load }) ?? true {
                            fullest = taker.member
                        }
                    }
                }
            }
            if let fullest { return Self.chain(from: fullest, search.hops) }
            ring = ring.upperBound..<seen.count
        }
        for member in seen { search.finishedMembers[member] = true }
        for number in seenClasses { search.finishedClasses[number] = true }
        return nil
    }

    private static func chain(from giver: Int, _ hops: [Hop?]) -> [Hop] {
        var chain: [Hop] = []
        var giver = giver
        while let hop = hops[giver] {
            chain.append(hop)
            giver = hop.to.member
        }
        return chain
    }
}
