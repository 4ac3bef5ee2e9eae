// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The keys of the metadata in this library's logs. They are part of its interface: a key keeps its name and meaning, so
/// that queries over logs go on working.
///
/// Levels: `error` for what ends a client, `warning` for what needs somebody's attention although the client goes on,
/// `notice` for rare events of a cluster or group, `info` for beginnings and ends of clients, `debug` for connections,
/// retries and rebalances. Nothing is logged for single requests and records above `trace`.
public enum KafkaLogKey {
    /// The address of a broker: `host:port`.
    public static let broker = "broker"
    /// The number of a broker.
    public static let node = "node"
    /// The name of a topic.
    public static let topic = "topic"
    /// A partition as Kafka writes it: `topic-7`; or the number alone beside ``topic``.
    public static let partition = "partition"
    /// Several partitions, separated by commas.
    public static let partitions = "partitions"
    /// An offset in a partition.
    public static let offset = "offset"
    /// The id of a group.
    public static let group = "group"
    /// The id of a member of a group.
    public static let member = "member"
    /// The generation of a classic group, or the epoch of a member (KIP-848).
    public static let generation = "generation"
    /// The id of an idempotent producer.
    public static let producerID = "producer_id"
    /// The id of a transactional producer.
    public static let transactionalID = "transactional_id"
    /// Kafka's name of an API, for example `Metadata`.
    public static let api = "api"
    /// How often something was tried, from 1.
    public static let attempt = "attempt"
    /// Why: a message of an error, for people.
    public static let reason = "reason"
    /// Kafka's name of an error code, for programs.
    public static let errorCode = "error_code"
    /// A number of records.
    public static let records = "records"
    /// A number of bytes.
    public static let bytes = "bytes"
    /// A time span in milliseconds.
    public static let durationMs = "duration_ms"
    /// How a connection is protected: Kafka's `security.protocol`, and the login without its secret.
    public static let security = "security"
    /// The purpose of a connection.
    public static let lane = "lane"
}
