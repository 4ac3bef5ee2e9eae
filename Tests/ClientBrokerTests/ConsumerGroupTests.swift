// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import Synchronization
import Testing

@Suite struct ConsumerGroupTests {
    private typealias Fixture = ConsumerFixture

    private static func configuration(
        _ change: (inout ConsumerGroupConfiguration) -> Void = { _ in }
    ) -> KafkaConsumerConfiguration {
        var group = ConsumerGroupConfiguration("billing", topics: .names(["orders"]))
        change(&group)
        return Fixture.configuration(.group(group))
    }

    /// What all members of a group have received, by number of the record.
    private final class Ledger: Sendable {
        private let state = Mutex<(counts: [Int: Int], waiters: [(Int, CheckedContinuation<Void, Never>)])>(([:], []))

        var counts: [Int: Int] { self.state.withLock { $0.counts } }

        func note(_ number: Int) {
            let due = self.state.withLock { state in
                state.counts[number, default: 0] += 1
                let count = state.counts.count
                let due = state.waiters.filter { $0.0 <= count }
                state.waiters.removeAll { $0.0 <= count }
                return due
            }
            for waiter in due { waiter.1.resume() }
        }

        /// Returns when so many different records have come.
        func wait(for count: Int) async {
            await withCheckedContinuation { continuation in
                let isDue = self.state.withLock { state in
                    if state.counts.count >= count { return true }
                    state.waiters.append((count, continuation))
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    @Test("a member goes on where the group was, and what it was asked past is committed when it closes")
    func resumes() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<50, to: orders, $0) }
            let configuration = Self.configuration()
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                #expect(try await Fixture.records(15, of: consumer).numbers == Array(0..<15))
                #expect(consumer.assignment == [orders])
                #expect(try await consumer.committed([orders]).isEmpty)
            }
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                // The last one was delivered, and nobody knows whether it was processed.
                #expect(try await Fixture.records(1, of: consumer).numbers == [14])
                #expect(try await consumer.committed([orders]) == [orders: 14])
            }
        }
    }

    @Test("commits say what they commit: what was processed, what was marked, or offsets")
    func commits() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<50, to: orders, $0) }
            var configuration = Self.configuration()
            configuration.autoCommitInterval = nil
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var records = consumer.records.makeAsyncIterator()
                for _ in 0..<5 { _ = try await records.next() }
                try await consumer.commit()
                #expect(try await consumer.committed([orders]) == [orders: 4])
                consumer.markProcessed(try #require(try await records.next()))
                try await consumer.commit()
                #expect(try await consumer.committed([orders]) == [orders: 6])
                try await consumer.commit([orders: 30])
                #expect(try await consumer.committed([orders]) == [orders: 30])
            }
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                #expect(try await Fixture.records(1, of: consumer).numbers == [30])
            }
        }
    }

    @Test("offsets of what was processed are committed on the interval, and those of what was fetched are not")
    func commitsOnInterval() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<50, to: orders, $0) }
            var configuration = Self.configuration()
            configuration.autoCommitInterval = .milliseconds(5)
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var batches = consumer.batches.makeAsyncIterator()
                for _ in 0..<3 { _ = try await batches.next() }
                while try await consumer.committed([orders]) != [orders: 20] {}
                _ = try await batches.next()
                while try await consumer.committed([orders]) != [orders: 30] {}
            }
        }
    }

    /// How members agree.
    enum Agreement: CaseIterable {
        case consumer, eager, cooperative

        func set(_ group: inout ConsumerGroupConfiguration) {
            group.heartbeatInterval = .milliseconds(50)
            switch self {
            case .consumer: group.protocol = .consumer()
            case .eager: group.protocol = .classic([ModuloAssignor(isCooperative: false)])
            case .cooperative: group.protocol = .classic([ModuloAssignor(isCooperative: true)])
            }
        }
    }

    /// Partition 7 of a topic goes to the member with the number 7 modulo the count of those that want it.
    private struct ModuloAssignor: ClassicAssignor {
        let name = "modulo"
        let isCooperative: Bool

        func assign(_ problem: ClassicAssignmentProblem) throws -> [String: [TopicPartition]] {
            var result: [String: [TopicPartition]] = [:]
            for (topic, count) in problem.partitionCounts {
                let members = problem.members.filter { $0.topics.contains(topic) }.map(\.memberID)
                for index in 0..<(members.isEmpty ? 0 : count) {
                    let partition = TopicPartition(topic: topic, partition: PartitionIndex(Int32(index)))
                    result[members[index % members.count], default: []].append(partition)
                }
            }
            return result
        }
    }

    @Test("members that come and go share the partitions, and nothing is lost", arguments: Agreement.allCases)
    func comeAndGo(agreement: Agreement) async throws {
        let configs = [
            "group.consumer.heartbeat.interval.ms": "50", "group.consumer.min.heartbeat.interval.ms": "50",
        ]
        let topics = [MartletTopic("orders", partitions: 6)]
        try await withMartlet(MartletConfiguration(configs: configs, topics: topics)) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let ledger = Ledger()
            let count = 600
            @Sendable func consume(_ consumer: KafkaConsumer) async throws {
                for try await record in consumer.records { ledger.note(record.number) }
            }
            try await KafkaCluster.withCluster(cluster) { client async throws in
                let members = try (0..<3).map { _ in
                    try KafkaConsumer(cluster: cluster, configuration: Self.configuration(agreement.set))
                }
                try await withThrowingTaskGroup(of: Void.self) { tasks async throws in
                    func start(_ consumer: KafkaConsumer) {
                        tasks.addTask { try await consumer.run() }
                        tasks.addTask { try await consume(consumer) }
                    }
                    start(members[0])
                    for index in 0..<6 {
                        try await Fixture.produce(
                            index * 50..<index * 50 + 50, to: Fixture.partition(Int32(index)), client)
                    }
                    await ledger.wait(for: 100)
                    start(members[1])
                    await Self.settle(members[0...1], partitions: 6)
                    start(members[2])
                    await Self.settle(members[0...2], partitions: 6)
                    members[0].close()
                    await Self.settle(members[1...2], partitions: 6)
                    for index in 0..<6 {
                        let first = 300 + index * 50
                        try await Fixture.produce(first..<first + 50, to: Fixture.partition(Int32(index)), client)
                    }
                    await ledger.wait(for: count)
                    for member in members { member.close() }
                    try await tasks.waitForAll()
                }
            }
            #expect(ledger.counts == Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, 1) }))
        }
    }

    /// Returns when these members share all partitions.
    private static func settle(_ members: ArraySlice<KafkaConsumer>, partitions: Int) async {
        while true {
            let parts = members.map(\.assignment)
            let isFair = parts.allSatisfy { $0.count == partitions / members.count }
            if isFair, parts.reduce(Set(), { $0.union($1) }).count == partitions { return }
            await Task.yield()
        }
    }

    @Test("a receiver that takes too long is out of the group until it asks again")
    func slowReceiver() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<30, to: orders, $0) }
            var configuration = Self.configuration()
            configuration.maxPollInterval = .milliseconds(50)
            try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                var batches = consumer.batches.makeAsyncIterator()
                _ = try await batches.next()
                #expect(try await batches.next()?.batch.header.baseOffset == 10)
                for await event in consumer.events {
                    guard case .lost(let partitions, let error) = event else { continue }
                    #expect(partitions == [orders])
                    #expect(error.message.contains("maxPollInterval"))
                    break
                }
                #expect(consumer.assignment.isEmpty)
                // The first batch was processed, the second one is not this member's any more.
                #expect(try await batches.next()?.batch.header.baseOffset == 10)
            }
        }
    }

    @Test("a member whose task is cancelled commits, and leaves so that others need not wait for its session")
    func cancelled() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            let orders = Fixture.partition(0)
            try await KafkaCluster.withCluster(cluster) { try await Fixture.produce(0..<30, to: orders, $0) }
            let consumer = try KafkaConsumer(cluster: cluster, configuration: Self.configuration())
            await withThrowingTaskGroup(of: Void.self) { tasks async in
                tasks.addTask { try await consumer.run() }
                var batches = consumer.batches.makeAsyncIterator()
                for _ in 0..<2 { _ = try? await batches.next() }
                tasks.cancelAll()
                await #expect(throws: CancellationError.self) { try await tasks.waitForAll() }
                do {
                    let next = try await batches.next()
                    #expect(next?.next == nil, "the iterator ends, too")
                } catch {
                    Issue.record(error)
                }
            }
            try await KafkaConsumer.withConsumer(cluster, configuration: Self.configuration()) {
                consumer async throws in
                #expect(try await Fixture.records(1, of: consumer).numbers == [10])
            }
        }
    }

    @Test("a regular expression finds topics, also those that come later")
    func regex() async throws {
        try await withMartlet(MartletConfiguration(topics: ["orders-eu", "users"])) { martlet in
            let cluster = try Fixture.cluster(martlet)
            try await KafkaCluster.withCluster(cluster) { client async throws in
                try await Fixture.produce(0..<1, to: Fixture.partition(0, of: "orders-eu"), client)
                try await Fixture.produce(7..<8, to: Fixture.partition(0, of: "users"), client)
                let configuration = Self.configuration { $0.topics = .regex("orders-.*") }
                try await KafkaConsumer.withConsumer(cluster, configuration: configuration) { consumer async throws in
                    #expect(try await Fixture.records(1, of: consumer).numbers == [0])
                    #expect(consumer.assignment == [Fixture.partition(0, of: "orders-eu")])
                }
            }
        }
    }
}
