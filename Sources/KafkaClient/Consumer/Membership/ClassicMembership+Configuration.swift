// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire

extension ClassicMembership {
    /// How a consumer takes part in a classic group.
    struct Configuration: Sendable {
        /// Which topics are wanted.
        enum Topics: Sendable {
            /// These, whether they exist yet or not.
            case names(Set<String>)
            /// All that the function says yes to, now and later, but not those of the cluster itself.
            case matching(@Sendable (String) -> Bool)
        }

        /// `group.id`
        var groupID: String
        var topics: Topics
        /// What this member can be the leader by, the most wanted first: `partition.assignment.strategy`.
        var assignors: [any ClassicAssignor]
        /// `group.instance.id` (KIP-345)
        var instanceID: String?
        /// `client.rack` (KIP-881)
        var rackID: String?
        /// After this time without a heartbeat the group takes the member for dead, and the member its partitions for
        /// lost: `session.timeout.ms`. The broker has its own limits, 6 s to 30 min.
        var sessionTimeout: Duration = .seconds(45)
        /// How long the group waits for this member to give up its partitions and join again: `max.poll.interval.ms`.
        var rebalanceTimeout: Duration = .seconds(300)
        /// A third of the session time-out at most: `heartbeat.interval.ms`.
        var heartbeatInterval: Duration = .seconds(3)
        /// How often it is looked whether topics have come, gone, or grown: `metadata.max.age.ms`.
        var topicsInterval: Duration = .seconds(300)

        init(groupID: String, topics: Topics, assignors: [any ClassicAssignor]) {
            self.groupID = groupID
            self.topics = topics
            self.assignors = assignors
        }

        /// With several assignors the group may choose any of them, so all have to be cooperative.
        var isCooperative: Bool { self.assignors.allSatisfy(\.isCooperative) }

        /// Throws `invalidRequest` for what no broker would take, or what cannot work.
        func validate() throws(KafkaClientError) {
            var texts = [self.groupID, self.instanceID ?? "-", self.rackID ?? "-"] + self.assignors.map(\.name)
            if case .names(let names) = self.topics {
                guard !names.isEmpty else { throw self.invalid("no topics to read") }
                texts += names
            }
            for text in texts where text.isEmpty || text.utf8.count > WireLimits.stringBytesMax {
                throw self.invalid(
                    "ids and names have 1 to \(WireLimits.stringBytesMax) bytes, and not \(text.utf8.count)")
            }
            guard !self.assignors.isEmpty else { throw self.invalid("no assignors") }
            guard Set(self.assignors.map(\.name)).count == self.assignors.count else {
                throw self.invalid("two assignors have the same name")
            }
            guard self.heartbeatInterval > .zero, self.heartbeatInterval * 3 <= self.sessionTimeout else {
                throw self.invalid(
                    "the heartbeat interval \(self.heartbeatInterval) is more than a third of the session time-out"
                        + " \(self.sessionTimeout), or nothing")
            }
            guard self.rebalanceTimeout > .zero, self.topicsInterval > .zero else {
                throw self.invalid("a time-out is negative, or nothing")
            }
        }

        private func invalid(_ reason: String) -> KafkaClientError {
            KafkaClientError(.invalidRequest, "group \(self.groupID): \(reason)")
        }
    }
}
