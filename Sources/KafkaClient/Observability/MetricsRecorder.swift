// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics

import KafkaTypes
import KafkaWire
import Metrics
import Synchronization

/// Hands what the client counts to swift-metrics.
///
/// An instrument is made once for each combination of dimensions, and looked up from then on: a call costs a lock and a
/// look into a table.
final class MetricsRecorder: ClientMetrics {
    /// More instruments of a kind than this are not kept, in case topics come and go: then all are made anew as needed.
    private static let instrumentsMax = 10_000

    private struct Key: Hashable {
        var name: String
        var first: String
        var second: String
        var third: String
    }

    private struct Instruments {
        var counters: [Key: Counter] = [:]
        var timers: [Key: Timer] = [:]
        var recorders: [Key: Recorder] = [:]
        var meters: [Key: Meter] = [:]
    }

    private let factory: any MetricsFactory
    private let instruments = Mutex(Instruments())

    init(factory: any MetricsFactory) { self.factory = factory }

    // MARK: Connections

    func connected(to address: BrokerAddress, after duration: Duration) {
        let broker = Dimension(Self.server, "\(address)")
        self.meter(KafkaMetricName.connections, broker).increment()
        self.counter(KafkaMetricName.connectionsMade, broker).increment()
        self.timer(KafkaMetricName.connectDuration, broker).record(duration: duration)
    }

    func connectFailed(to address: BrokerAddress, _ error: any Error) {
        self.counter(
            KafkaMetricName.connectionsFailed, Dimension(Self.server, "\(address)"), Self.errorType(error)
        ).increment()
    }

    func disconnected(from address: BrokerAddress) {
        self.meter(KafkaMetricName.connections, Dimension(Self.server, "\(address)")).decrement()
    }

    func requestEnded(_ request: RequestMeasurement, error: (any Error)?) {
        let api = Dimension(Self.api, request.api.name)
        self.timer(KafkaMetricName.requestDuration, api, Self.errorType(error)).record(duration: request.duration)
        self.counter(KafkaMetricName.sentBytes, api).increment(by: request.sentBytes)
        if request.receivedBytes > 0 {
            self.counter(KafkaMetricName.receivedBytes, api).increment(by: request.receivedBytes)
        }
    }

    // MARK: Producer

    func batchSent(to partition: TopicPartition, recordCount: Int, bytes: Int) {
        let topic = Dimension(Self.topic, partition.topic)
        self.recorder(KafkaMetricName.batchBytes, topic).record(bytes)
        self.recorder(KafkaMetricName.batchRecords, topic).record(recordCount)
    }

    func batchRetried(_ partition: TopicPartition, recordCount: Int) {
        self.counter(KafkaMetricName.retriedMessages, Dimension(Self.topic, partition.topic)).increment(by: recordCount)
    }

    func batchEnded(_ partition: TopicPartition, recordCount: Int, after duration: Duration, error: (any Error)?) {
        let (topic, failure) = (Dimension(Self.topic, partition.topic), Self.errorType(error))
        self.counter(KafkaMetricName.sentMessages, topic, failure).increment(by: recordCount)
        self.timer(KafkaMetricName.operationDuration, Dimension(Self.operation, "send"), topic, failure).record(
            duration: duration)
    }

    func bufferUsed(bytes: Int) { self.meter(KafkaMetricName.bufferUsed).set(bytes) }

    func bufferWaited(_ duration: Duration) { self.timer(KafkaMetricName.bufferWait).record(duration: duration) }

    // MARK: Consumer

    func fetched(from address: BrokerAddress, bytes: Int, after duration: Duration) {
        let broker = Dimension(Self.server, "\(address)")
        self.timer(KafkaMetricName.fetchDuration, broker).record(duration: duration)
        self.counter(KafkaMetricName.fetchBytes, broker).increment(by: bytes)
    }

    func batchConsumed(from partition: TopicPartition, group: String?, recordCount: Int) {
        self.counter(
            KafkaMetricName.consumedMessages, Dimension(Self.topic, partition.topic), Dimension(Self.group, group)
        ).increment(by: recordCount)
    }

    func batchProcessed(
        from partition: TopicPartition, group: String?, after duration: Duration, error: (any Error)?
    ) {
        self.timer(
            KafkaMetricName.processDuration, Dimension(Self.topic, partition.topic), Dimension(Self.group, group),
            Self.errorType(error)
        ).record(duration: duration)
    }

