// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Synchronization
import Testing

@testable import KafkaClient

/// Producers and transactions, and members that are taken out of their group.
@Suite struct TransactionAdminTests {
    @Test("producers are told by the leaders, and a partition that moved is looked up again")
    func producers() async throws {
        let orders0 = TopicPartition(topic: "orders", partition: 0)
        let orders1 = TopicPartition(topic: "orders", partition: 1)
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": [0, 0]], versions: [.describeProducers: 0...0],
            handler: { node, request in
                let asked = try DescribeProducersRequest.decode(request.body, version: request.version)
                var response = DescribeProducersResponse()
                response.topics = asked.topics.map { topic in
                    var answer = DescribeProducersResponse.TopicResponse()
                    answer.name = topic.name
                    answer.partitions = topic.partitionIndexes.map { index in
                        var entry = DescribeProducersResponse.PartitionResponse()
                        entry.partitionIndex = index
                        if index == node {
                            var state = DescribeProducersResponse.ProducerState()
                            (state.producerID, state.producerEpoch, state.lastSequence) = (7, 2, 5)
                            state.coordinatorEpoch = -1
                            entry.activeProducers = [state]
                        } else {
                            entry.errorCode = ErrorCode.notLeaderOrFollower.rawValue
                        }
                        return entry
                    }
                    return answer
                }
                return .answer(response)
            }
        ) { fake, client in
            _ = try await client.topic("orders")
            fake.update { $0.leaders["orders"] = [0, 1] }
            let results = try await client.describeProducers(of: [orders0, orders1])
            for partition in [orders0, orders1] {
                let producer = try #require(try results[partition]?.get().first)
                #expect(producer.producerID == 7)
                #expect(producer.epoch == 2)
                #expect(producer.lastSequence == 5)
                #expect(producer.transactionStart == nil)
                #expect(producer.coordinatorEpoch == nil)
            }
        }
    }

    @Test("transactions are listed broker by broker, and one that does not answer leaves the others")
    func list() async throws {
        try await FakeCluster.run(
            brokers: 2, versions: [.listTransactions: 0...2],
            handler: { node, request in
                let asked = try ListTransactionsRequest.decode(request.body, version: request.version)
                #expect(asked.stateFilters == ["Ongoing"])
                #expect(asked.producerIDFilters == [4])
                var response = ListTransactionsResponse()
                guard node == 0 else {
                    response.errorCode = ErrorCode.coordinatorLoadInProgress.rawValue
                    return .answer(response)
                }
                response.transactionStates = ["b", "a"].map { id in
                    var entry = ListTransactionsResponse.TransactionState()
                    (entry.transactionalID, entry.producerID, entry.transactionState) = (id, 4, "Ongoing")
                    return entry
                }
                return .answer(response)
            }
        ) { fake, client in
            let results = try await client.listTransactions(states: [.ongoing], producers: [4])
            #expect(try results[0]?.get().map(\.transactionalID) == ["a", "b"])
            #expect(results[1]?.failure?.errorCode == .coordinatorLoadInProgress)
            #expect(fake.log.filter { $0.node == 0 }.count == 1, "what was answered is not asked again")
            #expect(fake.log.filter { $0.node == 1 }.count == client.configuration.retry.attemptsMax)
        }
    }

    @Test("transactions are described by their coordinators")
    func describe() async throws {
        try await FakeCluster.run(
            brokers: 2, coordinators: ["a": 0, "b": 1], versions: [.describeTransactions: 0...0],
            handler: { node, request in
                let ids = try DescribeTransactionsRequest.decode(request.body, version: request.version)
                    .transactionalIDs
                #expect(ids == (node == 0 ? ["a"] : ["b"]))
                var entry = DescribeTransactionsResponse.TransactionState()
                entry.transactionalID = ids[0]
                if node == 1 { entry.errorCode = ErrorCode.transactionalIDNotFound.rawValue }
                (entry.transactionState, entry.transactionTimeoutMs) = ("Ongoing", 1000)
                (entry.transactionStartTimeMs, entry.producerID, entry.producerEpoch) = (5, 9, 3)
                var topic = DescribeTransactionsResponse.TopicData()
                (topic.topic, topic.partitions) = ("orders", [2, 1])
                entry.topics = [topic]
                var response = DescribeTransactionsResponse()
                response.transactionStates = [entry]
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.describeTransactions(["b", "a", "nowhere"])
            let described = try #require(try results["a"]?.get())
            #expect(described.state == .ongoing)
            #expect(described.timeout == .seconds(1))
            #expect(described.startTimestamp == 5)
            #expect(described.producerID == 9)
            #expect(described.partitions.map(\.partition) == [1, 2])
            #expect(results["b"]?.failure?.errorCode == .transactionalIDNotFound)
            #expect(results["nowhere"]?.failure?.errorCode == .coordinatorNotAvailable)
        }
    }

    @Test("members are taken out of their group one by one")
    func removeMembers() async throws {
        let asked = Mutex<[LeaveGroupRequest]>([])
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0], versions: [.leaveGroup: 0...5],
            handler: { _, request in
                let leave = try LeaveGroupRequest.decode(request.body, version: request.version)
                asked.withLock { $0.append(leave) }
                var response = LeaveGroupResponse()
                response.members = leave.members.map { member in
                    var result = LeaveGroupResponse.MemberResponse()
                    (result.memberID, result.groupInstanceID) = (member.memberID, member.groupInstanceID)
                    if member.groupInstanceID != nil { result.errorCode = ErrorCode.unknownMemberID.rawValue }
                    return result
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.removeMembers(
                [.memberID("m"), .instanceID("i")], of: "g", reason: "it is stuck")
            try results[.memberID("m")]?.get()
            #expect(results[.instanceID("i")]?.failure?.errorCode == .unknownMemberID)
            #expect(asked.withLock { $0.first?.members.map(\.reason) } == ["it is stuck", "it is stuck"])
        }
    }
}
