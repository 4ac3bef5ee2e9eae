// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient

/// What a producer does by time, on a clock that stands still. What fails here may wait for ever, so there is a limit.
@Suite(.timeLimit(.minutes(10))) struct ProducerTimeTests {
    private static func run(
        _ configure: (inout KafkaProducerConfiguration) -> Void,
        _ body: @escaping @Sendable (KafkaProducer, FakeCluster, ManualClock) async throws -> Void
    ) async throws {
        var configuration = KafkaProducerConfiguration()
        configure(&configuration)
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]],
            handler: { _, request in
                if request.api == .initProducerID { return .answer(InitProducerIdResponse()) }
                return .answer(try KafkaProducerTests.produced(request))
            }
        ) { [configuration] fake, client in
            let clock = ManualClock()
            try await KafkaProducer(
                on: client.sibling(on: client.eventLoopGroup.next()), configuration, ProducerClock(clock)
            )
            .whileRunning { try await body($0, fake, clock) }
        }
    }

    private static func until(_ condition: () -> Bool) async { while !condition() { await Task.yield() } }

    @Test("a batch that is not full waits for linger, and not longer")
    func linger() async throws {
        try await Self.run {
            $0.linger = .milliseconds(100)
        } _: { producer, fake, clock in
            let first = try await producer.enqueue(ProducerRecord(topic: "t", value: "first"))
            await Self.until { clock.deadlines.contains(.milliseconds(100)) }
            clock.advance(by: .milliseconds(60))
            let second = try await producer.enqueue(ProducerRecord(topic: "t", value: "second"))
            clock.advance(by: .milliseconds(39))
            #expect(!fake.log.contains { $0.api == .produce })
            clock.advance(by: .milliseconds(1))
            let firstOffset = try await first.metadata.offset
            let secondOffset = try await second.metadata.offset
            #expect(firstOffset == 0 && secondOffset == 1, "one batch")
            #expect(fake.log.filter { $0.api == .produce }.count == 1)
        }
    }

    @Test("a full batch does not wait")
    func full() async throws {
        try await Self.run {
            $0.linger = .seconds(60)
            $0.batchBytesMax = 1024
        } _: { producer, _, _ in
            let handle = try await producer.enqueue(
                ProducerRecord(topic: "t", value: String(repeating: "x", count: 900)))
            try await producer.enqueue(ProducerRecord(topic: "t", value: String(repeating: "y", count: 900)))
            _ = try await handle.metadata
        }
    }

    @Test("new partitions of a topic are found when what is known of it is older than metadataMaxAge")
    func metadataAge() async throws {
        try await Self.run {
            $0.linger = .zero
            $0.metadataMaxAge = .seconds(200)
        } _: { producer, fake, clock in
            _ = try await producer.send(ProducerRecord(topic: "t", value: "x"))
            fake.update { $0.leaders["t"] = [0, 0, 0] }
            await Self.until { clock.deadlines.contains(.seconds(200)) }
            #expect(producer.topics["t"]?.lanes.count == 1)
            clock.advance(by: .seconds(200))
            await Self.until { producer.topics["t"]?.lanes.count == 3 }
            // And so on.
            await Self.until { clock.deadlines.contains(.seconds(400)) }
        }
    }
}
