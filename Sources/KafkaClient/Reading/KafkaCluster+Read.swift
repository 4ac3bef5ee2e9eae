// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

import KafkaWire

extension KafkaCluster {
    /// Reads partitions, all brokers at once, and hands every batch to `deliver`.
    ///
    /// The batches of one partition come in the order of their offsets, one after the other; those of partitions with
    /// different leaders may come at the same time. While `deliver` works, the broker is asked for the next batches, and
    /// for no more than those. Returns when all ranges are read, or when `deliver` says so. A leader that moves, or a
    /// broker that restarts, is not an error unless it takes longer than the retry policy allows.
    ///
    /// Throws `KafkaClientError`, for example for an offset that the partition does not have; what `deliver` throws; and
    /// `CancellationError`.
    public func read(
        _ ranges: [ReadRange], configuration: ReadConfiguration = ReadConfiguration(),
        deliver: @escaping @Sendable (ReadBatch) async throws -> ReadDecision
    ) async throws {
        try await withThrowingTaskGroup(of: LeaderReader.Outcome.self) { tasks in
            try await self.start(ranges.map(ReadCursor.init), configuration, deliver, &tasks)
            var failures = 0
            while let outcome = try await tasks.next() {
                switch outcome {
                case .finished:
                    break
                case .stopped:
                    tasks.cancelAll()
                    return
                case .interrupted(let cursors, let error, let madeProgress):
                    failures = madeProgress ? 1 : failures + 1
                    try await self.backOff(attempt: failures, after: error)
                    for topic in Set(cursors.map(\.partition.topic)) { self.forget(topic: topic) }
                    try await self.start(cursors, configuration, deliver, &tasks)
                }
            }
        }
    }

    /// Starts one reader per leader.
    private func start(
        _ cursors: [ReadCursor], _ configuration: ReadConfiguration,
        _ deliver: @escaping @Sendable (ReadBatch) async throws -> ReadDecision,
        _ tasks: inout ThrowingTaskGroup<LeaderReader.Outcome, any Error>
    ) async throws {
        let byPartition = Dictionary(cursors.map { ($0.partition, $0) }) { first, _ in first }
        let groups = try await self.retrying {
            let (groups, leaderless) = try await self.groupedByLeader(byPartition.keys.sorted())
            if let error = leaderless.values.first { throw error }
            return groups
        }
        for (address, partitions) in groups {
            var group: [ReadCursor] = []
            for partition in partitions {
                guard var cursor = byPartition[partition] else { continue }
                cursor.topicID = try await self.topic(partition.topic).topicID
                group.append(cursor)
            }
            let reader = LeaderReader(
                cluster: self, address: address, configuration: configuration, deliver: deliver)
            tasks.addTask { [group] in try await reader.run(group) }
        }
    }
}
