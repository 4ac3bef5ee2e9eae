// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension GroupMembership {
    /// How a consumer takes part in a group of the consumer protocol.
    struct Configuration: Sendable {
        /// `group.id`
        var groupID: String
        var topics: ConsumerGroupConfiguration.Topics
        /// `group.instance.id` (KIP-345)
        var instanceID: String?
        /// `client.rack`
        var rackID: String?
        /// `group.remote.assignor`; nil for what the broker prefers.
        var assignor: String?
        /// What this member can carry beside the others, for Martlet's brokers; nil for what is usual.
        var weight: Int32?
        /// How long the broker waits for this member to give up partitions: `max.poll.interval.ms`.
        var rebalanceTimeout: Duration = .seconds(300)

        init(groupID: String, topics: ConsumerGroupConfiguration.Topics) {
            self.groupID = groupID
            self.topics = topics
        }
    }
}
