// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaConfig

extension GroupSettings {
    /// What the group coordinator goes by, out of the broker's configs and those of single groups, by group id.
    ///
    /// Cost: the number of groups that have configs.
    init(config: BrokerConfig, groupConfigs: [String: GroupConfig] = [:]) {
        self.init()
        self.minSessionTimeoutMs = Int32(clamping: config.groups.minSessionTimeoutMs)
        self.maxSessionTimeoutMs = Int32(clamping: config.groups.maxSessionTimeoutMs)
        self.initialRebalanceDelayMs = Int32(clamping: config.groups.initialRebalanceDelayMs)
        self.maxSize = Int32(clamping: config.groups.maxSize)

        self.offsetMetadataMaxBytes = Int32(clamping: config.offsets.metadataMaxBytes)
        // 32 bits of minutes fit into 64 of milliseconds.
        self.offsetsRetentionMs = config.offsets.retentionMinutes * 60_000

        self.consumerSessionTimeoutMs = Int32(clamping: config.consumerGroups.sessionTimeoutMs)
        self.consumerHeartbeatIntervalMs = Int32(clamping: config.consumerGroups.heartbeatIntervalMs)
        self.consumerMaxSize = Int32(clamping: config.consumerGroups.maxSize)
        self.consumerAssignors = config.consumerGroups.assignors
        self.migrationPolicy = MigrationPolicy(config.consumerGroups.migrationPolicy)

        self.groups = groupConfigs.mapValues { GroupOverrides($0.bounded(by: config)) }
    }
}

extension GroupSettings.MigrationPolicy {
    fileprivate init(_ policy: GroupMigrationPolicy) {
        self =
            switch policy {
            case .bidirectional: .bidirectional
            case .upgrade: .upgrade
            case .downgrade: .downgrade
            case .disabled: .disabled
            }
    }
}

extension GroupOverrides {
    fileprivate init(_ config: GroupConfig) {
        self.init()
        self.consumerSessionTimeoutMs = config.consumerSessionTimeoutMs.map { Int32(clamping: $0) }
        self.consumerHeartbeatIntervalMs = config.consumerHeartbeatIntervalMs.map { Int32(clamping: $0) }
        self.weights = config.consumerWeights.map { rule in
            WeightRule(
                subject: rule.subject == .clientID ? .clientID : .instanceID, pattern: rule.pattern, weight: rule.weight
            )
        }
    }
}
