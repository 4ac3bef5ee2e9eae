// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import GroupCoordinator
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import SimulatedIO
import NIOCore
import Testing

@testable import Broker

/// What a shard of groups does while its log is being read, and what it makes of a log that is not all good.
@Suite struct GroupLoadingTests {
    @Test func nobodyIsAnsweredUntilTheLogHasBeenRead() async throws {
        try await withBroker { harness in
            _ = try await harness.findCoordinator(of: "g")
            let service = harness.broker.groups
            let opened = try #require(service.host(of: "g"))
            let host = GroupShardHost(partition: opened.partition, service: service)
            let connection = harness.connection
            let context = RequestContext(
                apiKey: .heartbeat, apiVersion: 4, correlationID: 1, clientID: nil, connection: connection)
            func answer() async throws -> ErrorCode? {
                try await connection.eventLoop.submit {
                    let outcome = host.ask(context) { $0.heartbeat(HeartbeatRequest(), $1, $2) }
                    switch outcome {
                    case .now(.failure(let refusal)): return refusal.errorCode
                    case .now(.success(.heartbeat(let response))): return ErrorCode(response.errorCode)
                    default: return nil
                    }
                }.get()
            }
            #expect(try await answer() == .coordinatorLoadInProgress)
            host.begin(with: GroupShard())
            #expect(try await answer() == .invalidGroupID)
            host.close()
            #expect(try await answer() == .coordinatorNotAvailable)
        }
    }

    @Test func aDamagedBatchCostsTheCommitsInItAndNothingElse() async throws {
        let files = SimulatedFileSystem(directories: ["/tmp"])
        try await withBroker(fileSystem: files) { harness in
            try await harness.createTopic("t")
            _ = try await harness.findCoordinator(of: "g")
            let partition = GroupCoordinatorService.partition(of: "g", count: 50)
            let neighbour = try #require(
                (0...).lazy.map { "g-\($0)" }.first {
                    GroupCoordinatorService.partition(of: $0, count: 50) == partition
                })
            #expect(try await harness.commit("g", "t", 0, 5) == ErrorCode.none)
            #expect(try await harness.commit(neighbour, "t", 0, 7) == ErrorCode.none)
            try harness.broker.shutDown()
            let segment = "\(harness.directory)/\(TopicName.consumerOffsets)-\(partition)/00000000000000000000.log"
            // In the first record.
            files.damage(segment, at: RecordBatchHeader.byteCount + 10)
            try harness.startAgain()
            #expect(try await harness.committed(neighbour, "t", 0) == 7)
            #expect(try await harness.committed("g", "t", 0) == -1)
            #expect(try await harness.commit("g", "t", 0, 9) == ErrorCode.none)
            #expect(try await harness.committed("g", "t", 0) == 9)
        }
    }

    @Test func recordsOfKindsThatAreNotKnownArePassedOver() async throws {
        try await withBroker { harness in
            try await harness.createTopic("t")
            _ = try await harness.findCoordinator(of: "g")
            #expect(try await harness.commit("g", "t", 0, 5) == ErrorCode.none)
            let host = try #require(harness.broker.groups.host(of: "g"))
            var builder = RecordBatchBuilder()
            // A share group's record, a key that is too short for its version, and one cut off in the middle.
            for key: [UInt8] in [[0, 11, 0, 1, 65], [0], [0, 1, 0, 9, 65]] {
                try builder.append(key: ByteBuffer(bytes: key), value: ByteBuffer(bytes: [0, 0, 1]), timestamp: 1)
            }
            let log = host.partition.log
            _ = log.append([PreparedBatch(trusting: try builder.finish())], leaderEpoch: 0, now: 1)
            #expect(try await harness.commit("g", "t", 0, 6) == ErrorCode.none)
            #expect(log.highWatermark == 5)
            try harness.restart()
            #expect(try await harness.committed("g", "t", 0) == 6)
        }
    }

    @Test func aJoinThatIsParkedIsAnsweredWhenItsConnectionStopsWaiting() async throws {
        try await withBroker(["group.initial.rebalance.delay.ms": "60000"]) { harness in
            _ = try await harness.findCoordinator(of: "g")
            var joinProtocol = JoinGroupRequest.JoinGroupRequestProtocol()
            joinProtocol.name = "range"
            var join = JoinGroupRequest()
            join.groupID = "g"
            join.sessionTimeoutMs = 10_000
            join.rebalanceTimeoutMs = 60_000
            join.protocolType = "consumer"
            join.protocols = [joinProtocol]
            let request = join
            async let answer = harness.send(request, version: 3)
            let eventLoop = harness.connection.eventLoop
            var isParked = false
            while !isParked {
                isParked = try harness.broker.look(at: "g") { shard, _ in !shard.listGroups().isEmpty }.get()
                await Task.yield()
            }
            try await eventLoop.submit { harness.connection.stopWaiting() }.get()
            #expect(try await answer.errorCode == ErrorCode.coordinatorNotAvailable.rawValue)
        }
    }
}
