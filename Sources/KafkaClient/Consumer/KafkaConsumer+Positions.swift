// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

extension KafkaConsumer {
    /// The batches, one after the other. See ``ConsumedBatches``.
    public var batches: ConsumedBatches { ConsumedBatches(consumer: self) }

    /// The records, one after the other. See ``ConsumedRecords``.
    public var records: ConsumedRecords { ConsumedRecords(consumer: self) }

    // MARK: The assignment

    /// The partitions that are read.
    public var assignment: Set<TopicPartition> { self.withState { Set($0.fetcher.partitions.keys) } }

    /// Says which partitions are read, and where those begin that are new. Those that were read already go on where
    /// they are; what is not named is read no more. May be called before ``run()``. Linear in the partitions.
    ///
    /// Throws `invalidRequest` for a consumer whose partitions a group decides on.
    public func assign(_ partitions: [TopicPartition: ConsumerStart]) throws(KafkaClientError) {
        guard case .assignment = self.configuration.subscription else {
            throw KafkaClientError(.invalidRequest, "the group decides which partitions are read")
        }
        self.interrupt { state in
            let old = Set(state.fetcher.partitions.keys)
            state.remove(old.subtracting(partitions.keys))
            for (partition, start) in partitions where !old.contains(partition) {
                state.assign(partition, start: start)
            }
        }
    }

    /// Goes on elsewhere in a partition. Nothing from before is delivered after this returns, apart from the batch or
    /// record that was delivered already, which does not count as processed any more. Offsets that are committed from
    /// now on are those of the new place.
    ///
    /// Throws `invalidRequest` for a partition that is not read.
    public func seek(_ partition: TopicPartition, to start: ConsumerStart) throws(KafkaClientError) {
        let isAssigned = self.interrupt { $0.seek(partition, to: start) }
        guard isAssigned else { throw Self.notAssigned(partition) }
    }

    /// Delivers nothing of these partitions until ``resume(_:)``. The membership is not touched by it: it is how a slow
    /// receiver stays in its group. What was fetched ahead of them is fetched again afterwards. A partition that is
    /// taken away and comes back is not paused.
    ///
    /// Throws `invalidRequest`, and changes nothing, when one is not read.
    public func pause(_ partitions: some Sequence<TopicPartition>) throws(KafkaClientError) {
        try self.forEach(partitions) { $0.fetcher.pause($1) }
    }

    /// Goes on where ``pause(_:)`` has stopped. Throws as that does.
    public func resume(_ partitions: some Sequence<TopicPartition>) throws(KafkaClientError) {
        try self.forEach(partitions) { $0.fetcher.resume($1) }
    }

    private func forEach(
        _ partitions: some Sequence<TopicPartition>, _ body: (inout ConsumerState, TopicPartition) -> Void
    ) throws(KafkaClientError) {
        let partitions = Array(partitions)
        let missing = self.interrupt { state -> TopicPartition? in
            if let missing = partitions.first(where: { state.fetcher.partitions[$0] == nil }) { return missing }
            for partition in partitions { body(&state, partition) }
            return nil
        }
        if let missing { throw Self.notAssigned(missing) }
    }

    private static func notAssigned(_ partition: TopicPartition) -> KafkaClientError {
        KafkaClientError(.invalidRequest, "\(partition) is not assigned to this consumer")
    }

    /// The partitions that are paused.
    public var paused: Set<TopicPartition> { self.withState(\.fetcher.paused) }

    // MARK: Offsets

    /// The offset that is delivered next; nil for a partition that is not read, or whose start is being looked up.
    public func position(of partition: TopicPartition) -> Offset? { self.withState { $0.position(of: partition) } }

    /// How far a partition was processed: the offset that would be committed now. Nil as for ``position(of:)``.
    public func processed(of partition: TopicPartition) -> Offset? {
        self.withState { state in
            state.noteProgress()
            return state.offsets.position(of: partition)
        }
    }

    /// The end of a partition as its leader told it last; nil before the first answer. With read-committed part of it
    /// may not be readable yet.
    public func highWatermark(of partition: TopicPartition) -> Offset? {
        self.withState { $0.fetcher.highWatermark(of: partition).map { Offset($0) } }
    }

    /// How many offsets of a partition may be read and were not delivered yet, as far as the leader's last answer
    /// tells: those from ``position(of:)`` up to the last stable offset with read-committed, otherwise up to the high
    /// watermark. Not negative; markers of transactions and aborted records count, too. Nil while the position or the
    /// end is not known. Java: `currentLag`.
    public func lag(of partition: TopicPartition) -> Int64? {
        self.withState { state -> Int64? in
            guard let position = state.position(of: partition)?.rawValue,
                let end = state.fetcher.readableEnd(of: partition)
            else { return nil }
            return end > position ? end &- position : 0
        }
    }

    /// The first record at or after a time, in milliseconds since 1970, of each partition, whether it is read or not.
    /// Partitions fail on their own; an offset is nil where no record is as late as that. Throws `CancellationError`,
    /// and `KafkaClientError` when the cluster cannot be asked.
    public func offsets(for times: [TopicPartition: Int64]) async throws -> PartitionResults<ListedOffset> {
        try await self.cluster.listOffsets(
            times.mapValues { .timestamp($0) }, isolation: self.configuration.isolation)
    }

    /// Where partitions end now for this consumer, whether it reads them or not: the last stable offset with
    /// read-committed, otherwise the high watermark. One request to each leader; partitions fail on their own. Throws
    /// as ``offsets(for:)`` does. Java: `endOffsets`.
    public func endOffsets(of partitions: [TopicPartition]) async throws -> PartitionResults<ListedOffset> {
        try await self.cluster.listOffsets(
            Dictionary(partitions.map { ($0, .latest) }) { first, _ in first },
            isolation: self.configuration.isolation)
    }
}
