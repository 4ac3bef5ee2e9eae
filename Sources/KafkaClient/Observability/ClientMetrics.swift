// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

/// What the client tells of itself in numbers. Called for requests, batches and events, never for single records; from
/// any thread, and with no lock held that others wait for.
///
/// Without the trait `Metrics`, and where nobody collects, ``NoMetrics`` stands here.
protocol ClientMetrics: Sendable {
    // MARK: Connections

    /// A connection was made, login included.
    func connected(to address: BrokerAddress, after duration: Duration)
    /// A connection could not be made.
    func connectFailed(to address: BrokerAddress, _ error: any Error)
    /// A connection that was made has ended.
    func disconnected(from address: BrokerAddress)
    /// A request got its answer, or `error` instead. Error codes inside the answer do not count here.
    func requestEnded(_ request: RequestMeasurement, error: (any Error)?)

    // MARK: Producer

    /// A batch goes out for the first time. `bytes` is its size on the wire.
    func batchSent(to partition: TopicPartition, recordCount: Int, bytes: Int)
    /// A batch goes out again.
    func batchRetried(_ partition: TopicPartition, recordCount: Int)
    /// A batch was acknowledged, or given up with `error`; `duration` counts from its first record on.
    func batchEnded(_ partition: TopicPartition, recordCount: Int, after duration: Duration, error: (any Error)?)
    /// So much of the producer's buffer is in use.
    func bufferUsed(bytes: Int)
    /// A caller had to wait for room in the buffer.
    func bufferWaited(_ duration: Duration)

    // MARK: Consumer

    /// A broker answered a Fetch, with `bytes` of batches.
    func fetched(from address: BrokerAddress, bytes: Int, after duration: Duration)
    /// A batch was handed to the application.
    func batchConsumed(from partition: TopicPartition, group: String?, recordCount: Int)
    /// The application is done with a batch.
    func batchProcessed(from partition: TopicPartition, group: String?, after duration: Duration, error: (any Error)?)
    /// How many offsets lie between the position of the consumer and the end of the partition.
    func lagged(_ partition: TopicPartition, group: String?, offsets: Int64)
    /// The partition is not read any more: its lag is nobody's.
    func lagEnded(_ partition: TopicPartition, group: String?)
    /// Offsets were committed, or not.
    func committed(group: String, partitionCount: Int, after duration: Duration, error: (any Error)?)
    /// A group gave this member other partitions than before; `duration` counts from when the member learnt of the
    /// change to where it took over its part.
    func rebalanced(group: String, after duration: Duration)
}

/// One request, for ``ClientMetrics/requestEnded(_:error:)``.
struct RequestMeasurement: Sendable {
    var api: APIKey
    var address: BrokerAddress
    /// From the call to the answer, waiting for those before included.
    var duration: Duration
    /// The frame, in bytes.
    var sentBytes: Int
    /// The frame of the answer, in bytes; 0 without one.
    var receivedBytes: Int
}

/// Counts nothing.
struct NoMetrics: ClientMetrics {
    func connected(to address: BrokerAddress, after duration: Duration) {}
    func connectFailed(to address: BrokerAddress, _ error: any Error) {}
    func disconnected(from address: BrokerAddress) {}
    func requestEnded(_ request: RequestMeasurement, error: (any Error)?) {}
    func batchSent(to partition: TopicPartition, recordCount: Int, bytes: Int) {}
    func batchRetried(_ partition: TopicPartition, recordCount: Int) {}
    func batchEnded(_ partition: TopicPartition, recordCount: Int, after duration: Duration, error: (any Error)?) {}
    func bufferUsed(bytes: Int) {}
    func bufferWaited(_ duration: Duration) {}
    func fetched(from address: BrokerAddress, bytes: Int, after duration: Duration) {}
    func batchConsumed(from partition: TopicPartition, group: String?, recordCount: Int) {}
    func batchProcessed(
        from partition: TopicPartition, group: String?, after duration: Duration, error: (any Error)?
    ) {}
    func lagged(_ partition: TopicPartition, group: String?, offsets: Int64) {}
    func lagEnded(_ partition: TopicPartition, group: String?) {}
    func committed(group: String, partitionCount: Int, after duration: Duration, error: (any Error)?) {}
    func rebalanced(group: String, after duration: Duration) {}
}
