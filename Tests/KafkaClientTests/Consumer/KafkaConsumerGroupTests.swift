// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct KafkaConsumerGroupTests {
    /// Collects what a consumer delivers and tells.
    private final class Receiver: Sendable {
        private let state = Mutex<(offsets: [Int32: [Int64]], events: [String])>(([:], []))

        var offsets: [Int32: [Int64]] { self.state.withLock { $0.offsets } }
        var events: [String] { self.state.withLock { $0.events } }

        /// Returns how many records came so far.
        @discardableResult
        func receive(_ batch: ConsumedBatch) throws -> Int {
            var records = try batch.records()
            return try self.state.withLock { state in
                while let record = try records.next() {
                    state.offsets[batch.partition.partition.rawValue, default: []].append(record.offset)
                }
                return state.offsets.values.reduce(0) { $0 + $1.count }
            }
        }

        func note(_ event: KafkaConsumerEvent) {
            let text =
                switch event {
                case .assigned(let partitions): "assigned \(partitions)"
                case .revoked(let partitions): "revoked \(partitions)"
                case .lost(let partitions, _): "lost \(partitions)"
                case .reset(let partition, let from, let to): "reset \(partition) \(from.map { "\($0)" } ?? "-") \(to)"
                case .truncated(let partition, let from, let to): "truncated \(partition) \(from) \(to)"
                case .retrying(let error): "retrying \(error)"
                case .commitFailed(let error): "commit failed \(error)"
                }
            self.state.withLock { $0.events.append(text) }
        }
    }

    private enum Decision {
        case more
        case stop(at: Offset)
    }

    /// Runs a consumer, and hands its batches to `process` until it is closed.
    private static func consume(
        _ consumer: KafkaConsumer, onEvent: @escaping @Sendable (KafkaConsumerEvent) -> Void = { _ in },
        process: (ConsumedBatch) async throws -> Decision
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await consumer.run() }
            tasks.addTask { for await event in consumer.events { onEvent(event) } }
            for try await batch in consumer.batches {
                guard case .stop(let offset) = try await process(batch) else { continue }
                consumer.markProcessed(batch, upTo: offset)
                break
            }
            consumer.close()
            try await tasks.waitForAll()
        }
    }

    @Test("it goes on where the group was, commits what was processed when it stops, and leaves")
    func reads() async throws {
        let group = FakeGroup { state in
            state.target = [0, 1]
            state.committed = [0: 12]
            state.end = 20
        }
        try await FakeGroup.run(group) { consumer in
            let receiver = Receiver()
            try await Self.consume(consumer, onEvent: receiver.note) { batch in
                if try receiver.receive(batch) == 28 { consumer.close() }
                return .more
            }
            #expect(receiver.offsets == [0: Array(12..<20), 1: Array(0..<20)])
            #expect(
                receiver.events == [
                    "assigned [orders-0, orders-1]", "reset orders-1 - 0", "revoked [orders-0, orders-1]",
                ])
            #expect(group.log.first == "join")
            #expect(group.log.contains("own [0, 1]"))
            #expect(group.log.suffix(2) == ["commit 0:20 1:20", "leave -1"])
        }
    }

    @Test("whoever is told of an assignment may seek before anything of it is delivered")
    func seeksWhenAssigned() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.committed = [0: 3]
            state.end = 20
        }
        let owner = Mutex<KafkaConsumer?>(nil)
        let receiver = Receiver()
        try await FakeGroup.run(
            group,
            configure: { configuration in
                configuration.onEvent = { event in
                    receiver.note(event)
                    guard case .assigned(let partitions) = event else { return }
                    // What a busy machine may do: it takes long until the call is over.
                    for _ in 0..<200_000 { _ = group.log }
                    for partition in partitions {
                        #expect(throws: Never.self) {
                            try owner.withLock { $0 }?.seek(partition, to: .offset(15))
                        }
                    }
                }
            }
        ) { consumer in
            owner.withLock { $0 = consumer }
            try await Self.consume(consumer) { batch in
                if try receiver.receive(batch) == 5 { consumer.close() }
                return .more
            }
            #expect(receiver.offsets == [0: Array(15..<20)])
        }
        owner.withLock { $0 = nil }
    }

    @Test("offsets are committed every now and then, too")
    func periodicCommits() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 10
        }
        try await FakeGroup.run(group, configure: { $0.autoCommitInterval = .milliseconds(5) }) { consumer in
            async let running: Void = Self.consume(consumer) { _ in .more }
            await group.wait { $0.committed == [0: 10] }
            consumer.close()
            try await running
        }
    }

    @Test("whoever has enough in the middle of a batch commits up to there")
    func stopsInside() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 10
        }
        try await FakeGroup.run(group) { consumer in
            try await Self.consume(consumer) { batch in batch.batch.header.baseOffset == 5 ? .stop(at: 7) : .more }
            #expect(group.committed == [0: 7])
        }
    }

    @Test("a batch that could not be processed is not committed, and the error comes out after leaving")
    func processingFails() async throws {
        struct Broken: Error {}
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 10
        }
        try await FakeGroup.run(group) { consumer in
            await #expect(throws: Broken.self) {
                try await Self.consume(consumer) { batch in
                    if batch.batch.header.baseOffset == 5 { throw Broken() }
                    return .more
                }
            }
            #expect(group.log.suffix(2) == ["commit 0:5", "leave -1"])
        }
    }

    @Test("a cancelled task leaves the group all the same")
    func cancelled() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 5
        }
        try await FakeGroup.run(group) { consumer in
            let receiver = Receiver()
            let running = Task { try await Self.consume(consumer, onEvent: receiver.note) { _ in .more } }
            await group.wait { $0.log.contains("own [0]") }
            running.cancel()
            await #expect(throws: CancellationError.self) { try await running.value }
            #expect(group.log.last == "leave -1")
        }
    }

    @Test("a partition that is taken away is committed before the coordinator hears that it is free")
    func revoked() async throws {
        let group = FakeGroup { state in
            state.target = [0, 1]
            state.end = 10
        }
        try await FakeGroup.run(group) { consumer in
            let receiver = Receiver()
            async let running: Void = Self.consume(consumer, onEvent: receiver.note) { batch in
                if try receiver.receive(batch) == 20 { group.update { $0.target = [1, 2] } }
                return .more
            }
            await group.wait { $0.log.contains("own [1, 2]") }
            consumer.close()
            try await running
            let commit = try #require(group.log.firstIndex(of: "commit 0:10 1:10"))
            let release = try #require(group.log.firstIndex(of: "own [1, 2]"))
            #expect(commit < release)
            #expect(receiver.events.contains("revoked [orders-0]"))
            #expect(receiver.offsets[0] == Array(0..<10))
            #expect(receiver.offsets[1] == Array(0..<10), "what it keeps is read once")
        }
    }

    @Test("a commit that a stale epoch stopped is not made under the next one for what was lost meanwhile")
    func commitAfterLoss() async throws {
        let group = FakeGroup { ($0.target, $0.end, $0.commitRefusal) = ([0], 10, .staleMemberEpoch) }
        try await FakeGroup.run(group) { consumer in
            let running = Task { try await consumer.run() }
            let orders = TopicPartition(topic: "orders", partition: 0)
            await group.wait { $0.told == [0] && $0.log.contains("own [0]") }
            let commit = Task { try await consumer.commit([orders: 5]) }
            await group.wait { $0.commitAttempts > 0 }
            // Another member has come further meanwhile.
            group.update { ($0.refusal, $0.committed) = (.fencedMemberEpoch, [0: 8]) }
            await group.wait { $0.joins == 2 }
            group.update { $0.commitRefusal = nil }
            let error = await #expect(throws: KafkaClientError.self) { try await commit.value }
            #expect(error?.errorCode == .staleMemberEpoch)
            #expect(group.committed == [0: 8])
            running.cancel()
            _ = await running.result
        }
    }

    @Test("heartbeats go on while a batch is processed, however long that takes")
    func slowProcessing() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 5
        }
        try await FakeGroup.run(group) { consumer in
            try await Self.consume(consumer) { _ in
                group.update { $0.heartbeats = 0 }
                await group.wait { $0.heartbeats >= 5 }
                consumer.close()
                return .more
            }
            #expect(group.committed == [0: 5])
        }
    }

    @Test("a batch at hand is finished before a partition is given up")
    func finishesBatch() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 5
        }
        try await FakeGroup.run(group) { consumer in
            async let running: Void = Self.consume(consumer) { _ in
                group.update { state in
                    state.target = []
                    state.heartbeats = 0
                }
                // By then the member knows that it is to give up the partition.
                await group.wait { $0.heartbeats >= 4 }
                #expect(!group.log.contains("own []"))
                return .more
            }
            await group.wait { $0.log.contains("own []") }
            consumer.close()
            try await running
            let release = group.log.firstIndex(of: "own []")
            #expect(group.log.firstIndex(of: "commit 0:5").map { $0 < release ?? 0 } == true)
        }
    }

    @Test(
        "a fenced member commits nothing more of what it had, joins again and reads on",
        arguments: [
            ErrorCode.fencedMemberEpoch, .unknownMemberID,
        ])
    func fenced(errorCode: ErrorCode) async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 10
        }
        try await FakeGroup.run(group) { consumer in
            let receiver = Receiver()
            async let running: Void = Self.consume(consumer, onEvent: receiver.note) { batch in
                let count = try receiver.receive(batch)
                if count == 10 {
                    // Another member has come further meanwhile, but not to the end.
                    group.update { ($0.refusal, $0.committed) = (errorCode, [0: 8]) }
                    await group.wait { $0.joins == 2 }
                }
                if count == 12 { consumer.close() }
                return .more
            }
            try await running
            #expect(receiver.offsets[0] == Array(0..<10) + [8, 9])
            #expect(receiver.events.contains("lost [orders-0]"))
            #expect(group.log.filter { $0.hasPrefix("commit") } == ["commit 0:10"])
            #expect(group.log.last == "leave -1")
        }
    }

    @Test(
        "an offset that is gone is one to begin anew from, as the configuration says",
        arguments: [
            (OffsetReset.earliest, Int64(10)), (.latest, 30),
        ])
    func outOfRange(reset: OffsetReset, start: Int64) async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.committed = [0: 3]
            (state.start, state.end) = (10, 30)
        }
        try await FakeGroup.run(group, configure: { $0.offsetReset = reset }) { consumer in
            let receiver = Receiver()
            try await Self.consume(
                consumer,
                onEvent: { event in
                    receiver.note(event)
                    if case .reset = event { consumer.close() }
                }, process: { _ in .more })
            #expect(receiver.events.suffix(2) == ["reset orders-0 3 \(start)", "revoked [orders-0]"])
        }
    }

    @Test("without a place to begin it fails, if it was told to")
    func noReset() async throws {
        let group = FakeGroup { $0.target = [0] }
        try await FakeGroup.run(group, configure: { $0.offsetReset = .fail }) { consumer in
            let error = await #expect(throws: KafkaClientError.self) { try await Self.consume(consumer) { _ in .more } }
            #expect(error?.message == "group g has committed nothing for orders-0, and offsetReset is .fail")
            #expect(group.log.last == "leave -1")
        }
    }

    @Test(
        "a broker without the consumer protocol is told from one that is broken",
        arguments: [
            nil, Int16(0)...Int16(0),
        ])
    func oldBroker(served: ClosedRange<Int16>?) async throws {
        let group = FakeGroup { _ in }
        try await FakeGroup.run(group, versions: [.consumerGroupHeartbeat: served]) { consumer in
            let error = await #expect(throws: KafkaClientError.self) { try await Self.consume(consumer) { _ in .more } }
            #expect(error?.code == .unsupportedVersion)
            #expect(error?.message.contains("takes Kafka 4.0 or newer") == true)
        }
    }

    @Test("fetches and the membership have connections of their own, which end with the consumer")
    func lanes() async throws {
        let group = FakeGroup { state in
            state.target = [0]
            state.end = 5
        }
        try await FakeGroup.run(group) { consumer in
            let (pool, address) = (consumer.cluster.pool, consumer.cluster.configuration.bootstrap[0])
            let lanes = [consumer.fetchLane, consumer.membershipLane]
            try await Self.consume(consumer) { _ in
                for lane in lanes { #expect(pool.isConnected(to: address, lane: lane)) }
                consumer.close()
                return .more
            }
            for lane in lanes { #expect(!pool.isConnected(to: address, lane: lane)) }
            #expect(pool.isConnected(to: address, lane: .general), "that is the cluster's, which goes on")
        }
    }

    @Test("a weight that no broker would take is refused before anything is sent")
    func weights() async throws {
        try await FakeGroup.run(FakeGroup { _ in }) { consumer in
            #expect(throws: KafkaClientError.self) { try consumer.setWeight(-1) }
            #expect(throws: KafkaClientError.self) { try consumer.setWeight(1_000_001) }
            #expect(throws: Never.self) { try consumer.setWeight(0) }
        }
    }
}
