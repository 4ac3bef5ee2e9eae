// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import MartletTestKit
import Testing

@testable import KafkaClient

/// Whoever is cancelled goes on at once, and `run()` within the time of a few requests, whatever it is waiting for. What
/// fails here hangs, so there is a limit.
@Suite(.timeLimit(.minutes(10))) struct CancellationTests {
    private typealias Fixture = ConsumerFixture

    /// What bounds the ends below: no broker is waited for longer than this.
    private static func cluster(_ martlet: Martlet) throws -> KafkaClusterConfiguration {
        var cluster = try Fixture.cluster(martlet)
        cluster.connection.connectTimeout = .milliseconds(500)
        cluster.connection.requestTimeout = .milliseconds(500)
        return cluster
    }

    private static var group: KafkaConsumerConfiguration {
        Fixture.configuration(.group(ConsumerGroupConfiguration("billing", topics: .names(["orders"]))))
    }

    private static var classicGroup: KafkaConsumerConfiguration {
        var group = ConsumerGroupConfiguration("billing", topics: .names(["orders"]))
        group.protocol = .classic([RangeAssignor()])
        group.heartbeatInterval = .milliseconds(50)
        return Fixture.configuration(.group(group))
    }

    // MARK: Consumers

    @Test(
        "a consumer that is cancelled while it waits for an answer ends",
        arguments: [
            (APIKey.apiVersions, false), (.metadata, false), (.findCoordinator, false),
            (.consumerGroupHeartbeat, false), (.offsetFetch, false), (.listOffsets, false), (.fetch, false),
            (.findCoordinator, true), (.joinGroup, true), (.syncGroup, true), (.heartbeat, true),
        ])
    func consumer(api: APIKey, isClassic: Bool) async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let hold = martlet.hold(api)
            var cluster = try Self.cluster(martlet)
            // A consumer that never got an answer fails when it gets none in time: the cancellation has to come first, also
            // on a machine with much to do. A connection that is being made is waited for.
            if api == .apiVersions { cluster.connection.connectTimeout = .seconds(20) }
            let consumer = try KafkaConsumer(
                cluster: cluster, configuration: isClassic ? Self.classicGroup : Self.group)
            let running = Task { try await consumer.run() }
            // In a task of its own, which nobody cancels.
            async let rest = Fixture.records(1, of: consumer)
            try await hold.waitForAnswers()
            running.cancel()
            await #expect(throws: CancellationError.self) { try await running.value }
            #expect(try await rest.isEmpty)
        }
    }

    @Test("a consumer without a broker ends when it is cancelled or closed", arguments: [false, true])
    func noBroker(isClosed: Bool) async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let consumer = try KafkaConsumer(cluster: try Self.cluster(martlet), configuration: Self.group)
            let running = Task { try await consumer.run() }
            try await martlet.waitForRequests(1, of: .fetch)
            try await martlet.kill()
            if isClosed {
                consumer.close()
                try await running.value
            } else {
                running.cancel()
                await #expect(throws: CancellationError.self) { try await running.value }
            }
        }
    }

    @Test("a commit that is cancelled is over at once; one that the end of the consumer cuts short is made at the end")
    func commits() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let orders = Fixture.partition(0)
            var cluster = try Fixture.cluster(martlet)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<20, to: orders, $0) }
            cluster.retry.firstDelay = .seconds(3600)
            cluster.retry.delayMax = .seconds(3600)
            var configuration = Fixture.configuration(.assignment([orders: .earliest], groupID: "billing"))
            configuration.autoCommitInterval = nil
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer in
                let hold = martlet.hold(.offsetCommit, times: 1)
                let cancelled = Task { try await consumer.commit([orders: 3]) }
                try await hold.waitForAnswers()
                cancelled.cancel()
                await #expect(throws: CancellationError.self) { try await cancelled.value }
                hold.release()
                #expect(try await consumer.committed([orders]) == [orders: 3])

                try martlet.fail(.offsetCommit, with: .coordinatorLoadInProgress)
                let cutShort = Task { try await consumer.commit([orders: 7]) }
                try await martlet.waitForRequests(2, of: .offsetCommit)
                consumer.close()
                try await cutShort.value
            }
            let offsets = try await KafkaCluster.withCluster(Fixture.cluster(martlet)) { client in
                try await client.groupOffsets(of: ["billing"])
            }
            #expect(try offsets.first?.result.get()[orders]?.get().offset == 7)
        }
    }

    @Test("a receiver that asks while its lateness is being dealt with stays in the group")
    func lateAndBack() async throws {
        let configs = [
            "group.consumer.heartbeat.interval.ms": "50", "group.consumer.min.heartbeat.interval.ms": "50",
        ]
        try await withMartlet(MartletConfiguration(configs: configs, topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client in
                try await Fixture.produce(0..<20, to: orders, client)
                var configuration = Self.group
                configuration.maxPollInterval = .milliseconds(50)
                let consumer = try KafkaConsumer(sharing: client, configuration: configuration)
                let running = Task { try await consumer.run() }
                let (gate, open) = AsyncStream<Void>.makeStream()
                let hold = martlet.hold(.offsetCommit, times: 1)
                let receiver = Task { () -> Offset? in
                    var batches = consumer.batches.makeAsyncIterator()
                    for _ in 0..<2 { _ = try await batches.next() }
                    // So that no answer to a Fetch wakes it by chance.
                    try consumer.pause([orders])
                    for await _ in gate { break }
                    return try await batches.next()?.next
                }
                // The first batch is committed before the member leaves.
                try await hold.waitForAnswers()
                open.yield()
                while !consumer.withState(\.isAsking) { await Task.yield() }
                hold.release()
                // A member that leaves says so once, and then nothing.
                let heartbeats = martlet.requestCount(of: .consumerGroupHeartbeat)
                try await martlet.waitForRequests(heartbeats + 3, of: .consumerGroupHeartbeat)
                try consumer.resume([orders])
                try await Fixture.produce(20..<21, to: orders, client)
                #expect(try await receiver.value == 21)
                running.cancel()
                await #expect(throws: CancellationError.self) { try await running.value }
            }
        }
    }

    // MARK: Producers

    @Test(
        "a producer that is cancelled while it waits for an answer ends, and so does whoever waits for it",
        arguments: [APIKey.apiVersions, .metadata, .initProducerID, .produce])
    func producer(api: APIKey) async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let hold = martlet.hold(api)
            let producer = try KafkaProducer(cluster: try Self.cluster(martlet))
            let running = Task { try await producer.run() }
            let sending = (0..<3).map { number in
                Task { try await producer.send(ProducerRecord(topic: "orders", value: "\(number)")) }
            }
            try await hold.waitForAnswers()
            running.cancel()
            await #expect(throws: CancellationError.self) { try await running.value }
            for send in sending {
                let error = await #expect(throws: KafkaClientError.self) { try await send.value }
                #expect(error?.code == .closed)
            }
            try await producer.flush()
        }
    }

    @Test(
        "a caller that is cancelled while it waits for the topic or for its record goes on at once",
        arguments: [APIKey.metadata, .produce])
    func callers(api: APIKey) async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            try await KafkaProducer.withProducer(martlet.cluster) { producer in
                let hold = martlet.hold(api)
                let sending = Task { try await producer.send(ProducerRecord(topic: "orders", value: "x")) }
                try await hold.waitForAnswers()
                let flushing = Task { try await producer.flush() }
                flushing.cancel()
                _ = await flushing.result
                sending.cancel()
                await #expect(throws: CancellationError.self) { try await sending.value }
                hold.release()
            }
            // What was in a batch goes its way, what was not does not.
            #expect(try await martlet.records(of: "orders")[0].count == (api == .produce ? 1 : 0))
        }
    }

    @Test("a flush ends when all that was enqueued before it is acknowledged, without waiting for batches to fill")
    func flush() async throws {
        try await withMartlet(MartletConfiguration(topics: [MartletTopic("orders", partitions: 3)])) { martlet in
            var configuration = KafkaProducerConfiguration()
            configuration.linger = .seconds(60)
            try await KafkaProducer.withProducer(martlet.cluster, configuration: configuration) { producer in
                for index in 0..<30 {
                    let partition = PartitionIndex(Int32(index % 3))
                    try await producer.enqueue(
                        ProducerRecord(topic: "orders", partition: partition, value: "\(index)"))
                }
                let cancelled = Task { try await producer.flush() }
                cancelled.cancel()
                _ = await cancelled.result
                try await producer.flush()
                let records = try await martlet.records(of: "orders", partitions: 3)
                #expect(records.map(\.count) == [10, 10, 10])
            }
        }
    }
}
