// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import KafkaClient

/// Where a producer does its work: every change of threads costs a record more time than the work itself.
@Suite struct ProducerThreadTests {
    /// Notes on which event loop each message was logged, by its number in the group; -1 for none of them.
    private final class LoopNotes: LogHandler {
        let loops: [any EventLoop]
        let notes = Mutex<[String: [Int]]>([:])
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .debug }
            set {}
        }
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        init(_ group: MultiThreadedEventLoopGroup) { self.loops = Array(group.makeIterator()) }

        func log(event: LogEvent) {
            let loop = self.loops.firstIndex { $0.inEventLoop } ?? -1
            self.notes.withLock { $0["\(event.message)", default: []].append(loop) }
        }
    }

    @Test("answers are acted on where they come in: all connections of a producer and its sender share an event loop")
    func oneLoop() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        let notes = LoopNotes(group)
        try await FakeCluster.run(
            brokers: 3, leaders: ["t": [0, 1, 2]],
            handler: { _, request in
                guard request.api == .initProducerID else {
                    return try .answer(KafkaProducerTests.produced(request, .topicAuthorizationFailed))
                }
                return .answer(InitProducerIdResponse())
            }
        ) { _, client in
            let logger = Logger(label: "test") { _ in notes }
            try await KafkaProducer.withProducer(
                client.configuration, eventLoopGroup: group, logger: logger
            ) { producer in
                for partition in 0..<3 {
                    let record = ProducerRecord(
                        topic: "t", partition: PartitionIndex(Int32(partition)), value: ByteBuffer(string: "v"))
                    await #expect(throws: KafkaClientError.self) { try await producer.send(record) }
                }
            }
        }
        // What connections have to say at their end is said by then.
        try await group.shutdownGracefully()
        let (failed, ended) = notes.notes.withLock { ($0["records failed"] ?? [], $0["connection ended"] ?? []) }
        #expect(failed.count == 3 && ended.count >= 3)
        #expect(Set(failed + ended).count == 1 && !failed.contains(-1))
    }

    @Test(
        "batches that take a while to be compressed are written in their order all the same", .timeLimit(.minutes(10)))
    func compressedInOrder() async throws {
        let written = Mutex<[Int]>([])
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]],
            handler: { _, request in
                let produce = try ProduceRequest.decode(request.body, version: request.version)
                for data in produce.topicData.flatMap(\.partitionData) {
                    guard case .buffer(let bytes) = data.records else { continue }
                    var records = try RecordBatch(parsing: bytes).records()
                    while let record = try records.next() {
                        let number = record.value.flatMap { $0.getInteger(at: $0.readerIndex, as: Int.self) }
                        written.withLock { $0.append(number ?? -1) }
                    }
                }
                return .answer(try KafkaProducerTests.produced(request))
            }
        ) { _, client in
            var configuration = KafkaProducerConfiguration()
            // Nothing but the order of the requests keeps that of the records then.
            configuration.isIdempotent = false
            configuration.acks = .leader
            configuration.codec = .gzip
            configuration.linger = .zero
            configuration.batchBytesMax = 1024
            let clock = ProducerClock(ContinuousClock())
            let producer = try KafkaProducer(on: client.sibling(on: client.eventLoopGroup.next()), configuration, clock)
            try await producer.whileRunning { producer in
                for number in 0..<200 {
                    var value = ByteBuffer(integer: number)
                    value.writeRepeatingByte(UInt8(number), count: 600)
                    try await producer.enqueue(ProducerRecord(topic: "t", value: value))
                }
                try await producer.flush()
            }
        }
        #expect(written.withLock(\.self) == Array(0..<200))
    }
}
