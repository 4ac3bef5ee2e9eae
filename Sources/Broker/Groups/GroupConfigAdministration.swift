// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GroupCoordinator
import KafkaConfig
import Logging

// Changes of the configs of groups. They block on the disk and run on the admin thread, one after the other.

extension Broker {
    /// Replaces the configs of a group, which need not exist, by what `change` makes of those that are set. They are in
    /// force when this returns.
    func alterGroupConfigs(
        _ group: String,
        validateOnly: Bool,
        _ change: ([String: String]) throws -> [String: String]
    ) throws {
        let image = try self.metadata.alterGroupConfigs(group, validateOnly: validateOnly, change)
        if !validateOnly { self.refreshGroupSettings(image.groupConfigs) }
    }

    /// Builds anew what groups go by, out of the broker's configs in force and those of groups.
    func refreshGroupSettings(_ groupConfigs: [String: [String: String]]) {
        let settings = Self.groupSettings(self.config, groupConfigs, logger: self.logger)
        self.groups.use(settings)
    }

    /// What groups go by. A group whose configs cannot be read, as another version of Martlet has set them, goes by the
    /// broker's: that is told, and keeps nobody from working.
    static func groupSettings(
        _ config: BrokerConfig,
        _ groupConfigs: [String: [String: String]],
        logger: Logger
    ) -> GroupSettings {
        var parsed: [String: GroupConfig] = [:]
        for (group, configs) in groupConfigs {
            do throws(ConfigError) {
                parsed[group] = try GroupConfig(overrides: configs)
            } catch {
                logger.warning(
                    "the configs of a group cannot be read; it goes by the broker's until they are set again",
                    metadata: ["group": "\(group)", "error": "\(error)"]
                )
            }
        }
        return GroupSettings(config: config, groupConfigs: parsed)
    }

    /// Refuses a broker's configs that do not allow what a group has set for itself, and names the group.
    static func check(
        _ configs: [String: String],
        of group: String,
        against broker: BrokerConfig
    ) throws(ConfigError) {
        // What cannot be read is not in force either.
        guard let config = try? GroupConfig(overrides: configs) else { return }
        do throws(ConfigError) {
            try config.check(against: broker)
        } catch {
            throw ConfigError(error.code, name: error.name, message: "Group '\(group)' has set otherwise: \(error)")
        }
    }
}
