// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Shares out partitions among members that may all have each of them: how many each gets follows from the weights
/// alone, and all that is to decide is which.
///
/// Members keep what they have up to their quota. What has no owner goes to those that lack most in proportion; then
/// members above their quota give up what is left over, as far as the budget goes.
struct QuotaBalancer {
    private let quotas: [Int]
    /// The partitions of each member of the component, ascending.
    private var held: [[Int]]
    private var ownerless: [Int] = []
    private let members: [Int]

    /// Takes a homogeneous component of the problem, and which one in it each member is.
    static func balance(
        _ problem: inout AssignmentProblem, _ component: AssignmentProblem.Component, places: [Int],
        _ budget: inout MoveBudget
    ) {
        var balancer = QuotaBalancer(problem, component, places)
        balancer.balance(&problem, &budget)
    }

    private init(_ problem: AssignmentProblem, _ component: AssignmentProblem.Component, _ places: [Int]) {
        var held = [[Int]](repeating: [], count: component.members.count)
        for topic in component.topics {
            for partition in problem.partitions(of: topic) {
                let owner = problem.owners[partition]
                if owner >= 0 { held[places[Int(owner)]].append(partition) } else { self.ownerless.append(partition) }
            }
        }
        self.quotas = Self.quotas(
            of: component.topics.reduce(0) { $0 + problem.partitions(of: $1).count },
            weights: component.members.map { problem.weights[$0] }, held: held.map(\.count))
        self.held = held
        self.members = component.members
    }

    /// Parts of `total` in proportion to the weights, by largest remainder. Of members with equal remainders those come
    /// first that have the partition already, then those of lower number.
    ///
    /// Weights must be positive, and as many as `held`. O(n log n) in the members.
    static func quotas(of total: Int, weights: [Int], held: [Int]) -> [Int] {
        let sum = weights.reduce(0, +)
        var quotas = weights.map { total * $0 / sum }
        let remainders = weights.map { total * $0 % sum }
        let rest = total - quotas.reduce(0, +)
        let order = weights.indices.sorted { left, right in
            if remainders[left] != remainders[right] { return remainders[left] > remainders[right] }
            let (leftHasIt, rightHasIt) = (held[left] > quotas[left], held[right] > quotas[right])
            return leftHasIt == rightHasIt ? left < right : leftHasIt
        }
        for member in order.prefix(rest) { quotas[member] += 1 }
        return quotas
    }

    /// One partition more or less for a member, and how full it would be half way: `part / whole` of its quota.
    private struct Step {
        let place: Int
        let part: Int
        let whole: Int

        /// A member without quota is fuller than any other.
        static func isEmptier(_ left: Step, _ right: Step) -> Bool {
            let (one, other) = (left.part * right.whole, right.part * left.whole)
            return one == other ? left.place < right.place : one < other
        }
    }

    private mutating func balance(_ problem: inout AssignmentProblem, _ budget: inout MoveBudget) {
        var down: [Step] = []
        var up: [Step] = []
        for (place, quota) in self.quotas.enumerated() {
            let count = self.held[place].count
            for load in min(quota, count)..<count { down.append(Step(place: place, part: 2 * load + 1, whole: quota)) }
            for load in min(count, quota)..<quota { up.append(Step(place: place, part: 2 * load + 1, whole: quota)) }
        }
        if up.isEmpty { return }
        let moves = budget.take(upTo: down.count)
        if moves < down.count { down.sort { Step.isEmptier($1, $0) } }
        up.sort(by: Step.isEmptier)

        var losses = [Int](repeating: 0, count: self.held.count)
        for step in down.prefix(moves) { losses[step.place] += 1 }
        var pool = self.ownerless
        for (place, loss) in losses.enumerated() where loss > 0 { pool += Self.spread(loss, of: self.held[place]) }
        pool.sort()
        for (partition, step) in zip(pool, up) { problem.owners[partition] = Int32(self.members[step.place]) }
    }

    /// `count` of the partitions at equal distances: a member that gives some up gives some of each topic, so that the
    /// load of a busy topic stays spread out.
    private static func spread(_ count: Int, of partitions: [Int]) -> [Int] {
        (0..<count).map { partitions[(2 * $0 + 1) * partitions.count / (2 * count)] }
    }
}
