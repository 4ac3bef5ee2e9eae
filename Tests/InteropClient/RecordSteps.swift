// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient

/// The steps that write and read records.
struct RecordSteps {
    private static let readTimeout = Duration.seconds(60)

    let cluster: KafkaCluster

    /// Nil for a step of another kind.
    func run(_ step: Step) async throws -> Answer? {
        switch step.do {
        case "produce": try await self.produce(step)
        case "produce_sequence": try await self.produceSequence(step)
        case "consume": try await self.consume(step)
        case "consume_sequence": try await self.consumeSequence(step)
        case "seek": try await self.seek(step)
        default: nil
        }
    }

    // MARK: Writing

    private func configuration(_ step: Step, isIdempotent: Bool) throws -> KafkaProducerConfiguration {
        var configuration = KafkaProducerConfiguration()
        configuration.isIdempotent = isIdempotent
        if let name = step.codec {
            guard let codec = CompressionCodec(name: name) else { throw JobError("no codec: \(name)") }
            configuration.codec = codec
        }
        switch step.acks ?? "all" {
        case "0": (configuration.acks, configuration.isIdempotent) = (.none, false)
        case "1": (configuration.acks, configuration.isIdempotent) = (.leader, false)
        default: configuration.acks = .all
        }
        for (name, value) in step.settings ?? [:] {
            switch name {
            case "linger.ms": configuration.linger = .milliseconds(Int(value.text) ?? 0)
            case "enable.idempotence", "enable_idempotence": configuration.isIdempotent = value.text == "true"
            case "message.max.bytes", "max_request_size", "max.request.size":
                configuration.requestBytesMax = Int(value.text) ?? configuration.requestBytesMax
                configuration.bufferBytesMax = max(configuration.bufferBytesMax, 4 * configuration.requestBytesMax)
            default: throw JobError("the setting \(name) is not understood")
            }
        }
        return configuration
    }

