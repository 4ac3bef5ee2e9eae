// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
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
}