    func lagged(_ partition: TopicPartition, group: String?, offsets: Int64) {
        let dimensions = Self.dimensions(of: partition, group: group)
        self.meter(KafkaMetricName.lag, dimensions.0, dimensions.1, dimensions.2).set(offsets)
    }

    func lagEnded(_ partition: TopicPartition, group: String?) {
        let dimensions = Self.dimensions(of: partition, group: group)
        let key = Self.key(KafkaMetricName.lag, dimensions.0, dimensions.1, dimensions.2)
        self.instruments.withLock { $0.meters.removeValue(forKey: key) }?.destroy()
    }

    func committed(group: String, partitionCount: Int, after duration: Duration, error: (any Error)?) {
        let (group, failure) = (Dimension(Self.group, group), Self.errorType(error))
        self.counter(KafkaMetricName.commits, group, failure).increment()
        self.timer(KafkaMetricName.operationDuration, Dimension(Self.operation, "commit"), group, failure).record(
            duration: duration)
    }

    func rebalanced(group: String, after duration: Duration) {
        self.counter(KafkaMetricName.rebalances, Dimension(Self.group, group)).increment()
        self.timer(KafkaMetricName.rebalanceDuration, Dimension(Self.group, group)).record(duration: duration)
    }

    // MARK: Dimensions

    /// A name and a value; nothing with an empty value.
    private struct Dimension {
        var name: String
        var value: String

        init(_ name: String, _ value: String?) {
            self.name = name
            self.value = value ?? ""
        }

        static let none = Dimension("", nil)
    }

    private static let server = "server.address"
    private static let api = "kafka.api"
    private static let topic = "messaging.destination.name"
    private static let partition = "messaging.destination.partition.id"
    private static let group = "messaging.consumer.group.name"
    private static let operation = "messaging.operation.name"
    private static let system = ("messaging.system", "kafka")

    private static func dimensions(of partition: TopicPartition, group: String?) -> (Dimension, Dimension, Dimension) {
        (
            Dimension(self.topic, partition.topic), Dimension(self.partition, "\(partition.partition)"),
            Dimension(self.group, group)
        )
    }

    /// Nothing where nothing failed.
    private static func errorType(_ error: (any Error)?) -> Dimension {
        Dimension("error.type", error.map { ErrorKind.name(of: $0) })
    }

    // MARK: Instruments

    private static func key(
        _ name: String, _ first: Dimension, _ second: Dimension, _ third: Dimension
    ) -> Key {
        Key(name: name, first: first.value, second: second.value, third: third.value)
    }

    /// The instrument of these dimensions in one of the tables, made by `make` when there is none.
    private func instrument<Instrument>(
        in table: any WritableKeyPath<Instruments, [Key: Instrument]> & Sendable, _ name: String, _ first: Dimension,
        _ second: Dimension, _ third: Dimension, make: ([(String, String)]) -> Instrument
    ) -> Instrument {
        let key = Self.key(name, first, second, third)
        return self.instruments.withLock { instruments in
            if let known = instruments[keyPath: table][key] { return known }
            let dimensions = [first, second, third].filter { !$0.value.isEmpty }.map { ($0.name, $0.value) }
            let made = make([Self.system] + dimensions)
            if instruments[keyPath: table].count >= Self.instrumentsMax { instruments[keyPath: table] = [:] }
            instruments[keyPath: table][key] = made
            return made
        }
    }

    private func counter(
        _ name: String, _ first: Dimension = .none, _ second: Dimension = .none, _ third: Dimension = .none
    ) -> Counter {
        self.instrument(in: \.counters, name, first, second, third) {
            Counter(label: name, dimensions: $0, factory: self.factory)
        }
    }

    private func timer(
        _ name: String, _ first: Dimension = .none, _ second: Dimension = .none, _ third: Dimension = .none
    ) -> Timer {
        self.instrument(in: \.timers, name, first, second, third) {
            Timer(label: name, dimensions: $0, factory: self.factory)
        }
    }

    private func recorder(
        _ name: String, _ first: Dimension = .none, _ second: Dimension = .none, _ third: Dimension = .none
    ) -> Recorder {
        self.instrument(in: \.recorders, name, first, second, third) {
            Recorder(label: name, dimensions: $0, factory: self.factory)
        }
    }

    private func meter(
        _ name: String, _ first: Dimension = .none, _ second: Dimension = .none, _ third: Dimension = .none
    ) -> Meter {
        self.instrument(in: \.meters, name, first, second, third) {
            Meter(label: name, dimensions: $0, factory: self.factory)
        }
    }
}

#endif
