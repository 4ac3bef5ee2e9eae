// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaRecords

/// How a producer behaves. The defaults lose nothing, write nothing twice, and keep the order.
public struct KafkaProducerConfiguration: Sendable {
    /// Who must have a record before it counts as written. Default: `all`, which idempotence needs. Java: `acks`.
    public var acks = RequiredAcks.all
    /// The broker recognises what is sent a second time, and keeps the order, by a producer id and sequence numbers
    /// (KIP-98). Needs acks=all and at most 5 requests in flight. Default: true. Java: `enable.idempotence`.
    public var isIdempotent = true
    /// Without idempotence: a batch whose answer got lost is sent again, and may be in the log twice then. Default: false,
    /// it fails with `KafkaClientError/mayBeWritten`. Java: `retries` above 0 without `enable.idempotence`.
    public var resendsInDoubt = false

    /// How long a batch waits for more records. 0 to `deliveryTimeout`; while as many requests as may be are on their
    /// way, it waits longer. Default: 5 ms, Kafka's own since 4.0 (KIP-1030). Java: `linger.ms`.
    public var linger = Duration.milliseconds(5)
    /// The size at which a batch is full, in bytes before compression, header included. 1 KiB to 1 GiB; a larger record
    /// travels alone. Default: 256 KiB. Java's 16 KiB are taken of the memory for each partition from the first record
    /// on; here a batch begins with as much and grows, so that a larger limit costs nothing, and the work for a batch is
    /// shared by more records. Java: `batch.size`.
    public var batchBytesMax = 256 * 1024
    /// The size of a request, in bytes before compression. 1 KiB to 1 GiB; also the largest record, so it should be
    /// within the `max.message.bytes` of the topics. Default: 1 MiB. Java: `max.request.size`.
    public var requestBytesMax = 1024 * 1024
    /// How the records of a batch are compressed. Default: `none`. Java: `compression.type`.
    public var codec = CompressionCodec.none
    /// How hard the codec works. Java: `compression.gzip.level`, `compression.lz4.level`, `compression.zstd.level`.
    public var levels = CompressionLevels()
    /// Chooses partitions. Default: `Partitioner/keyHash`. Java: `partitioner.class`.
    public var partitioner = Partitioner.keyHash

    /// The memory for records that are not acknowledged yet, in bytes; who finds none left is suspended. At least twice
    /// `requestBytesMax` and twice `batchBytesMax`. Default: 32 MiB. Java: `buffer.memory`.
    public var bufferBytesMax = 32 * 1024 * 1024
    /// How long a caller is suspended at most, for memory or for the partitions of a topic. More than 0. Default: 60 s.
    /// Java: `max.block.ms`.
    public var maxBlock = Duration.seconds(60)
    /// How long a record may take from `enqueue` to its acknowledgement, waiting and retries included; then it fails with
    /// `timedOut`. At least `linger` and `requestTimeout` together. Default: 120 s. Java: `delivery.timeout.ms`.
    public var deliveryTimeout = Duration.seconds(120)
    /// How long a broker may take to answer; after that the connection is given up and the batch sent again. 1 ms to
    /// 24 days. Default: 30 s. Java: `request.timeout.ms`.
    public var requestTimeout = Duration.seconds(30)
    /// How many requests may be on their way to one broker, and with them how many batches of one partition. 1 to 1000;
    /// at most 5 with idempotence. Without idempotence the order is kept over retries with 1 only. Default: 5. Java:
    /// `max.in.flight.requests.per.connection`.
    public var inFlightRequestsMax = 5
    /// The waits between attempts; how many there may be is up to `deliveryTimeout`. Default: 100 ms, doubled each time up
    /// to 1 s, with jitter. Java: `retry.backoff.ms`, `retry.backoff.max.ms`.
    public var retry: RetryPolicy = {
        var retry = RetryPolicy()
        retry.firstDelay = .milliseconds(100)
        return retry
    }()
    /// How old what is known of a topic may become: new partitions are found after that. More than 0. Default: 5 min.
    /// Java: `metadata.max.age.ms`.
    public var metadataMaxAge = Duration.seconds(300)
    /// A topic that does not exist is created with the defaults of the broker, where that allows it. Default: true, as in
    /// Java.
    public var createsTopics = true

    /// The defaults.
    public init() {}

    /// A partition has at most this many idempotent batches on their way: brokers remember as many (KIP-98).
    static let idempotentInFlightMax = 5

    /// Throws `invalidRequest` for values out of range or at odds with each other, naming the option.
    func validate() throws(KafkaClientError) {
        let sizes = 1024...(1 << 30)
        let timeouts = Duration.milliseconds(1)...Duration.milliseconds(Int32.max)
        let checks: [(Bool, String)] = [
            (!self.isIdempotent || self.acks == .all, "isIdempotent needs acks = .all"),
            (
                !self.isIdempotent || self.inFlightRequestsMax <= Self.idempotentInFlightMax,
                "isIdempotent needs inFlightRequestsMax of at most \(Self.idempotentInFlightMax)"
            ),
            ((1...1000).contains(self.inFlightRequestsMax), "inFlightRequestsMax is 1 to 1000"),
            (sizes.contains(self.batchBytesMax), "batchBytesMax is 1 KiB to 1 GiB"),
            (sizes.contains(self.requestBytesMax), "requestBytesMax is 1 KiB to 1 GiB"),
            (
                self.bufferBytesMax / 2 >= max(self.requestBytesMax, self.batchBytesMax),
                "bufferBytesMax is at least twice requestBytesMax and batchBytesMax"
            ),
            (self.bufferBytesMax <= 1 << 50, "bufferBytesMax is at most 1 PiB"),
            (self.linger >= .zero, "linger is not negative"),
            (timeouts.contains(self.requestTimeout), "requestTimeout is 1 ms to 24 days"),
            (timeouts.contains(self.deliveryTimeout), "deliveryTimeout is 1 ms to 24 days"),
            (
                self.deliveryTimeout >= self.linger + self.requestTimeout,
                "deliveryTimeout is at least linger and requestTimeout together"
            ),
            (self.maxBlock > .zero, "maxBlock is more than 0"),
            (self.metadataMaxAge > .zero, "metadataMaxAge is more than 0"),
        ]
        for (holds, rule) in checks where !holds {
            throw KafkaClientError(.invalidRequest, "the configuration of the producer cannot be used: \(rule)")
        }
    }
}
