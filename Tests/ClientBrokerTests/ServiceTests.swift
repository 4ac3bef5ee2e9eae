// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if ServiceLifecycle

import KafkaClient
import KafkaTypes
import Logging
import MartletTestKit
import ServiceLifecycle
import Synchronization
import Testing

/// Producer and consumer as services of a group that shuts down gracefully.
@Suite(.timeLimit(.minutes(10))) struct ServiceTests {
    private typealias Fixture = ConsumerFixture

    /// Runs until it is told to stop.
    private struct Closure: Service {
        let body: @Sendable () async throws -> Void
        func run() async throws { try await self.body() }
    }

    private static func serve(_ services: [any Service], until isTime: () async throws -> Void) async throws {
        let group = ServiceGroup(services: services, logger: .disabled)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await isTime()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test("a producer sends what was enqueued before it lets the service group end")
    func producer() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            var configuration = KafkaProducerConfiguration()
            configuration.linger = .seconds(60)
            let producer = try KafkaProducer(cluster: martlet.cluster, configuration: configuration)
            let handles = Mutex<[ProduceHandle]>([])
            try await Self.serve([producer]) {
                for number in 0..<100 {
                    let handle = try await producer.enqueue(ProducerRecord(topic: "orders", value: "\(number)"))
                    handles.withLock { $0.append(handle) }
                }
                #expect(try await martlet.records(of: "orders")[0].isEmpty, "nothing was due yet")
            }
            for (number, handle) in handles.withLock(\.self).enumerated() {
                #expect(try await handle.metadata.offset == Offset(Int64(number)))
            }
            #expect(try await martlet.records(of: "orders")[0].map(\.text) == (0..<100).map { "\($0)" })
            let error = await #expect(throws: KafkaClientError.self) {
                try await producer.enqueue(ProducerRecord(topic: "orders", value: "late"))
            }
            #expect(error?.code == .closed)
        }
    }

    @Test("a consumer finishes the batch in hand, commits and leaves its group before it lets the service group end")
    func consumer() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client in
                try await Fixture.produce(0..<30, to: orders, client)
                let group = ConsumerGroupConfiguration("billing", topics: .names(["orders"]))
                let consumer = try KafkaConsumer(cluster: cluster, configuration: Fixture.configuration(.group(group)))
                let (inHand, tell) = AsyncStream<Void>.makeStream()
                let count = Mutex(0)
                let receiver = Closure {
                    for try await batch in consumer.batches {
                        count.withLock { $0 += 1 }
                        // The second batch is being processed when the shutdown comes, and is done after it.
                        guard batch.next == 20 else { continue }
                        tell.yield()
                        try await gracefulShutdown()
                    }
                }
                try await Self.serve([consumer, receiver]) {
                    for await _ in inHand { break }
                }
                #expect(count.withLock(\.self) == 2)
                let offsets = try await client.groupOffsets(of: ["billing"])
                #expect(try offsets.first?.result.get()[orders]?.get().offset == 20)
                let description = try await client.describeGroups(["billing"])
                #expect(try description.first?.result.get().state == .empty)
                #expect(try description.first?.result.get().members.isEmpty == true)
            }
        }
    }

    @Test("a pipeline of both loses and repeats nothing over a shutdown in the middle")
    func pipeline() async throws {
        let topics = [MartletTopic("orders"), MartletTopic("parcels")]
        try await withMartlet(MartletConfiguration(topics: topics)) { martlet in
            let cluster = try Fixture.cluster(martlet)
            try await KafkaCluster.withCluster(cluster) {
                try await Fixture.produce(0..<100, to: Fixture.partition(0), $0)
            }
            let passed = Mutex(0)
            let (news, tell) = AsyncStream<Void>.makeStream()
            for end in [35, 100] {
                let group = ConsumerGroupConfiguration("shipping", topics: .names(["orders"]))
                let consumer = try KafkaConsumer(cluster: cluster, configuration: Fixture.configuration(.group(group)))
                let producer = try KafkaProducer(cluster: cluster)
                let shipping = Closure {
                    for try await consumed in consumer.records {
                        let value = consumed.record.value.map { String(buffer: $0) } ?? ""
                        _ = try await producer.send(ProducerRecord(topic: "parcels", value: value))
                        let count = passed.withLock { count in
                            count += 1
                            return count
                        }
                        guard count == end else { continue }
                        // The shutdown comes while this record is in hand, in the middle of a batch.
                        tell.yield()
                        try await gracefulShutdown()
                    }
                }
                try await Self.serve([producer, consumer, shipping]) {
                    for await _ in news { break }
                }
                #expect(passed.withLock(\.self) == end, "the rest of the batch is left to the next one")
            }
            #expect(try await martlet.records(of: "parcels")[0].map(\.text) == (0..<100).map { "\($0)" })
        }
    }
}

#endif
