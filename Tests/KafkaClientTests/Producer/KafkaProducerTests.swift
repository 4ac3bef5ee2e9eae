// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

/// The producer against brokers whose answers the test decides.
@Suite struct KafkaProducerTests {
    private static let value = ByteBuffer(repeating: 7, count: 1_000)

    static func produced(_ request: ScriptedBroker.Request, _ errorCode: ErrorCode = .none) throws
        -> ProduceResponse
    {
        let decoded = try ProduceRequest.decode(request.body, version: request.version)
        var response = ProduceResponse()
        response.responses = decoded.topicData.map { topic in
            var answer = ProduceResponse.TopicProduceResponse()
            answer.name = topic.name
            answer.partitionResponses = topic.partitionData.map { data in
                var partition = ProduceResponse.PartitionProduceResponse()
                partition.index = data.index
                partition.errorCode = errorCode.rawValue
                return partition
            }
            return answer
        }
        return response
    }

    private static func reply(
        _ request: ScriptedBroker.Request, _ errorCode: ErrorCode = .none
    ) throws -> FakeCluster.Reply {
        guard request.api == .initProducerID else { return .answer(try Self.produced(request, errorCode)) }
        var response = InitProducerIdResponse()
        response.producerID = 5
        return .answer(response)
    }

    private static func small() -> KafkaProducerConfiguration {
        var configuration = KafkaProducerConfiguration()
        configuration.bufferBytesMax = 64 * 1024
        configuration.batchBytesMax = 16 * 1024
        configuration.requestBytesMax = 32 * 1024
        configuration.linger = .zero
        configuration.retry.firstDelay = .milliseconds(1)
        return configuration
    }

    private static func producer(
        _ client: KafkaCluster, _ configuration: KafkaProducerConfiguration
    ) throws -> KafkaProducer {
        try KafkaProducer(
            on: client.sibling(on: client.eventLoopGroup.next()), configuration, ProducerClock(ContinuousClock()))
    }

