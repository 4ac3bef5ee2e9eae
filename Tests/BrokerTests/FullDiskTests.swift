// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import Foundation
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Synchronization
import Testing

@testable import Broker

/// A disk of 1 GiB whose free bytes a test sets. The automatic mark is 64 MiB.
private final class FakeDisk: Sendable {
    private let free = Atomic<Int64>(500 << 20)

    var usable: Int64 {
        get { self.free.load(ordering: .relaxed) }
        set { self.free.store(newValue, ordering: .relaxed) }
    }

    var source: @Sendable () -> DiskSpace? { { DiskSpace(total: 1 << 30, usable: self.usable) } }
}

@Suite("A full disk under a broker")
struct FullDiskTests {
    private static func produceAnswer(
        _ broker: BrokerHarness, acks: Int16 = -1, sequence: Int32 = -1
    ) async throws -> ProduceResponse.PartitionProduceResponse {
        var builder = RecordBatchBuilder()
        if sequence >= 0 {
            builder.options.producerID = 5
            builder.options.producerEpoch = 0
            builder.options.baseSequence = sequence
        }
        try builder.append(key: nil, value: ByteBuffer(string: "value"), timestamp: broker.now)
        var data = ProduceRequest.PartitionProduceData()
        data.index = 0
        data.records = .buffer(try builder.finish().bytes)
        var topic = ProduceRequest.TopicProduceData()
        topic.name = "orders"
        topic.partitionData = [data]
        var request = ProduceRequest()
        request.acks = acks
        request.topicData = [topic]
        return try await broker.send(request, version: 12).responses[0].partitionResponses[0]
    }

    private static func endOffset(_ broker: BrokerHarness) -> Int64? {
        broker.broker.topics.topic(named: "orders")?.partitions[0].log.endOffset
    }

    @Test("Produce is refused below the mark with an error that says what to do, and taken again when there is room")
    func produce() async throws {
        let disk = FakeDisk()
        try await withBroker(diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
            disk.usable = (64 << 20) - 1
            broker.broker.space.look()
            let refused = try await Self.produceAnswer(broker)
            #expect(ErrorCode(refused.errorCode) == .kafkaStorageError)
            let message = refused.errorMessage ?? ""
            for part in [broker.directory, "\((64 << 20) - 1) bytes", "\(64 << 20) (automatic)", "delete topics"] {
                #expect(message.contains(part), "\(message)")
            }
            // Without answers, closing the connection is the only way to tell.
            await #expect(throws: BrokerHarness.NoAnswer.self) { try await Self.produceAnswer(broker, acks: 0) }
            disk.usable = 65 << 20
            broker.broker.space.look()
            #expect(try await Self.produceAnswer(broker).errorCode == ErrorCode.kafkaStorageError.rawValue)
            disk.usable = 73 << 20
            broker.broker.space.look()
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
            #expect(Self.endOffset(broker) == 2)
        }
    }

    @Test("below the mark everything but Produce and making topics goes on")
    func everythingElse() async throws {
        let disk = FakeDisk()
        try await withBroker(diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            try await broker.createTopic("other")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now, broker.now])
            disk.usable = 0
            broker.broker.space.look()

            await #expect(throws: BrokerHarness.StepFailed.self) { try await broker.createTopic("more") }
            var grown = CreatePartitionsRequest.CreatePartitionsTopic()
            grown.name = "orders"
            grown.count = 4
            grown.assignments = nil
            var grow = CreatePartitionsRequest()
            grow.topics = [grown]
            let answer = try await broker.send(grow, version: 3).results[0]
            #expect(ErrorCode(answer.errorCode) == .kafkaStorageError)
            #expect(answer.errorMessage?.contains("log.dir.min.free.bytes") == true)
            var asked = MetadataRequest.MetadataRequestTopic()
            asked.name = "by-itself"
            var metadata = MetadataRequest()
            metadata.topics = [asked]
            metadata.allowAutoTopicCreation = true
            let topic = try await broker.send(metadata, version: 12).topics[0]
            #expect(ErrorCode(topic.errorCode) == .kafkaStorageError)
            #expect(broker.broker.metadata.image.topicCount == 2)

            #expect(try await DeleteRecordsHandlerTests.delete(broker, "orders", before: 2).lowWatermark == 2)
            try await AlterConfigsHandlerTests.set(broker, 2, "orders", ["retention.ms": "1"])
            var fetched = FetchRequest.FetchPartition()
            fetched.partition = 0
            fetched.fetchOffset = 2
            fetched.partitionMaxBytes = 1 << 20
            var fetchedTopic = FetchRequest.FetchTopic()
            fetchedTopic.topic = "orders"
            fetchedTopic.partitions = [fetched]
            var fetch = FetchRequest()
            fetch.maxBytes = 1 << 20
            fetch.minBytes = 1
            fetch.maxWaitMs = 0
            fetch.topics = [fetchedTopic]
            let partition = try await broker.send(fetch, version: 12).responses[0].partitions[0]
            #expect(partition.errorCode == 0 && partition.highWatermark == 3)

