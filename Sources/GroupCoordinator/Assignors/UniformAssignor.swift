// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// `uniform`: every member has the same number of partitions, give or take one, and as few as possible change their
/// owner.
///
/// Members with different subscriptions get as equal numbers as their subscriptions allow. Partitions of one topic are
/// spread over the members. Racks are not looked at.
public enum UniformAssignor: PartitionAssignor {
    /// `uniform`
    public static let name = "uniform"

    /// O(n log n) in members, partitions and topics of members, when all subscribe to the same; else see `PathBalancer`.
    public static func assign(_ input: AssignmentInput) -> [String: PartitionSet] {
        var problem = AssignmentProblem(input, weighted: false)
        var budget = MoveBudget.unlimited
        problem.balance(&budget)
        return problem.result()
    }
}

extension AssignmentProblem {
    /// Gives every partition that somebody may take to one of those, in proportion to their weights.
    mutating func balance(_ budget: inout MoveBudget) {
        let division = self.divided()
        for component in division.homogeneous {
            QuotaBalancer.balance(&self, component, places: division.places, &budget)
        }
        if !division.mixed.members.isEmpty { PathBalancer.balance(&self, division.mixed, &budget) }
    }
}