    @Test("a caller is suspended when the memory is used up, goes on when some is free, and all is given back")
    func backPressure() async throws {
        let isBlocked = Atomic(true)
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]],
            handler: { _, request in
                try Self.reply(request, isBlocked.load(ordering: .relaxed) ? .notEnoughReplicas : .none)
            }
        ) { _, client in
            let producer = try Self.producer(client, Self.small())
            try await producer.whileRunning { producer in
                var handles = [try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value))]
                while let handle = try producer.tryEnqueue(ProducerRecord(topic: "t", value: Self.value)) {
                    handles.append(handle)
                }
                #expect(handles.count > 30 && handles.count <= 64)
                #expect(producer.pool.room.taken <= producer.pool.room.total)
                isBlocked.store(false, ordering: .relaxed)
                for _ in 0..<100 {
                    handles.append(try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value)))
                }
                for handle in handles { _ = try await handle.metadata }
                #expect(producer.pool.room.taken == 0)
            }
        }
    }

    @Test("who finds no memory within maxBlock is told so, and who is cancelled meanwhile leaves at once")
    func noMemory() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]], handler: { _, request in try Self.reply(request, .notEnoughReplicas) }
        ) { _, client in
            var configuration = Self.small()
            configuration.maxBlock = .milliseconds(500)
            let producer = try Self.producer(client, configuration)
            let run = Task { try await producer.run() }
            // maxBlock is for the partitions of the topic, too, which take their time on a busy machine.
            while (try? await producer.enqueue(ProducerRecord(topic: "t", value: Self.value))) == nil {}
            while try producer.tryEnqueue(ProducerRecord(topic: "t", value: Self.value)) != nil {}
            let error = await #expect(throws: KafkaClientError.self) {
                try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value))
            }
            #expect(error?.code == .bufferFull)
            let waiting = Task { try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value)) }
            waiting.cancel()
            await #expect(throws: (any Error).self) { try await waiting.value }
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.value }
            #expect(producer.pool.room.taken == 0)
        }
    }

    @Test("when run is cancelled what is not acknowledged fails at once, and nothing is taken any more")
    func cancelled() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]], handler: { _, request in try Self.reply(request, .notEnoughReplicas) }
        ) { _, client in
            let producer = try Self.producer(client, Self.small())
            let run = Task { try await producer.run() }
            let handle = try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value))
            run.cancel()
            let error = await #expect(throws: KafkaClientError.self) { try await handle.metadata }
            #expect(error?.code == .closed)
            #expect(error?.message.contains("t-0") == true)
            await #expect(throws: CancellationError.self) { try await run.value }
            let refused = await #expect(throws: KafkaClientError.self) {
                try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value))
            }
            #expect(refused?.code == .closed)
        }
    }

    @Test("close sends what is there, and run returns then")
    func closes() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0, 0]], handler: { _, request in try Self.reply(request) }
        ) { _, client in
            var configuration = Self.small()
            configuration.linger = .seconds(60)
            let producer = try Self.producer(client, configuration)
            let run = Task { try await producer.run() }
            var handles: [ProduceHandle] = []
            for partition in 0..<2 {
                let record = ProducerRecord(topic: "t", partition: PartitionIndex(Int32(partition)), value: Self.value)
                handles.append(try await producer.enqueue(record))
            }
            producer.close()
            try await run.value
            for handle in handles { _ = try await handle.metadata }
            #expect(producer.pool.room.taken == 0)
        }
    }

    @Test("records without a key go on with another partition when their batch was sent")
    func rotates() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0, 0, 0]], handler: { _, request in try Self.reply(request) }
        ) { _, client in
            try await Self.producer(client, Self.small()).whileRunning { producer in
                var last: TopicPartition?
                for _ in 0..<10 {
                    let partition = try await producer.send(ProducerRecord(topic: "t", value: Self.value)).partition
                    #expect(partition != last)
                    last = partition
                }
            }
        }
    }

    @Test("a refusal is the error of its records; a record that is too large is not even taken")
    func refusals() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]],
            handler: { _, request in try Self.reply(request, .topicAuthorizationFailed) }
        ) { _, client in
            try await Self.producer(client, Self.small()).whileRunning { producer in
                let refused = await #expect(throws: KafkaClientError.self) {
                    try await producer.send(ProducerRecord(topic: "t", value: Self.value))
                }
                #expect(refused?.errorCode == .topicAuthorizationFailed)
                #expect(refused?.message.contains("t-0") == true && refused?.mayBeWritten == false)
                let tooLarge = await #expect(throws: KafkaClientError.self) {
                    try await producer.send(ProducerRecord(topic: "t", value: ByteBuffer(repeating: 0, count: 40_000)))
                }
                #expect(tooLarge?.code == .recordTooLarge)
                let missing = await #expect(throws: KafkaClientError.self) {
                    try await producer.send(ProducerRecord(topic: "t", partition: 3, value: Self.value))
                }
                #expect(missing?.message.contains("no partition 3") == true)
            }
        }
    }

    @Test("a batch that the broker finds too large is sent in parts, and a single record then fails")
    func splits() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]],
            handler: { _, request in
                let isLarge = request.api == .produce && request.body.readableBytes > 3_000
                return try Self.reply(request, isLarge ? .messageTooLarge : .none)
            }
        ) { fake, client in
            try await Self.producer(client, Self.small()).whileRunning { producer in
                var handles: [ProduceHandle] = []
                for _ in 0..<10 {
                    handles.append(try await producer.enqueue(ProducerRecord(topic: "t", value: Self.value)))
                }
                let large = ProducerRecord(topic: "t", value: ByteBuffer(repeating: 1, count: 5_000))
                let tooLarge = try await producer.enqueue(large)
                for handle in handles { _ = try await handle.metadata }
                let error = await #expect(throws: KafkaClientError.self) { try await tooLarge.metadata }
                #expect(error?.errorCode == .messageTooLarge)
                #expect(producer.pool.room.taken == 0)
            }
            #expect(fake.log.filter { $0.api == .produce }.count > 5)
        }
    }

    @Test("the end of a connection is noticed while nothing is on its way over it", .timeLimit(.minutes(10)))
    func disconnected() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["t": [0]], handler: { _, request in try Self.reply(request) }
        ) { _, client in
            let signals = SenderSignals()
            let writer = BrokerWriter(
                cluster: client, signals: signals, node: 3, configuration: KafkaProducerConfiguration())
            let partition = TopicPartition(topic: "t", partition: 0)
            for id in 1...2 as ClosedRange<UInt64> {
                var builder = RecordBatchBuilder()
                try builder.append(key: nil, value: Self.value, timestamp: 0)
                let batch = OutgoingBatch(
                    builder, owner: ProducerBatch(partition: partition, serial: id, createdMs: 0), reservedBytes: 0)
                let part = PlannedRequest.Part(
                    slot: 0, partition: partition, topicID: nil, batch: batch, stamp: BatchStamp())
                await writer.send(
                    PlannedRequest(id: id, address: client.configuration.bootstrap[0], parts: [part]))
            }
            var (answers, ends): (Int, [Int32]) = (0, [])
            while ends.isEmpty {
                for signal in await signals.next() {
                    if case .answered = signal { answers += 1 }
                    if case .disconnected(let node) = signal { ends.append(node) }
                }
                if answers == 2 { await client.pool.closeAll() }
            }
            #expect(answers == 2 && ends == [3])
        }
    }

    @Test("a configuration that contradicts itself is refused, and the option is named")
    func validation() {
        var configuration = KafkaProducerConfiguration()
        configuration.acks = .leader
        let error = #expect(throws: KafkaClientError.self) { try configuration.validate() }
        #expect(error?.message.contains("isIdempotent") == true)
        configuration = KafkaProducerConfiguration()
        configuration.deliveryTimeout = .seconds(1)
        #expect(throws: KafkaClientError.self) { try configuration.validate() }
    }
}
