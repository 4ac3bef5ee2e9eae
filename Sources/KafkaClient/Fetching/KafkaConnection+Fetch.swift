// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// A partition to be fetched, from an offset.
struct FetchPosition: Sendable {
    var partition: TopicPartition
    /// Nil with brokers that have no topic ids.
    var topicID: TopicID?
    var offset: Int64
    /// Of the leader as the cluster described it; a broker that knows of a later one says so (KIP-320). `none` when not
    /// known.
    var leaderEpoch = LeaderEpoch.none
}

/// What a Fetch brought of one partition.
struct FetchedPartition: Sendable {
    var partition: TopicPartition
    var errorCode: ErrorCode
    var highWatermark: Int64
    /// -1 when the broker does not say.
    var logStartOffset: Int64
    /// Whole batches, and perhaps the beginning of one more.
    var records: ByteBuffer
    /// With read-committed: the transactions that were aborted and have records among these.
    var aborted: [AbortedTransactions.Entry] = []
    /// Where the first transaction begins that is still open, or the high watermark; -1 when the broker does not say.
    var lastStableOffset: Int64 = -1
}

/// How much one Fetch may bring, and how long it may take.
struct FetchLimits: Sendable {
    var maxWait: Duration
    var minBytes: Int32
    var maxBytes: Int32
    var partitionMaxBytes: Int32
    var isolation = ReadIsolation.readUncommitted
}

/// The answer to a Fetch.
struct FetchAnswer: Sendable {
    var partitions: [FetchedPartition]
    /// How long the broker asks to be left alone (KIP-219).
    var throttle: Duration
}

extension KafkaConnection {
    /// Fetches from this broker once, without a session. The time-out is for the whole exchange, the wait of the broker
    /// included; nil for the configured one.
    func fetch(
        _ positions: [FetchPosition], limits: FetchLimits, timeout: Duration? = nil
    ) async throws -> FetchAnswer {
        var request = FetchRequest()
        request.maxWaitMs = Int32(clamping: limits.maxWait.milliseconds)
        request.minBytes = limits.minBytes
        request.maxBytes = limits.maxBytes
        request.isolationLevel = limits.isolation.rawValue
        var ids: [TopicID: String] = [:]
        var places: [String: Int] = [:]
        for position in positions {
            let name = position.partition.topic
            let place = places[name] ?? request.topics.count
            if place == request.topics.count {
                var topic = FetchRequest.FetchTopic()
                topic.topic = name
                topic.topicID = position.topicID ?? .zero
                request.topics.append(topic)
                places[name] = place
                if let id = position.topicID { ids[id] = name }
            }
            var entry = FetchRequest.FetchPartition()
            entry.partition = position.partition.partition.rawValue
            entry.currentLeaderEpoch = position.leaderEpoch.rawValue
            entry.fetchOffset = position.offset
            entry.partitionMaxBytes = limits.partitionMaxBytes
            request.topics[place].partitions.append(entry)
        }
        // From version 13 on topics have ids instead of names (KIP-516).
        let versions: ClosedRange<Int16> = 0...(ids.count == request.topics.count ? Int16.max : 12)
        let response = try await self.send(request, versions: versions, timeout: timeout)
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else { throw KafkaClientError(errorCode, subject: "Fetch from \(self.address)") }
        let partitions = response.responses.flatMap { topic in
            let name = topic.topic.isEmpty ? ids[topic.topicID] ?? "" : topic.topic
            return topic.partitions.map { FetchedPartition(topic: name, $0) }
        }
        return FetchAnswer(
            partitions: partitions, throttle: .milliseconds(max(response.throttleTimeMs, 0)))
    }
}

extension FetchedPartition {
    init(topic: String, _ entry: FetchResponse.PartitionData) {
        self.init(
            partition: TopicPartition(topic: topic, partition: PartitionIndex(entry.partitionIndex)),
            errorCode: ErrorCode(rawValue: entry.errorCode), highWatermark: entry.highWatermark,
            logStartOffset: entry.logStartOffset, records: entry.records?.buffer ?? ByteBuffer(),
            aborted: (entry.abortedTransactions ?? []).map {
                AbortedTransactions.Entry(producerID: $0.producerID, firstOffset: $0.firstOffset)
            }, lastStableOffset: entry.lastStableOffset)
    }
}

extension Duration {
    /// The largest number of seconds that is told from longer ones: more than 30 million years.
    private static let secondsMax: Int64 = 1_000_000_000_000_000

    /// Whole milliseconds, rounded towards zero. What is longer than anybody waits stays within numbers that can be
    /// added to a time.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let clamped = min(max(seconds, -Self.secondsMax), Self.secondsMax)
        return clamped * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
