// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension GroupShard {
    /// Ends the sessions of members as if they had been silent for too long; for tests. A member of a classic group whose
    /// JoinGroup or SyncGroup waits here is being heard of, and stays.
    ///
    /// - Parameter name: a member id, an instance id or a client id; nil for all members.
    /// - Returns: how many members were meant, and what comes of it.
    public mutating func endSessions(
        of group: String, membersNamed name: String?, _ environment: GroupEnvironment
    ) -> (count: Int, effects: GroupEffects) {
        var count = 0
        let now = environment.now.monotonicMs
        for member in self.classicGroups[group]?.members.values ?? [:].values
        where name == nil || name == member.id || name == member.instanceID || name == member.clientID {
            self.classicGroups[group]?.members[member.id]?.sessionEndsAt = now
            count += 1
        }
        for member in self.consumerGroups[group]?.members.values ?? [:].values
        where name == nil || name == member.id || name == member.details.instanceID
            || name == member.details.clientID
        {
            self.consumerGroups[group]?.members[member.id]?.sessionDeadline = now
            count += 1
        }
        self.wakeUps.want(group, at: now)
        return (count, self.expire(environment))
    }
}
