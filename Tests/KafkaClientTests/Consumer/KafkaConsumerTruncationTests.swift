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

/// A consumer of a partition whose leader changes, and loses records with it.
@Suite struct KafkaConsumerTruncationTests {
    private static let orders = TopicPartition(topic: "orders", partition: 0)

    /// The leader of `orders-0`.
    private final class Leader: Sendable {
        struct State: Sendable {
            var leaderEpoch: Int32 = 3
            var end: Int64 = 20
            /// What is said to where epoch 3 ends; nil: nothing is known of it.
            var epochEnd: Int64?
            /// Questions for it are refused before they are answered.
            var refusals: [ErrorCode] = []
            /// The leader epochs that came with questions where the partition begins.
            var listed: [Int32] = []
            /// What came: the epoch and the leader epoch of each question.
            var questions: [[Int32]] = []
        }

        let state = Mutex(State())

        func answer(_ request: ScriptedBroker.Request) throws -> any KafkaMessage {
            let (body, version) = (request.body, request.version)
            switch request.api {
            case .offsetForLeaderEpoch:
                return self.epochEnd(try OffsetForLeaderEpochRequest.decode(body, version: version))
            case .listOffsets:
                let asked = try ListOffsetsRequest.decode(body, version: version)
                self.state.withLock { $0.listed += asked.topics.flatMap { $0.partitions.map(\.currentLeaderEpoch) } }
                return try LookupTests.started(request)
            default:
                return try self.fetch(try FetchRequest.decode(body, version: version))
            }
        }

        private func epochEnd(_ request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
            self.state.withLock { state in
                var response = OffsetForLeaderEpochResponse()
                response.topics = request.topics.map { asked in
                    var topic = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
                    topic.topic = asked.topic
                    topic.partitions = asked.partitions.map { asked in
                        state.questions.append([asked.leaderEpoch, asked.currentLeaderEpoch, request.replicaID])
                        var partition = OffsetForLeaderEpochResponse.EpochEndOffset()
                        if !state.refusals.isEmpty {
                            partition.errorCode = state.refusals.removeFirst().rawValue
                        } else if let end = state.epochEnd {
                            (partition.leaderEpoch, partition.endOffset) = (3, end)
                        }
                        return partition
                    }
                    return topic
                }
                return response
            }
        }

        /// Batches of one record, of epoch 3 as long as that leads and of epoch 4 then.
        private func fetch(_ request: FetchRequest) throws -> FetchResponse {
            let state = self.state.withLock(\.self)
            return try request.answer(asksForPause: true) { asked, partition in
                partition.highWatermark = state.end
                if asked.currentLeaderEpoch != state.leaderEpoch {
                    partition.errorCode = ErrorCode.fencedLeaderEpoch.rawValue
                } else if asked.fetchOffset < state.end {
                    partition.records = .buffer(try Self.batch(asked.fetchOffset, epoch: state.leaderEpoch))
                }
            }
        }

        private static func batch(_ offset: Int64, epoch: Int32) throws -> ByteBuffer {
            var options = RecordBatchBuilder.Options()
            options.baseOffset = offset
            options.partitionLeaderEpoch = epoch
            var builder = RecordBatchBuilder(options)
            try builder.append(key: nil, value: ByteBuffer(string: "\(epoch)"), timestamp: 0)
            return try builder.finish().bytes
        }
    }

