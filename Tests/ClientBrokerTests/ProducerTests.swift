// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import Testing

@Suite struct ProducerTests {
    private static func configuration(
        _ change: (inout KafkaProducerConfiguration) -> Void = { _ in }
    ) -> KafkaProducerConfiguration {
        var configuration = KafkaProducerConfiguration()
        configuration.retry.firstDelay = .milliseconds(5)
        change(&configuration)
        return configuration
    }

    @Test("a record is where its metadata says, with key, value, headers and timestamp")
    func record() async throws {
        try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
            let written = try await KafkaProducer.withProducer(martlet.cluster) { producer in
                let headers = [
                    RecordHeader(name: "a", value: ByteBuffer(string: "1")), RecordHeader(name: "a", value: nil),
                ]
                _ = try await producer.send(ProducerRecord(topic: "t", value: "first"))
                return try await producer.send(
                    ProducerRecord(topic: "t", key: "k", value: "second", headers: headers, timestamp: 1_234))
            }
            #expect(written.offset == 1)
            #expect(written.timestamp == 1_234)
            let records = try await martlet.records(of: "t")[0]
            let second = try #require(records.last)
            #expect(records.map(\.text) == ["first", "second"])
            #expect(second.key.map { String(buffer: $0) } == "k")
            #expect(second.headers.map(\.name) == ["a", "a"])
            #expect(second.timestamp == 1_234)
            #expect(try #require(records.first).timestamp > 1_700_000_000_000)
        }
    }

    @Test("what is enqueued is written in order, batched, in every codec", arguments: CompressionCodec.allCases)
    func codecs(codec: CompressionCodec) async throws {
        let count = 5_000
        try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
            let configuration = Self.configuration {
                $0.codec = codec
                $0.batchBytesMax = 16 * 1024
            }
            try await KafkaProducer.withProducer(martlet.cluster, configuration: configuration) { producer in
                var handles: [ProduceHandle] = []
                for number in 0..<count {
                    handles.append(try await producer.enqueue(ProducerRecord(topic: "t", value: "record \(number)")))
                }
                for (number, handle) in handles.enumerated() {
                    #expect(try await handle.metadata.offset == Offset(Int64(number)))
                }
            }
            let records = try await martlet.records(of: "t")[0]
            #expect(records.map(\.text) == (0..<count).map { "record \($0)" })
        }
    }

    @Test("every kind of acknowledgement writes", arguments: [RequiredAcks.none, .leader, .all])
    func acks(acks: RequiredAcks) async throws {
        try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
            let configuration = Self.configuration {
                $0.acks = acks
                $0.isIdempotent = acks == .all
            }
            let written = try await KafkaProducer.withProducer(martlet.cluster, configuration: configuration) {
                producer in try await producer.send(ProducerRecord(topic: "t", value: "x"))
            }
            #expect(written.offset == (acks == .none ? nil : 0))
            if acks != .none { #expect(try await martlet.records(of: "t")[0].count == 1) }
        }
    }

    @Test("kills and restarts under load lose nothing, write nothing twice, and keep the order")
    func restarts() async throws {
        let count = 4_000
        let configuration = MartletConfiguration(topics: [MartletTopic("t", partitions: 3)])
        try await withMartlet(configuration) { martlet in
            let producerConfiguration = Self.configuration {
                $0.batchBytesMax = 1_024
                $0.linger = .milliseconds(1)
                $0.requestTimeout = .seconds(5)
            }
            let (faults, fault) = AsyncStream.makeStream(of: Int.self)
            try await KafkaProducer.withProducer(martlet.cluster, configuration: producerConfiguration) { producer in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        var handles: [ProduceHandle] = []
                        for number in 0..<count {
                            let record = ProducerRecord(
                                topic: "t", partition: PartitionIndex(Int32(number % 3)), value: "\(number)")
                            handles.append(try await producer.enqueue(record))
                            if number % 900 == 500 { fault.yield(number) }
                            // Batches go out while the broker goes down and up.
                            if number.isMultiple(of: 50) { _ = try await handles[number].metadata }
                        }
                        fault.finish()
                        for handle in handles { _ = try await handle.metadata }
                    }
                    group.addTask {
                        for await number in faults {
                            try await number % 1_800 == 500 ? martlet.kill() : martlet.stop()
                            try await martlet.start()
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let partitions = try await martlet.records(of: "t", partitions: 3)
            for (index, records) in partitions.enumerated() {
                #expect(records.map(\.text) == stride(from: index, to: count, by: 3).map { "\($0)" })
            }
        }
    }

    @Test("many tasks that send one record each have all of them acknowledged")
    func manyTasks() async throws {
        try await withMartlet(MartletConfiguration(topics: [MartletTopic("t", partitions: 4)])) { martlet in
            let offsets = try await KafkaProducer.withProducer(martlet.cluster) { producer in
                try await withThrowingTaskGroup(of: RecordMetadata.self) { group in
                    for number in 0..<500 {
                        group.addTask {
                            try await producer.send(ProducerRecord(topic: "t", key: "k\(number)", value: "\(number)"))
                        }
                    }
                    return try await group.reduce(into: Set<RecordMetadata>()) { $0.insert($1) }
                }
            }
            #expect(Set(offsets.map { "\($0.partition) \($0.offset?.rawValue ?? -1)" }).count == 500)
            let written = try await martlet.records(of: "t", partitions: 4).flatMap(\.self)
            #expect(Set(written.map(\.text)).count == 500)
        }
    }
}