    private func record(_ field: Step.RecordField, topic: String) throws -> ProducerRecord {
        var value = try decoded(field.value)
        if let path = field.valueFile { value = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: path))) }
        return ProducerRecord(
            topic: topic, partition: field.partition.map { PartitionIndex($0) }, key: try decoded(field.key),
            value: value,
            headers: try (field.headers ?? []).map { RecordHeader(name: $0.name, value: try decoded($0.value)) },
            timestamp: field.timestamp)
    }

    private func produce(_ step: Step) async throws -> Answer {
        let topic = try step.need(\.topic, "topic")
        let configuration = try self.configuration(step, isIdempotent: false)
        return try await KafkaProducer.withProducer(self.cluster.configuration, configuration: configuration) {
            producer in
            var handles: [Result<ProduceHandle, KafkaClientError>] = []
            for field in try step.need(\.records, "records") {
                let record = try self.record(field, topic: topic)
                do {
                    handles.append(.success(try await producer.enqueue(record)))
                } catch let error as KafkaClientError {
                    handles.append(.failure(error))
                }
            }
            var deliveries: [Answer] = []
            for handle in handles {
                do {
                    let metadata = try await handle.get().metadata
                    deliveries.append(
                        .object([
                            "partition": .number(Int64(metadata.partition.partition.rawValue)),
                            "offset": metadata.offset.map { .number($0.rawValue) } ?? .null,
                        ]))
                } catch let error as KafkaClientError {
                    deliveries.append(.failure(error.errorCode?.name ?? error.code.description, error.message))
                }
            }
            return .object(["deliveries": .list(deliveries)])
        }
    }

    private func produceSequence(_ step: Step) async throws -> Answer {
        let topic = try step.need(\.topic, "topic")
        let partitions = try step.need(\.partitions, "partitions")
        let size = try step.need(\.size, "size")
        let progress = SendingProgress(file: step.progressFile)
        let configuration = try self.configuration(step, isIdempotent: step.idempotent ?? true)
        return try await KafkaProducer.withProducer(self.cluster.configuration, configuration: configuration) {
            producer in
            let clock = ContinuousClock()
            let start = clock.now
            var sent = 0
            var batch: [ProduceHandle] = []
            func settle() async throws {
                for handle in batch {
                    do {
                        _ = try await handle.metadata
                        try progress.succeeded()
                    } catch let error as KafkaClientError {
                        progress.failed(error)
                    }
                }
                batch.removeAll(keepingCapacity: true)
            }
            while step.count.map({ sent < $0 }) ?? true {
                if sent % NumberedRecord.paceRecords == 0 {
                    if let file = step.stopFile, FileManager.default.fileExists(atPath: file) { break }
                    if let rate = step.recordsPerSecond {
                        let ahead = Duration.seconds(Double(sent) / Double(rate)) - start.duration(to: clock.now)
                        if ahead > .zero { try await clock.sleep(for: ahead) }
                        // A test that sets a pace watches the progress.
                        try await settle()
                    }
                }
                let record = ProducerRecord(
                    topic: topic, partition: PartitionIndex(Int32(sent) % partitions),
                    value: NumberedRecord.bytes(sent, size: size))
                batch.append(try await producer.enqueue(record))
                sent += 1
            }
            try await settle()
            return progress.result(sent: sent)
        }
    }

    // MARK: Reading

    private func configuration(
        _ step: Step, _ starts: [TopicPartition: ConsumerStart]
    ) throws -> KafkaConsumerConfiguration {
        var configuration = KafkaConsumerConfiguration(subscription: .assignment(starts))
        configuration.offsetReset = .fail
        configuration.isolation = step.isolation == "read_committed" ? .readCommitted : .readUncommitted
        configuration.fetchMaxWait = .milliseconds(20)
        return configuration
    }

    private func starts(_ step: Step) throws -> [TopicPartition: ConsumerStart] {
        Dictionary(
            try step.need(\.from, "from").map { (try step.partition($0.partition), .offset(Offset($0.offset))) }
        ) { first, _ in first }
    }

    /// Hands `count` records to `body`.
    private func read(
        _ configuration: KafkaConsumerConfiguration, count: Int, _ body: (KafkaConsumer, ConsumedRecord) throws -> Void
    ) async throws {
        guard count > 0 else { return }
        try await KafkaConsumer.withConsumer(self.cluster.configuration, configuration: configuration) { consumer in
            var left = count
            for try await record in consumer.records {
                try body(consumer, record)
                left -= 1
                if left == 0 { return }
            }
        }
    }

    private func consume(_ step: Step) async throws -> Answer {
        let starts = try self.starts(step)
        var records: [Answer] = []
        let configuration = try self.configuration(step, starts)
        try await self.read(configuration, count: try step.need(\.count, "count")) { _, consumed in
            records.append(try self.answer(consumed, step))
        }
        let ends = try await self.cluster.listOffsets(starts.mapValues { _ in .latest })
        return .object([
            "records": .list(records),
            "ends": .object(
                try ends.reduce(into: [:]) { answer, end in
                    answer["\(end.key.partition)"] = try end.value.get().offset.map { .number($0.rawValue) } ?? .null
                }),
        ])
    }

    private func answer(_ consumed: ConsumedRecord, _ step: Step) throws -> Answer {
        let record = consumed.record
        var answer: [String: Answer] = [
            "partition": .number(Int64(consumed.partition.partition.rawValue)), "offset": .number(record.offset),
            "timestamp": .number(record.timestamp), "key": .bytes(record.key),
            "headers": .list(record.headers.map { .object(["name": .text($0.name), "value": .bytes($0.value)]) }),
        ]
        if let folder = step.valuesTo {
            let path = "\(folder)/\(consumed.partition.topic)-\(consumed.partition.partition)-\(record.offset)"
            try Data((record.value ?? ByteBuffer()).readableBytesView).write(to: URL(fileURLWithPath: path))
            answer["valueFile"] = .text(path)
        } else {
            answer["value"] = .bytes(record.value)
        }
        return .object(answer)
    }

    private func consumeSequence(_ step: Step) async throws -> Answer {
        let count = try step.need(\.partitions, "partitions")
        let partitions = try (0..<count).map { try step.partition($0) }
        let ends = try await self.cluster.listOffsets(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
        let total = try ends.values.reduce(0) { try $0 + Int($1.get().offset?.rawValue ?? 0) }
        var check = SequenceCheck(partitions: Int(count), size: try step.need(\.size, "size"))
        let starts = Dictionary(uniqueKeysWithValues: partitions.map { ($0, ConsumerStart.offset(0)) })
        try await self.read(try self.configuration(step, starts), count: total) { _, consumed in
            check.receive(
                partition: Int(consumed.partition.partition.rawValue), offset: consumed.record.offset,
                value: consumed.record.value)
        }
        return check.result
    }

    /// The offset of the record that comes after each seek.
    private func seek(_ step: Step) async throws -> Answer {
        let starts = try self.starts(step)
        guard let partition = starts.keys.first else { throw JobError("seek needs a partition") }
        var seeks = try step.need(\.seeks, "seeks")[...]
        var offsets: [Answer] = []
        let count = seeks.count + 1
        try await self.read(try self.configuration(step, starts), count: count) { consumer, consumed in
            offsets.append(.number(consumed.record.offset))
            if let next = seeks.popFirst() { try consumer.seek(partition, to: .offset(Offset(next))) }
        }
        return .object(["offsets": .list(offsets)])
    }
}
