// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics

/// The names of this library's metrics. They are part of its interface, and keep their meaning.
///
/// Where OpenTelemetry's conventions for messaging have a name it is used; the rest begins with `kafka.`. docs/OBSERVABILITY.md
/// has the table with kinds, units, dimensions, and the names that Kafka's own clients use.
public enum KafkaMetricName {
    /// Time of a send, receive or commit. Timer; `messaging.operation.name`, `messaging.destination.name`, `error.type`.
    public static let operationDuration = "messaging.client.operation.duration"
    /// Records that were acknowledged, or failed for good. Counter; `messaging.destination.name`, `error.type`.
    public static let sentMessages = "messaging.client.sent.messages"
    /// Records handed to the application. Counter; `messaging.destination.name`, `messaging.consumer.group.name`.
    public static let consumedMessages = "messaging.client.consumed.messages"
    /// Time that the application took for a batch. Timer; as above, and `error.type`.
    public static let processDuration = "messaging.process.duration"

    /// Connections that are open. Meter; `server.address`.
    public static let connections = "kafka.client.connections"
    /// Connections that were made. Counter; `server.address`.
    public static let connectionsMade = "kafka.client.connections.made"
    /// Connections that could not be made. Counter; `server.address`, `error.type`.
    public static let connectionsFailed = "kafka.client.connections.failed"
    /// Time to make a connection. Timer; `server.address`.
    public static let connectDuration = "kafka.client.connect.duration"
    /// Time from a request to its answer. Timer; `kafka.api`, `error.type`.
    public static let requestDuration = "kafka.client.request.duration"
    /// Bytes of requests. Counter; `kafka.api`.
    public static let sentBytes = "kafka.client.sent.bytes"
    /// Bytes of answers. Counter; `kafka.api`.
    public static let receivedBytes = "kafka.client.received.bytes"

    /// Size of batches on the wire, in bytes. Recorder; `messaging.destination.name`.
    public static let batchBytes = "kafka.producer.batch.bytes"
    /// Records in a batch. Recorder; `messaging.destination.name`.
    public static let batchRecords = "kafka.producer.batch.records"
    /// Records that were sent again. Counter; `messaging.destination.name`.
    public static let retriedMessages = "kafka.producer.retried.messages"
    /// Bytes of the producer's buffer that are in use. Meter.
    public static let bufferUsed = "kafka.producer.buffer.used"
    /// Time that callers waited for room in the buffer. Timer.
    public static let bufferWait = "kafka.producer.buffer.wait"

    /// Time of a Fetch, waiting for records included. Timer; `server.address`.
    public static let fetchDuration = "kafka.consumer.fetch.duration"
    /// Bytes of batches in answers to Fetch. Counter; `server.address`.
    public static let fetchBytes = "kafka.consumer.fetch.bytes"
    /// Offsets between the position and the end of a partition. Meter; `messaging.destination.name`,
    /// `messaging.destination.partition.id`, `messaging.consumer.group.name`.
    public static let lag = "kafka.consumer.lag"
    /// Commits. Counter; `messaging.consumer.group.name`, `error.type`.
    public static let commits = "kafka.consumer.commits"
    /// Changes of the assignment. Counter; `messaging.consumer.group.name`.
    public static let rebalances = "kafka.consumer.rebalances"
    /// Time of such a change. Timer; `messaging.consumer.group.name`.
    public static let rebalanceDuration = "kafka.consumer.rebalance.duration"
}

#endif
