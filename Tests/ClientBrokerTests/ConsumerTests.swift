// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import Testing

@Suite struct ConsumerTests {
    private typealias Fixture = ConsumerFixture

    @Test("batches of assigned partitions come in order, each record once", arguments: [CompressionCodec.none, .zstd])
    func batches(codec: CompressionCodec) async throws {
        try await withMartlet(MartletConfiguration(topics: [MartletTopic("orders", partitions: 3)])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                for index in 0..<3 {
                    try await Fixture.produce(0..<100, to: Fixture.partition(Int32(index)), codec: codec, client)
                }
            }
            let start = Dictionary(
                uniqueKeysWithValues: (0..<3).map { (Fixture.partition($0), ConsumerStart.earliest) })
            try await KafkaConsumer.withConsumer(cluster, configuration: Fixture.configuration(.assignment(start))) {
                var values: [TopicPartition: [String]] = [:]
                for try await batch in $0.batches {
                    try batch.forEachRecord { record in
                        values[batch.partition, default: []].append(String(decoding: record.value!, as: UTF8.self))
                    }
                    if values.values.reduce(0, { $0 + $1.count }) == 300 { break }
                }
                for index in 0..<3 { #expect(values[Fixture.partition(Int32(index))] == (0..<100).map { "\($0)" }) }
            }
        }
    }

    @Test("records begin in the middle of a batch where they are told to, and an iterator goes on where one stopped")
    func records() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<50, to: orders, $0) }
            let configuration = Fixture.configuration(.assignment([orders: .offset(13)]))
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                #expect(try await Fixture.records(4, of: consumer).numbers == [13, 14, 15, 16])
                #expect(consumer.position(of: orders) == 17)
                #expect(try await Fixture.records(5, of: consumer).numbers == [17, 18, 19, 20, 21])
                #expect(consumer.processed(of: orders) == 21, "the last one was not asked past")
            }
        }
    }

    @Test("seeking moves at once, to offsets, times and the ends, and nothing from before comes after it")
    func seeks() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<50, to: orders, client)
                let configuration = Fixture.configuration(.assignment([orders: .earliest]))
                try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                    #expect(try await Fixture.records(3, of: consumer).numbers == [0, 1, 2])
                    try consumer.seek(orders, to: .offset(42))
                    #expect(consumer.position(of: orders) == 42)
                    #expect(try await Fixture.records(2, of: consumer).numbers == [42, 43])
                    try consumer.seek(orders, to: .timestamp(30_500))
                    #expect(try await Fixture.records(2, of: consumer).numbers == [31, 32])
                    try consumer.seek(orders, to: .earliest)
                    #expect(try await Fixture.records(12, of: consumer).numbers == Array(0..<12))
                    // In the middle of a loop, too.
                    var numbers: [Int] = []
                    for try await record in consumer.records {
                        numbers.append(record.number)
                        if record.number == 14 { try consumer.seek(orders, to: .offset(48)) }
                        if record.number == 49 { break }
                    }
                    #expect(numbers == [12, 13, 14, 48, 49])
                    try consumer.seek(orders, to: .latest)
                    async let next = Fixture.records(1, of: consumer)
                    while consumer.position(of: orders) != 50 { await Task.yield() }
                    try await Fixture.produce(50..<51, to: orders, client)
                    #expect(try await next.numbers == [50])
                }
            }
        }
    }

    @Test("offsets are found by time, also of partitions that are not read")
    func times() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<50, to: orders, $0) }
            try await KafkaConsumer.withConsumer(cluster, configuration: Fixture.configuration(.assignment([:]))) {
                consumer async throws in
                #expect(try await consumer.offsets(for: [orders: 7_000])[orders]?.get().offset == 7)
                #expect(try await consumer.offsets(for: [orders: 60_000])[orders]?.get().offset == nil)
            }
        }
    }

    @Test("a paused partition is left alone until it is resumed, and nothing of it is lost or repeated")
    func pauses() async throws {
        try await withMartlet(MartletConfiguration(topics: [MartletTopic("orders", partitions: 2)])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let (first, second) = (Fixture.partition(0), Fixture.partition(1))
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<40, to: first, client)
                try await Fixture.produce(100..<140, to: second, client)
            }
            let configuration = Fixture.configuration(.assignment([first: .earliest, second: .earliest]))
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var numbers: [Int] = []
                for try await record in consumer.records {
                    numbers.append(record.number)
                    if record.number == 5 { try consumer.pause([first]) }
                    if numbers.count(where: { $0 >= 100 }) == 40, consumer.paused == [first] {
                        #expect(numbers.filter { $0 < 100 } == Array(0..<6))
                        try consumer.resume([first])
                    }
                    if numbers.count == 80 { break }
                }
                #expect(numbers.filter { $0 < 100 } == Array(0..<40))
                #expect(numbers.filter { $0 >= 100 } == Array(100..<140))
            }
        }
    }

    @Test("a partition whose offset is gone goes on as the configuration says, and says so")
    func outOfRange() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<50, to: orders, client)
                _ = try await client.deleteRecords(before: [orders: 20])
            }
            let configuration = Fixture.configuration(.assignment([orders: .offset(3)]))
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                #expect(try await Fixture.records(2, of: consumer).numbers == [20, 21])
                for await event in consumer.events {
                    guard case .reset(orders, let from, let to) = event else { continue }
                    #expect(from == 3)
                    #expect(to == 20)
                    break
                }
            }
            var strict = configuration
            strict.offsetReset = .fail
            let error = await #expect(throws: KafkaClientError.self) {
                try await KafkaConsumer.withConsumer(cluster, configuration: strict) { consumer async throws in
                    for try await _ in consumer.records {}
                }
            }
            #expect(error?.message == "orders-0 has no offset 3: it has 20 up to 50")
        }
    }

    @Test("a broker that is killed and comes back is read on, nothing lost and nothing twice")
    func restart() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<50, to: orders, client)
                var configuration = Fixture.configuration(.assignment([orders: .earliest]))
                configuration.partitionBytesMax = 300
                try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                    #expect(try await Fixture.records(20, of: consumer).numbers == Array(0..<20))
                    try await martlet.kill()
                    try await martlet.start()
                    try await Fixture.produce(50..<60, to: orders, client)
                    #expect(try await Fixture.records(40, of: consumer).numbers == Array(20..<60))
                }
            }
        }
    }

    @Test("closing ends the iterators and the run")
    func closes() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let configuration = Fixture.configuration(.assignment([Fixture.partition(0): .earliest]))
            let consumer = try KafkaConsumer(cluster: cluster, configuration: configuration)
            async let running: Void = consumer.run()
            async let read = Fixture.records(1, of: consumer)
            consumer.close()
            #expect(try await read.isEmpty)
            try await running
        }
    }
}