    /// Reads to the end of the first leader's log, has another one elected, and reads to the end of its log. Returns
    /// what came, as `offset of epoch`, and the events.
    private static func read(
        _ leader: Leader, reset: OffsetReset = .earliest, versions: ClosedRange<Int16>? = 2...4,
        elect: @escaping @Sendable (inout Leader.State) -> Void
    ) async throws -> (records: [String], events: [String]) {
        let events = Mutex<[String]>([])
        let records = Mutex<[String]>([])
        var configuration = KafkaConsumerConfiguration(subscription: .assignment([Self.orders: .offset(17)]))
        configuration.offsetReset = reset
        configuration.onEvent = { event in
            switch event {
            case .truncated(let partition, let from, let to):
                events.withLock { $0.append("truncated \(partition) \(from) \(to)") }
            case .reset(let partition, let from, let to):
                events.withLock { $0.append("reset \(partition) \(from ?? -1) \(to)") }
            default: break
            }
        }
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], versions: [.offsetForLeaderEpoch: versions],
            handler: { _, request in .answer(try leader.answer(request)) }
        ) { [configuration] fake, cluster in
            fake.update { $0.leaderEpoch = 3 }
            try await KafkaConsumer.withConsumer(sharing: cluster, configuration: configuration) { consumer in
                for try await record in consumer.records {
                    records.withLock {
                        $0.append("\(record.record.offset) of \(record.leaderEpoch)")
                    }
                    if record.record.offset == 19, record.leaderEpoch == 3 {
                        leader.state.withLock { state in
                            state.leaderEpoch = 4
                            state.end = 22
                            elect(&state)
                        }
                        fake.update { $0.leaderEpoch = 4 }
                    }
                    if record.record.offset == 21 { break }
                }
            }
        }
        return (records.withLock(\.self), events.withLock(\.self))
    }

    private static let before = ["17 of 3", "18 of 3", "19 of 3"]

    @Test("a leader that has what was read is read on")
    func passes() async throws {
        let leader = Leader()
        let (records, events) = try await Self.read(leader) { $0.epochEnd = 20 }
        #expect(records == Self.before + ["20 of 4", "21 of 4"])
        #expect(events.isEmpty)
        #expect(leader.state.withLock(\.questions) == [[3, 4, -1]])
    }

    @Test("where records are gone, reading goes on where the log and what was read part, and an event tells")
    func truncated() async throws {
        let (records, events) = try await Self.read(Leader()) { $0.epochEnd = 18 }
        #expect(records == Self.before + ["18 of 4", "19 of 4", "20 of 4", "21 of 4"])
        #expect(events == ["truncated orders-0 20 18"])
    }

    @Test("where the leader knows nothing of the epoch, the configuration decides where to go on")
    func unknownEpoch() async throws {
        let leader = Leader()
        let (records, events) = try await Self.read(leader) { $0.epochEnd = nil }
        #expect(records.dropFirst(3).first == "0 of 4")
        #expect(events == ["reset orders-0 20 0"])
        #expect(leader.state.withLock(\.listed) == [4])
    }

    @Test("a consumer that is not to go on elsewhere ends with an error that says where the logs part")
    func fails() async throws {
        let error = await #expect(throws: KafkaClientError.self) {
            _ = try await Self.read(Leader(), reset: .fail) { $0.epochEnd = 18 }
        }
        #expect(error?.message.contains("orders-0 was truncated: what was read up to position 20") == true)
        #expect(error?.message.contains("the two part at offset 18") == true)
    }

    @Test("brokers that cannot be asked are read on without", arguments: [nil, Int16(0)...1, 0...0])
    func oldBroker(versions: ClosedRange<Int16>?) async throws {
        let leader = Leader()
        let (records, events) = try await Self.read(leader, versions: versions) { $0.epochEnd = 18 }
        #expect(records == Self.before + ["20 of 4", "21 of 4"])
        #expect(events.isEmpty)
        #expect(leader.state.withLock(\.questions).isEmpty)
    }

    @Test("a question that is refused because the leader moves is repeated")
    func refused() async throws {
        let leader = Leader()
        let (records, _) = try await Self.read(leader) { state in
            state.epochEnd = 20
            state.refusals = [.notLeaderOrFollower, .unknownLeaderEpoch, .fencedLeaderEpoch]
        }
        #expect(records == Self.before + ["20 of 4", "21 of 4"])
        #expect(leader.state.withLock(\.questions).count == 4)
    }

    @Test("a question that is refused for good ends the consumer")
    func refusedForGood() async throws {
        let error = await #expect(throws: KafkaClientError.self) {
            _ = try await Self.read(Leader()) { $0.refusals = [.topicAuthorizationFailed] }
        }
        #expect(error?.errorCode == .topicAuthorizationFailed)
    }
}
