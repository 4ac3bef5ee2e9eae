// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GroupCoordinator
package import KafkaTypes
package import NIOCore

// What a test does to a broker in its process and no client can do; see MartletTestKit.

extension Broker {
    /// Raises a partition's leader epoch by one, as another election does; the leader stays. Batches get the new one from
    /// now on, and who asks with the old one is refused.
    ///
    /// - Returns: the new epoch, on `eventLoop`; nil when there is no such partition.
    package func raiseLeaderEpoch(
        of partition: TopicPartition, on eventLoop: any EventLoop
    ) -> EventLoopFuture<LeaderEpoch?> {
        self.admin.run(on: eventLoop) {
            let found = self.topics.partition(
                name: partition.topic, id: .zero, index: partition.partition.rawValue)
            guard case .success((let topic, let served)) = found,
                let image = self.metadata.image.topic(id: topic.id)?.partition(partition.partition)
            else { return nil }
            let epoch = LeaderEpoch(image.leaderEpoch.rawValue + 1)
            try self.metadata.apply([
                .setPartitionState(
                    topic.id, partition.partition, leader: image.leader, leaderEpoch: epoch, isr: image.isr)
            ])
            served.leaderEpoch = epoch
            served.wakeObservers()
            return epoch
        }
    }

    /// The name of the topic with an id; nil when there is none.
    package func topicName(of id: TopicID) -> String? { self.metadata.image.topicName(of: id) }

    /// Ends the sessions of members of a group as if they had been silent for too long.
    ///
    /// - Parameter name: a member id, an instance id or a client id; nil for all members.
    /// - Returns: how many members that were.
    package func expireMembers(named name: String?, of group: String) -> Int {
        guard let host = self.groups.host(of: group) else { return 0 }
        var count = 0
        host.run { shard, environment in
            let ended = shard.endSessions(of: group, membersNamed: name, environment)
            count = ended.count
            return ended.effects
        }
        return count
    }

    /// Succeeds when everything is done that IO threads and the admin thread were told to do before.
    package func settled(on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        var waiting = self.ioThreads.map { $0.run(on: eventLoop) {} }
        waiting.append(self.admin.run(on: eventLoop) {})
        return .andAllComplete(waiting, on: eventLoop)
    }
}