            // Deleting looks at the disk at once: nobody has to wait for the next look.
            disk.usable = 500 << 20
            var delete = DeleteTopicsRequest()
            delete.topicNames = ["other"]
            #expect(try await broker.send(delete, version: 5).responses[0].errorCode == 0)
            try await broker.createTopic("more")
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
        }
    }

    @Test("log.dir.min.free.bytes is in force as soon as it is altered")
    func dynamicMark() async throws {
        let disk = FakeDisk()
        try await withBroker(diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            for node in ["", "7"] {
                try await AlterConfigsHandlerTests.set(broker, 4, node, ["log.dir.min.free.bytes": "600000000"])
                #expect(ErrorCode(try await Self.produceAnswer(broker).errorCode) == .kafkaStorageError)
                try await AlterConfigsHandlerTests.set(broker, 4, node, ["log.dir.min.free.bytes": "1000000"])
                #expect(try await Self.produceAnswer(broker).errorCode == 0)
            }
        }
    }

    @Test("between two looks no more is taken than there was above the mark")
    func budget() async throws {
        let disk = FakeDisk()
        disk.usable = (64 << 20) + 100
        try await withBroker(["log.dir.min.free.bytes": "\(64 << 20)"], diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            // About 70 bytes each: the second one goes past what there was.
            for _ in 0..<2 { #expect(try await Self.produceAnswer(broker).errorCode == 0) }
            #expect(ErrorCode(try await Self.produceAnswer(broker).errorCode) == .kafkaStorageError)
            broker.broker.space.look()
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
        }
    }

    @Test("what is written counts once: a look while it waits for its sync finds the gate open")
    func writtenAndNotSynced() async throws {
        let (disk, files) = (FakeDisk(), SimulatedFileSystem(directories: ["/tmp"]))
        try await withBroker(fileSystem: files, diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            let log = "\(broker.directory)/orders-0/00000000000000000000.log"
            let found = Mutex<[Bool]>([])
            let space = broker.broker.space
            files.beforeEachChange { _ in
                guard files.contents(of: log)?.isEmpty == false else { return }
                // As it is when the batch has taken its room: one byte above the mark.
                disk.usable = (64 << 20) + 1
                space.look()
                found.withLock { $0.append(space.hasRoom) }
            }
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
            files.beforeEachChange(nil)
            let rooms = found.withLock { $0 }
            #expect(!rooms.isEmpty && rooms.allSatisfy { $0 })
        }
    }

    @Test("a write that finds no room is refused, closes the gate at once, and the same producer goes on later")
    func noSpace() async throws {
        let (disk, files) = (FakeDisk(), SimulatedFileSystem(directories: ["/tmp"]))
        try await withBroker(fileSystem: files, diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            #expect(try await Self.produceAnswer(broker, sequence: 0).errorCode == 0)
            files.inject(.partialWrite(byteCount: 20, errorNumber: 28)) {
                $0.kind == .write && $0.path.contains("orders-0")
            }
            let refused = try await Self.produceAnswer(broker, sequence: 1)
            #expect(ErrorCode(refused.errorCode) == .kafkaStorageError)
            #expect(refused.errorMessage?.contains("no room") == true, "\(refused.errorMessage ?? "")")
            #expect(!broker.broker.space.hasRoom)
            let closed = try await Self.produceAnswer(broker, sequence: 1)
            #expect(ErrorCode(closed.errorCode) == .kafkaStorageError)
            broker.broker.space.look()
            #expect(!broker.broker.space.hasRoom)
            broker.advance(milliseconds: 1_000)
            broker.broker.space.look()
            let taken = try await Self.produceAnswer(broker, sequence: 1)
            #expect(taken.errorCode == 0 && taken.baseOffset == 1)
        }
    }

    @Test("a topic whose logs could not be made for want of room is served when there is some")
    func servedLater() async throws {
        let (disk, files) = (FakeDisk(), SimulatedFileSystem(directories: ["/tmp"]))
        try await withBroker(fileSystem: files, diskSpace: disk.source) { broker in
            files.inject(.noSpace) { $0.kind == .write && $0.path.hasSuffix("partition.metadata") }
            await #expect(throws: BrokerHarness.StepFailed.self) { try await broker.createTopic("orders") }
            disk.usable = 0
            broker.broker.space.look()
            disk.usable = 500 << 20
            broker.broker.space.look()
            // The admin thread has to come to it.
            _ = try await broker.broker.admin.run(on: broker.connection.eventLoop) {}.get()
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
        }
    }

    @Test("a broker starts on a full disk, serves what it has, and takes records when there is room")
    func restart() async throws {
        let (disk, files) = (FakeDisk(), SimulatedFileSystem(directories: ["/tmp"]))
        try await withBroker(fileSystem: files, diskSpace: disk.source) { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            files.capacityBytes = 0
            disk.usable = 0
            // Nothing could be written, so the shutdown was not clean.
            #expect(throws: LogError.self) { try broker.restart() }
            try broker.startAgain()
            #expect(Self.endOffset(broker) == 2)
            #expect(ErrorCode(try await Self.produceAnswer(broker).errorCode) == .kafkaStorageError)
            files.capacityBytes = nil
            disk.usable = 500 << 20
            broker.broker.space.look()
            #expect(try await Self.produceAnswer(broker).errorCode == 0)
            #expect(Self.endOffset(broker) == 3)
        }
    }

    @Test("a short disk has retention run at once, and deleted segments leave without delay")
    func retention() async throws {
        let disk = FakeDisk()
        // Before the records, by the clock that gives files their times.
        let files = SimulatedFileSystem(directories: ["/tmp"], clock: VirtualClock(wallMs: 1_600_000_000_000))
        try await withBroker(fileSystem: files, diskSpace: disk.source) { broker in
            try await broker.createTopic("orders", configs: ["retention.ms": "1000"])
            try await broker.produce(to: "orders", timestamps: [broker.now])
            broker.advance(milliseconds: 3_600_000)
            disk.usable = 0
            broker.broker.space.look()
            let partition = try #require(broker.broker.topics.topic(named: "orders")?.partitions[0])
            partition.ioThread.runAndWait {}
            #expect(partition.log.logStartOffset == 1)
            let names = try files.list(broker.directory + "/orders-0")
            #expect(!names.contains { $0.hasSuffix(".deleted") }, "\(names)")
        }
    }
}
