// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import NIOCore

extension GroupLagKeeper {
    /// A keeper for all groups of the coordinator; those whose shard is being loaded are left out until it is there.
    convenience init(
        broker topics: TopicTable, _ groups: GroupCoordinatorService, _ readers: WorkerPool, _ clock: BrokerClock
    ) {
        self.init(topics: topics, readers: readers, clock: clock, logger: groups.logger) {
            groups.all.compactMap { host in try? host.read { shard, _ in shard.committedOffsets() }.get() }
        }
    }

    /// An answer to OffsetFetch with the lag of its partitions, which may have to be read from the disk. An error stays
    /// what it is.
    func addLag(
        to answer: Answer<OffsetFetchResponse.OffsetFetchResponseGroup>, on eventLoop: any EventLoop
    ) -> Answer<OffsetFetchResponse.OffsetFetchResponseGroup> {
        switch answer {
        case .now(let group): .later(self.addLag(to: group, on: eventLoop))
        case .later(let future): .later(future.flatMap { self.addLag(to: $0, on: eventLoop) })
        }
    }

    private func addLag(
        to group: OffsetFetchResponse.OffsetFetchResponseGroup, on eventLoop: any EventLoop
    ) -> EventLoopFuture<OffsetFetchResponse.OffsetFetchResponseGroup> {
        self.readers.run(on: eventLoop) {
            var group = group
            self.addLag(to: &group)
            return group
        }
    }
}

extension Broker {
    /// How far all consumer groups are behind, as of the last look, some seconds ago: for metrics. Empty until the
    /// housekeeping has run for a while.
    public var groupLags: GroupLagSnapshot { self.groupLag.latest }
}
