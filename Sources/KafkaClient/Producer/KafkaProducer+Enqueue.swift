// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes

extension KafkaProducer {
    /// Writes a record and waits until it is acknowledged.
    ///
    /// For one record at a time this takes `linger` and the way to the broker and back. To have many on their way, call it
    /// from many tasks, or ``enqueue(_:)`` them first and ask the handles later.
    ///
    /// Throws as ``enqueue(_:)`` and `ProduceHandle/metadata` do.
    public nonisolated(nonsending) func send(_ record: ProducerRecord) async throws -> RecordMetadata {
        #if Tracing
        if let tracing = self.cluster.telemetry.tracing {
            return try await tracing.sending(record) { try await self.place($0).metadata }
        }
        #endif
        return try await self.place(record).metadata
    }

    /// Puts a record into the batch of its partition. Returns at once, unless there is no memory left, or the topic is
    /// used for the first time: then the caller is suspended, up to `maxBlock`.
    ///
    /// Records that one task enqueues for one partition are written in that order. Suspended callers go on in the order of
    /// their arrival.
    ///
    /// Throws `KafkaClientError`: `closed` after ``close()``; `recordTooLarge`; `bufferFull` or `timedOut` after
    /// `maxBlock`; `invalidRequest` for a partition that the topic does not have; `brokerError` when the topic cannot be
    /// used. And `CancellationError` when the task is cancelled while it is suspended. The record is not enqueued then.
    @discardableResult
    public nonisolated(nonsending) func enqueue(_ record: ProducerRecord) async throws -> ProduceHandle {
        #if Tracing
        if let tracing = self.cluster.telemetry.tracing { return try await self.place(tracing.created(record)) }
        #endif
        return try await self.place(record)
    }

    private nonisolated(nonsending) func place(_ record: ProducerRecord) async throws -> ProduceHandle {
        if let handle = try self.tryPlace(record) { return handle }
        return try await self.enqueueWaiting(record)
    }

    /// Puts a record into the batch of its partition if that is possible without waiting, as ``enqueue(_:)`` does. For
    /// callers that cannot wait.
    ///
    /// Nil when there is no memory left, when others wait for it, or when the topic or the partition is not known yet. Throws
    /// `KafkaClientError`: `closed` and `recordTooLarge`, and `invalidRequest` for a record that cannot be encoded.
    public func tryEnqueue(_ record: ProducerRecord) throws(KafkaClientError) -> ProduceHandle? {
        #if Tracing
        if let tracing = self.cluster.telemetry.tracing { return try self.tryPlace(tracing.created(record)) }
        #endif
        return try self.tryPlace(record)
    }

    private func tryPlace(_ record: ProducerRecord) throws(KafkaClientError) -> ProduceHandle? {
        guard let topic = self.topics[record.topic] else { return nil }
        let size = try self.size(of: record)
        let timestamp = record.timestamp ?? self.clock.timestamp
        guard let choice = self.choose(record, topic) else { return nil }
        var placement = try choice.lane.append(
            record, size: size, timestamp: timestamp, isAnywhere: choice.isAnywhere)
        var lane = choice.lane
        if case .full = placement, let next = self.chooseAgain(record, topic, after: lane) {
            lane = next
            placement = try lane.append(record, size: size, timestamp: timestamp, isAnywhere: false)
        }
        switch placement {
        case .placed(let handle, let isNews):
            if isNews { self.pool.signals.post(.lane(lane)) }
            return handle
        case .full, .needsRoom: return nil
        case .closed: throw Self.closedError
        }
    }

    private static var closedError: KafkaClientError { KafkaClientError(.closed, "the producer is closed") }

    private func size(of record: ProducerRecord) throws(KafkaClientError) -> Int {
        let size = RecordBatchBuilder.sizeUpperBound(key: record.key, value: record.value, headers: record.headers)
        guard size <= self.recordBytesMax else {
            throw KafkaClientError(
                .recordTooLarge,
                "a record for \(record.topic) takes up to \(size) bytes, but requestBytesMax allows for records of"
                    + " \(self.recordBytesMax)")
        }
        return size
    }

    /// The lane for a record; nil when the topic has no such partition as far as is known.
    private func choose(
        _ record: ProducerRecord, _ topic: TopicLanes
    ) -> (lane: ProducerLane, isAnywhere: Bool)? {
        if let partition = record.partition {
            let index = Int(partition.rawValue)
            return topic.lanes.indices.contains(index) ? (topic.lanes[index], false) : nil
        }
        let answer = topic.choice.partition(for: record)
        guard topic.lanes.indices.contains(answer.index) else { return nil }
        return (topic.lanes[answer.index], answer.isAnywhere)
    }

    /// The batch of `lane` is full: records without a key go to another partition from now on.
    private func chooseAgain(
        _ record: ProducerRecord, _ topic: TopicLanes, after lane: ProducerLane
    ) -> ProducerLane? {
        topic.choice.rotate(from: Int(lane.partition.partition.rawValue))
        return self.choose(record, topic)?.lane
    }

    // MARK: With waiting

    private nonisolated(nonsending) func enqueueWaiting(_ record: ProducerRecord) async throws -> ProduceHandle {
        let topic = try await self.topic(of: record)
        let size = try self.size(of: record)
        guard let choice = self.choose(record, topic) else {
            let partition = record.partition.map { "partition \($0)" } ?? "such partition as the partitioner chose"
            throw KafkaClientError(
                .invalidRequest,
                "the topic \(topic.name) has no \(partition): it has \(topic.lanes.count)")
        }
        var credit = 0
        while true {
            let timestamp = record.timestamp ?? self.clock.timestamp
            let placement = try choice.lane.append(
                record, size: size, timestamp: timestamp, credit: credit, isAnywhere: false)
            switch placement {
            case .placed(let handle, let isNews):
                if isNews { self.pool.signals.post(.lane(choice.lane)) }
                return handle
            case .closed: throw Self.closedError
            case .full: credit = 0
            case .needsRoom(let bytes):
                try await self.waitForRoom(bytes, record)
                credit = bytes
            }
        }
    }

    private nonisolated(nonsending) func waitForRoom(_ bytes: Int, _ record: ProducerRecord) async throws {
        let room = self.pool.room
        let waiter = room.wait(for: bytes)
        let startMs = self.clock.nowMs()
        defer {
            self.cluster.telemetry.metrics?.bufferWaited(.milliseconds(self.clock.nowMs() - startMs))
        }
        self.pool.signals.post(.sendEverything)
        let (limit, total, topic) = (self.configuration.maxBlock, room.total, record.topic)
        do {
            try await waiter.value(within: limit, clock: self.clock.clock) {
                KafkaClientError(
                    .bufferFull,
                    "no memory became free within \(limit) for a record of \(topic): bufferBytesMax is \(total), and the"
                        + " cluster does not take records as fast as they come")
            }
        } catch {
            room.gaveUp()
            throw error
        }
    }

    /// The lanes of the record's topic; asks for them when they are not known or the partition is not among them.
    private nonisolated(nonsending) func topic(of record: ProducerRecord) async throws -> TopicLanes {
        if let known = self.topics[record.topic], record.partition.map({ Int($0.rawValue) < known.lanes.count }) ?? true
        {
            return known
        }
        let (limit, name) = (self.configuration.maxBlock, record.topic)
        try await self.lookups.wait(for: name).value(within: limit, clock: self.clock.clock) {
            KafkaClientError(
                .timedOut, "the partitions of \(name) were not known within \(limit): is the producer running?")
        }
        guard let topic = self.topics[name] else { throw Self.closedError }
        return topic
    }
}
