// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import SimulatedIO

/// What kind of simulation a seed is: how many take part, how rough it gets.
struct SimulationPlan {
    enum GroupKind: CaseIterable {
        /// Classic members that give everything up before every rebalance.
        case eager
        /// Classic members that keep what they can.
        case cooperative
        /// Classic members of both kinds, as in the middle of a change of the assignor.
        case eagerAndCooperative
        /// Members of KIP-848.
        case consumer
        /// Members of both protocols, as in the middle of a change of the protocol.
        case mixed
    }

    let groups: [GroupKind]
    /// The most clients at a time, over all groups.
    let membersMax: Int
    /// How long things are done to clients, topics and coordinator, in milliseconds.
    let churnMs: Int64
    /// Between two of those things, on average.
    let churnIntervalMs: Int64
    /// One in that many messages is lost, with its connection; 0 for none.
    let lossOneIn: Int
    /// Messages take up to that long.
    let latencyMsMax: Int64
    /// The log takes up to that long until a batch is durable.
    let flushMsMax: Int64
    /// The coordinator's timer fires up to that much too late.
    let timerLateMsMax: Int64
    /// How many in 100 of the things done concern the coordinator.
    let crashesPercent: Int
    let heartbeatMs: Int64 = 1_500
    let sessionTimeoutMs: Int32
    let rebalanceTimeoutMs: Int32
    let settings: GroupSettings

    /// The longest time in which everybody must have settled once nothing is done to them any more.
    var settleMsMax: Int64 { 6 * (Int64(self.sessionTimeoutMs) + Int64(self.rebalanceTimeoutMs)) + 30_000 }

    init(kinds: [GroupKind], membersMax: Int, using random: inout SeededGenerator) {
        let groupCount = min(Int.random(in: 1...3, using: &random), max(1, membersMax / 3))
        self.groups = (0..<groupCount).map { _ in kinds[Int.random(in: 0..<kinds.count, using: &random)] }
        self.membersMax = membersMax
        self.churnMs = Int64.random(in: 10_000...30_000, using: &random)
        self.churnIntervalMs = Int64.random(in: 100...600, using: &random)
        self.lossOneIn = [0, 500, 100, 30][Int.random(in: 0..<4, using: &random)]
        self.latencyMsMax = [2, 20, 200, 1_500][Int.random(in: 0..<4, using: &random)]
        self.flushMsMax = [0, 5, 50, 1_000][Int.random(in: 0..<4, using: &random)]
        self.timerLateMsMax = random.oneIn(4) ? 2_000 : 20
        self.crashesPercent = [0, 2, 10][Int.random(in: 0..<3, using: &random)]
        self.sessionTimeoutMs = Int32.random(in: 6_000...9_000, using: &random)
        self.rebalanceTimeoutMs = Int32.random(in: 4_000...10_000, using: &random)
        var settings = GroupSettings()
        settings.initialRebalanceDelayMs = random.oneIn(4) ? 2_000 : 0
        settings.newMemberJoinTimeoutMs = 8_000
        settings.offsetsRetentionMs = 8_000
        settings.consumerSessionTimeoutMs = self.sessionTimeoutMs
        settings.consumerHeartbeatIntervalMs = Int32(self.heartbeatMs)
        if random.oneIn(8) {
            settings.maxSize = Int32.random(in: 3...12, using: &random)
            settings.consumerMaxSize = settings.maxSize
        }
        if random.oneIn(4) {
            let policies = GroupSettings.MigrationPolicy.allCases
            settings.migrationPolicy = policies[Int.random(in: 0..<policies.count, using: &random)]
        }
        self.settings = settings
    }
}
