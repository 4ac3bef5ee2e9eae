// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import BrokerServer
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@Suite("Connections over real sockets")
struct ConnectionTests {
    private static func produce(to topic: String, acks: Int16, correlationID: Int32) throws -> ByteBuffer {
        var builder = RecordBatchBuilder(RecordBatchBuilder.Options())
        try builder.append(key: nil, value: ByteBuffer(string: "value"), timestamp: 1_700_000_000_000)
        var data = ProduceRequest.PartitionProduceData()
        data.records = .buffer(try builder.finish().bytes)
        var topicData = ProduceRequest.TopicProduceData()
        topicData.name = topic
        topicData.partitionData = [data]
        var request = ProduceRequest()
        request.acks = acks
        request.timeoutMs = 10_000
        request.topicData = [topicData]
        return try RawConnection.frame(request, version: 8, correlationID: correlationID)
    }

    /// Asks for a topic by name, which makes it.
    private static func metadata(_ topic: String, correlationID: Int32) throws -> ByteBuffer {
        var wanted = MetadataRequest.MetadataRequestTopic()
        wanted.name = topic
        var request = MetadataRequest()
        request.topics = [wanted]
        return try RawConnection.frame(request, version: 5, correlationID: correlationID)
    }

    private static func fetch(_ topic: String, maxWaitMs: Int32, correlationID: Int32) throws -> ByteBuffer {
        var partition = FetchRequest.FetchPartition()
        partition.partitionMaxBytes = 1_000
        var fetched = FetchRequest.FetchTopic()
        fetched.topic = topic
        fetched.partitions = [partition]
        var request = FetchRequest()
        request.maxWaitMs = maxWaitMs
        request.minBytes = 1
        request.topics = [fetched]
        return try RawConnection.frame(request, version: 6, correlationID: correlationID)
    }

    private static func apiVersions(correlationID: Int32) throws -> ByteBuffer {
        try RawConnection.frame(ApiVersionsRequest(), version: 0, correlationID: correlationID)
    }

    private static func correlationID(_ frame: ByteBuffer?) -> Int32? {
        frame.flatMap { $0.getInteger(at: $0.readerIndex, as: Int32.self) }
    }

