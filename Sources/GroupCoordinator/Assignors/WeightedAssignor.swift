// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// `weighted`: partitions follow what each member can carry, and few of them move at a time. No other broker has it.
///
/// - The number of a member's partitions is proportional to its weight among those that it shares topics with, rounded by
///   largest remainder. Where subscriptions differ it is as near to that as they allow, in the sense of least squares
///   (`PathBalancer`).
/// - A member of weight 0 is drained: it loses its partitions, all at once, of every topic that somebody with weight
///   subscribed to, and keeps what nobody else could take, so that no partition is ever without an owner. If it is not the
///   only one of that kind they share evenly.
/// - As few partitions as possible change their owner, and one assignment takes no more than `movesMax` from owners that
///   are there to stay. What has to move (partitions of members that have gone, are drained or no longer subscribe, and new
///   ones) moves in any case and does not count.
///
/// So a change of weights goes through in rounds: `isSettled` says whether the assignment that a group has is the last one.
/// Until then the coordinator assigns again whenever all members have arrived at the one before. Each round comes
/// nearer to the shares, and when they are reached exactly nothing moves any more. There is no tolerance on purpose: what
/// a group has then follows from weights and subscriptions, not from how it came about, and with whole partitions a small
/// change of a weight moves nothing anyway, or one partition.
public enum WeightedAssignor: PartitionAssignor {
    /// `weighted`
    public static let name = "weighted"

    /// The tenth part of all partitions may move in one assignment, in percent: while they change hands nobody reads
    /// them, and the caches of those who get them are cold. Any change is through after ten rounds.
    public static let movedShareMaxPercent = 10

    /// How many partitions one assignment may take away from members that could keep them: as many as one member has on
    /// average, for a member that joins should not have to wait for its share, and of large groups
    /// `movedShareMaxPercent`. At least one.
    ///
    /// Where subscriptions differ, a chain of moves that only makes sense as a whole may be longer, if it comes first.
    public static func movesMax(partitions: Int, members: Int) -> Int {
        let share = (partitions + max(members, 1) - 1) / max(members, 1)
        return max(1, share, (partitions * self.movedShareMaxPercent + 99) / 100)
    }

    /// O(n log n) in members, partitions and topics of members, when all subscribe to the same; else see `PathBalancer`.
    public static func assign(_ input: AssignmentInput) -> [String: PartitionSet] {
        var problem = AssignmentProblem(input, weighted: true)
        problem.balance()
        return problem.result()
    }

    /// Whether `assign` would leave everything as it is. Costs as much as `assign`.
    public static func isSettled(_ input: AssignmentInput) -> Bool {
        var problem = AssignmentProblem(input, weighted: true)
        let before = problem.owners
        problem.balance()
        return problem.owners == before
    }
}

extension AssignmentProblem {
    fileprivate mutating func balance() {
        let carriers = self.eligible.count { !$0.isEmpty }
        var budget = MoveBudget(WeightedAssignor.movesMax(partitions: self.owners.count, members: carriers))
        self.balance(&budget)
    }
}
