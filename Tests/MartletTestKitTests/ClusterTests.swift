// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import MartletTestKit
import NIOCore
import Testing

@Suite struct ClusterTests {
    private let configuration = MartletConfiguration(topics: [MartletTopic("t", partitions: 3)], nodes: 3)

    @Test("clients see as many nodes as there are, and each leads a part of the partitions")
    func nodes() async throws {
        try await withMartlet(self.configuration) { martlet in
            #expect(martlet.nodes.map(\.id) == [1, 2, 3])
            #expect(Set(martlet.nodes.map(\.port)).count == 3)
            try await martlet.withConnection(to: 2) { connection in
                var request = MetadataRequest()
                request.topics = nil
                let metadata = try await connection.send(request)
                #expect(metadata.brokers.map(\.nodeID) == [1, 2, 3])
                #expect(metadata.brokers.map { Int($0.port) } == martlet.nodes.map(\.port))
                let topic = try #require(metadata.topics.first { $0.name == "t" })
                #expect(topic.partitions.map(\.leaderID) == [1, 2, 3])
                #expect(topic.partitions.map { $0.replicaNodes.sorted() } == [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
            }
            try await martlet.withCluster { cluster in
                for number in 0..<3 {
                    let partition = TopicPartition(topic: "t", partition: PartitionIndex(Int32(number)))
                    try await cluster.produce("x", to: partition)
                }
                _ = try await cluster.createTopics([NewTopic("three", replicationFactor: 3)])
            }
        }
    }

    @Test("who does not lead a partition refuses what is for its leader, and answers the rest")
    func notLeader() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection(to: 1) { connection in
                let answers = try await connection.produce("x", to: [t0, t1])
                #expect(answers[0]?.errorCode == 0)
                #expect(answers[1]?.errorCode == ErrorCode.notLeaderOrFollower.rawValue)
                let fetched = try await connection.fetch(t1)
                #expect(fetched.only?.errorCode == ErrorCode.notLeaderOrFollower.rawValue)
            }
            #expect(try await martlet.endOffset(of: t1) == 0)
        }
    }

    @Test("a leader moves: the epoch grows, the old leader refuses, clients follow, and nothing is lost")
    func moves() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withCluster { cluster in
                try await cluster.produce("1")
                try await martlet.moveLeader(of: t0, to: 3)
                #expect(martlet.leader(of: t0) == 3)
                #expect(try await cluster.produce("2") == 1)
            }
            try await martlet.withConnection(to: 3) { connection in
                let old = try await connection.fetch(currentLeaderEpoch: 0)
                #expect(old.only?.errorCode == ErrorCode.fencedLeaderEpoch.rawValue)
                let new = try await connection.fetch(from: 1, currentLeaderEpoch: 1)
                let bytes = try #require(new.only?.records?.buffer)
                // Byte 12 of a batch is where its leader epoch stands.
                #expect(bytes.getInteger(at: bytes.readerIndex + 12, as: Int32.self) == 1)
            }
        }
    }

    @Test("a fetch that waits at the old leader is refused as soon as the leader moves")
    func waitingFetch() async throws {
        var configuration = self.configuration
        configuration.time = .standing
        try await withMartlet(configuration) { martlet in
            async let waiting = martlet.withConnection(to: 1) { try await $0.fetch(maxWaitMs: 60_000) }
            try await martlet.waitForRequests(1, of: .fetch)
            try await martlet.moveLeader(of: t0, to: 2)
            #expect(try await waiting.only?.errorCode == ErrorCode.notLeaderOrFollower.rawValue)
        }
    }

    @Test("a coordinator moves: the old one refuses, the new one is found, and members stay members")
    func coordinator() async throws {
        try await withMartlet(self.configuration) { martlet in
            let joined = try await martlet.withConnection(to: 1) {
                try await $0.heartbeat(group: "g", member: "m", epoch: 0)
            }
            #expect(joined.errorCode == 0)
            try martlet.moveCoordinator(of: "g", to: 2)
            try await martlet.withConnection(to: 1) { connection in
                let refused = try await connection.heartbeat(group: "g", member: "m", epoch: joined.memberEpoch)
                #expect(refused.errorCode == ErrorCode.notCoordinator.rawValue)
                let found = try await connection.coordinators(of: ["g"]).first
                #expect(found?.nodeID == 2)
                #expect(found.map { Int($0.port) } == martlet.nodes[1].port)
                var old = FindCoordinatorRequest()
                old.key = "g"
                #expect(try await connection.send(old, versions: 3...3).nodeID == 2)
            }
            try await martlet.withConnection(to: 2) { connection in
                let answer = try await connection.heartbeat(group: "g", member: "m", epoch: joined.memberEpoch)
                #expect(answer.errorCode == 0)
            }
        }
    }

    @Test("a member that waits to join learns at once that the coordinator moved")
    func waitingJoin() async throws {
        try await withMartlet(self.configuration) { martlet in
            func join(_ member: String) -> JoinGroupRequest {
                var request = JoinGroupRequest()
                (request.groupID, request.memberID, request.protocolType) = ("g", member, "consumer")
                (request.sessionTimeoutMs, request.rebalanceTimeoutMs) = (30_000, 30_000)
                var assignor = JoinGroupRequest.JoinGroupRequestProtocol()
                assignor.name = "range"
                request.protocols = [assignor]
                return request
            }
            let (first, second) = (join(""), join(""))
            // Version 3 joins without being given an id first.
            try await martlet.withConnection(to: 1) { connection in
                _ = try await connection.coordinators(of: ["g"])
                _ = try await connection.send(first, versions: 3...3)
            }
            async let waiting = martlet.withConnection(to: 1) { try await $0.send(second, versions: 3...3) }
            try await martlet.waitForRequests(2, of: .joinGroup)
            try martlet.moveCoordinator(of: "g", to: 3)
            #expect(try await waiting.errorCode == ErrorCode.notCoordinator.rawValue)
        }
    }

    @Test("one node refuses connections, and its connections are dropped, while the others go on")
    func nodeOut() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection(to: 1) { connection in
                martlet.refuseConnections(to: 2)
                await #expect(throws: KafkaClientError.self) { try await martlet.withConnection(to: 2) { _ in } }
                await martlet.dropConnections(to: 2)
                let answer = try await connection.produce("x")[0]
                #expect(answer?.errorCode == 0)
            }
        }
    }

    @Test("nodes and partitions that there are not are errors that say which there are")
    func notFound() async throws {
        try await withMartlet(self.configuration) { martlet in
            let node = await #expect(throws: MartletError.self) { try await martlet.moveLeader(of: t0, to: 4) }
            #expect(node?.message.contains("1, 2, 3") == true)
            let missing = TopicPartition(topic: "t", partition: 9)
            let partition = await #expect(throws: MartletError.self) {
                try await martlet.moveLeader(of: missing, to: 2)
            }
            #expect(partition?.code == .notFound)
        }
    }
}