    @Test("answers come in the order of the requests, although some wait for the disk and some do not")
    func order() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { connection in
                try await connection.send(try Self.metadata("orders", correlationID: 1))
                #expect(Self.correlationID(try await connection.nextFrame()) == 1)

                var burst = ByteBuffer()
                for id in stride(from: Int32(2), to: 62, by: 3) {
                    burst.writeImmutableBuffer(try Self.produce(to: "orders", acks: -1, correlationID: id))
                    burst.writeImmutableBuffer(try Self.apiVersions(correlationID: id + 1))
                    burst.writeImmutableBuffer(try Self.produce(to: "orders", acks: 1, correlationID: id + 2))
                }
                try await connection.send(burst)
                for id in Int32(2)..<62 { #expect(Self.correlationID(try await connection.nextFrame()) == id) }
            }
        }
    }

    @Test("thousands of requests in one burst are all answered, in order, by a broker that holds few answers at a time")
    func burst() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { connection in
                let count: Int32 = 5_000
                var burst = ByteBuffer()
                for id in 0..<count { burst.writeImmutableBuffer(try Self.apiVersions(correlationID: id)) }
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    let (sender, bytes) = (connection.sender, burst)
                    tasks.addTask { try await sender.write(bytes) }
                    for id in 0..<count { #expect(Self.correlationID(try await connection.nextFrame()) == id) }
                    try await tasks.waitForAll()
                }
            }
        }
    }

    @Test("a produce with acks=0 has no answer, and the next request has its own")
    func acksZero() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { connection in
                try await connection.send(try Self.metadata("orders", correlationID: 1))
                _ = try await connection.nextFrame()
                try await connection.send(try Self.produce(to: "orders", acks: 0, correlationID: 2))
                try await connection.send(try Self.apiVersions(correlationID: 3))
                #expect(Self.correlationID(try await connection.nextFrame()) == 3)
            }
        }
    }

    @Test("a produce with acks=0 that fails closes the connection, after the answers before it")
    func acksZeroFails() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { connection in
                var burst = try Self.apiVersions(correlationID: 1)
                burst.writeImmutableBuffer(try Self.produce(to: "nowhere", acks: 0, correlationID: 2))
                try await connection.send(burst)
                #expect(Self.correlationID(try await connection.nextFrame()) == 1)
                #expect(try await connection.nextFrame() == nil)
            }
        }
    }

    @Test("a waiting fetch is answered as soon as another connection produces")
    func wakesFetch() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { consumer in
                try await consumer.send(try Self.metadata("orders", correlationID: 1))
                _ = try await consumer.nextFrame()
                // Longer than the test may take: only the record can end the wait.
                try await consumer.send(try Self.fetch("orders", maxWaitMs: 3_600_000, correlationID: 2))
                try await harness.withConnection { producer in
                    try await producer.send(try Self.produce(to: "orders", acks: -1, correlationID: 1))
                    #expect(Self.correlationID(try await producer.nextFrame()) == 1)
                }
                var frame = try #require(try await consumer.nextFrame())
                #expect(frame.readInteger(as: Int32.self) == 2)
                let response = try FetchResponse.decode(frame, version: 6)
                #expect(response.responses[0].partitions[0].highWatermark == 1)
                #expect((response.responses[0].partitions[0].records?.byteCount ?? 0) > 0)
            }
        }
    }

    @Test("shutting down answers a waiting fetch at once and then closes the connection")
    func drain() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { consumer in
                try await consumer.send(try Self.metadata("orders", correlationID: 1))
                _ = try await consumer.nextFrame()
                try await consumer.send(try Self.fetch("orders", maxWaitMs: 3_600_000, correlationID: 2))
                // Answered behind the fetch, so it is still under way when the broker begins to stop.
                try await consumer.send(try Self.apiVersions(correlationID: 3))
                async let stopped: Void = harness.server.shutDown(grace: .hours(1))
                #expect(Self.correlationID(try await consumer.nextFrame()) == 2)
                while try await consumer.nextFrame() != nil {}
                await stopped
            }
        }
    }

    @Test("a connection above max.connections is closed, and the others go on")
    func tooManyConnections() async throws {
        try await ServerHarness.run(maxConnections: 1) { harness in
            try await harness.withConnection { first in
                try await first.send(try Self.apiVersions(correlationID: 1))
                #expect(Self.correlationID(try await first.nextFrame()) == 1)
                try? await harness.withConnection { (second) async throws in
                    try? await second.send(try Self.apiVersions(correlationID: 1))
                    #expect(try await second.nextFrame() == nil)
                }
                try await first.send(try Self.apiVersions(correlationID: 2))
                #expect(Self.correlationID(try await first.nextFrame()) == 2)
            }
        }
    }

    @Test("a frame above the limit costs its connection only")
    func oversized() async throws {
        try await ServerHarness.run(maxFrameSize: 1_000) { harness in
            try await harness.withConnection { rude in
                try await rude.send(ByteBuffer(integer: Int32(1_001)))
                #expect(try await rude.nextFrame() == nil)
            }
            try await harness.withConnection { polite in
                try await polite.send(try Self.apiVersions(correlationID: 1))
                #expect(Self.correlationID(try await polite.nextFrame()) == 1)
            }
        }
    }

    @Test("clients are told the address that they reached")
    func advertised() async throws {
        try await ServerHarness.run { harness in
            try await harness.withConnection { connection in
                try await connection.send(try Self.metadata("orders", correlationID: 1))
                var frame = try #require(try await connection.nextFrame())
                frame.moveReaderIndex(forwardBy: 4)
                let response = try MetadataResponse.decode(frame, version: 5)
                #expect(response.brokers[0].host == "127.0.0.1")
                #expect(response.brokers[0].port == Int32(harness.server.boundAddresses[0].port ?? -1))
            }
        }
    }
}
