// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct GroupAdminTests {
    private static let orders0 = TopicPartition(topic: "orders", partition: 0)
    private static let orders1 = TopicPartition(topic: "orders", partition: 1)

    // MARK: Coordinators

    private static func deleted(_ request: ScriptedBroker.Request, _ errorCode: ErrorCode) throws -> FakeCluster.Reply {
        var response = DeleteGroupsResponse()
        response.results = try DeleteGroupsRequest.decode(request.body, version: request.version).groupsNames.map {
            var result = DeleteGroupsResponse.DeletableGroupResult()
            result.groupID = $0
            result.errorCode = errorCode.rawValue
            return result
        }
        return .answer(response)
    }

    @Test("groups are looked up together and each is asked for at its coordinator, once")
    func batch() async throws {
        try await FakeCluster.run(
            brokers: 2, coordinators: ["a": 0, "b": 1, "c": 1],
            handler: { _, request in try Self.deleted(request, .none) }
        ) { fake, client in
            let results = try await client.deleteGroups(["c", "a", "b", "a"])
            #expect(results.map(\.name) == ["c", "a", "b", "a"])
            for result in results { try result.result.get() }
            #expect(fake.log.first == .init(node: 0, api: .findCoordinator))
            #expect(fake.log.count == 3)
            _ = try await client.deleteGroups(["a"])
            #expect(fake.log.filter { $0.api == .findCoordinator }.count == 1, "the coordinators are remembered")
        }
    }

    @Test("brokers before KIP-699 are asked for one coordinator after the other")
    func oldLookup() async throws {
        try await FakeCluster.run(
            brokers: 2, coordinators: ["a": 0, "b": 1], versions: [.findCoordinator: 0...3],
            handler: { _, request in try Self.deleted(request, .none) }
        ) { fake, client in
            for result in try await client.deleteGroups(["a", "b"]) { try result.result.get() }
            #expect(fake.log.filter { $0.api == .findCoordinator }.count == 2)
        }
    }

    @Test("a coordinator that has moved is followed; the groups that were done are not asked for again")
    func moved() async throws {
        try await FakeCluster.run(
            brokers: 2, coordinators: ["a": 0, "b": 0],
            handler: { node, request in
                var response = DeleteGroupsResponse()
                let asked = try DeleteGroupsRequest.decode(request.body, version: request.version).groupsNames
                response.results = asked.map { groupID in
                    var result = DeleteGroupsResponse.DeletableGroupResult()
                    result.groupID = groupID
                    let isThere = (groupID == "a") == (node == 0)
                    result.errorCode = (isThere ? ErrorCode.none : .notCoordinator).rawValue
                    return result
                }
                return .answer(response)
            }
        ) { fake, client in
            _ = try await client.findCoordinators(of: ["a", "b"])
            fake.update { $0.coordinators["b"] = 1 }
            for result in try await client.deleteGroups(["a", "b"]) { try result.result.get() }
            #expect(
                fake.log == [
                    .init(node: 0, api: .findCoordinator), .init(node: 0, api: .deleteGroups),
                    .init(node: 0, api: .findCoordinator), .init(node: 1, api: .deleteGroups),
                ])
        }
    }

    @Test("a coordinator that is loading is asked again, without looking it up")
    func loading() async throws {
        let attempts = Mutex(0)
        try await FakeCluster.run(
            brokers: 1, coordinators: ["a": 0],
            handler: { _, request in
                let attempt = attempts.withLock { attempts in
                    attempts += 1
                    return attempts
                }
                return try Self.deleted(request, attempt < 3 ? .coordinatorLoadInProgress : .none)
            }
        ) { fake, client in
            try await client.deleteGroups(["a"])[0].result.get()
            #expect(fake.log.map(\.api) == [.findCoordinator, .deleteGroups, .deleteGroups, .deleteGroups])
        }
    }

    @Test("retries end, and a deletion whose answer was lost is not repeated")
    func bounded() async throws {
        try await FakeCluster.run(brokers: 1, coordinators: ["a": 0], handler: { _, _ in .close }) { fake, client in
            let none = try await client.deleteGroups(["nobody"])
            #expect(none[0].result.failure?.errorCode == .coordinatorNotAvailable)
            #expect(fake.log.count == client.configuration.retry.attemptsMax)
            let deletion = try await client.deleteGroups(["a"])
            #expect(deletion[0].result.failure?.code == .connectionClosed)
            #expect(fake.log.filter { $0.api == .deleteGroups }.count == 1)
        }
    }

    // MARK: Listing

    private static func listed(_ groups: [(String, String, String)]) -> FakeCluster.Reply {
        var response = ListGroupsResponse()
        response.groups = groups.map { id, state, type in
            var group = ListGroupsResponse.ListedGroup()
            (group.groupID, group.groupState, group.groupType) = (id, state, type)
            group.protocolType = "consumer"
            return group
        }
        return .answer(response)
    }

    @Test("the groups of all brokers are listed by name, filtered by the brokers")
    func list() async throws {
        let asked = Mutex<[ListGroupsRequest]>([])
        try await FakeCluster.run(
            brokers: 2,
            handler: { node, request in
                let request = try ListGroupsRequest.decode(request.body, version: request.version)
                asked.withLock { $0.append(request) }
                return Self.listed(node == 0 ? [("b", "Stable", "Consumer")] : [("a", "Empty", "classic")])
            }
        ) { _, client in
            let groups = try await client.listGroups(states: [.stable, .empty], types: [.consumer, .classic])
            #expect(groups.map(\.groupID) == ["a", "b"])
            #expect(groups.map(\.state) == [.empty, .stable])
            #expect(groups.map(\.type) == [.classic, .consumer])
            #expect(asked.withLock { $0.map(\.statesFilter) } == [["Stable", "Empty"], ["Stable", "Empty"]])
            #expect(asked.withLock { $0.map(\.typesFilter) } == [["consumer", "classic"], ["consumer", "classic"]])
        }
    }

    @Test("old brokers have classic groups only, and cannot be asked for states")
    func oldList() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.listGroups: 0...3], handler: { _, _ in Self.listed([("a", "", "")]) }
        ) { _, client in
            let classic = try await client.listGroups(types: [.classic])
            #expect(classic.map(\.groupID) == ["a"])
            let consumer = try await client.listGroups(types: [.consumer])
            #expect(consumer.isEmpty)
            let error = await #expect(throws: KafkaClientError.self) {
                _ = try await client.listGroups(states: [.empty])
            }
            #expect(error?.code == .unsupportedVersion)
        }
    }

    // MARK: Describing

    @Test("a consumer group is described as one, and what is none as a classic group", arguments: [true, false])
    func describe(servesConsumerGroups: Bool) async throws {
        try await FakeCluster.run(
            brokers: 1, coordinators: ["new": 0, "old": 0, "gone": 0],
            versions: servesConsumerGroups ? [:] : [.consumerGroupDescribe: nil, .describeGroups: 0...5],
            handler: { _, request in try Self.described(request) }
        ) { fake, client in
            let results = try await client.describeGroups(["old", "gone", "new"])
            let old = try results[0].result.get()
            #expect(old.type == .classic)
            #expect(old.state == .stable)
            #expect(old.assignor == "range")
            #expect(old.coordinator.nodeID == 0)
            #expect(old.members.map(\.memberID) == ["m1", "m2"])
            #expect(old.members[0].subscribedTopics == ["orders", "refunds"])
            #expect(old.members[0].assignment == [Self.orders0, Self.orders1])
            #expect(old.members[0].isUnreadable == false)
            #expect(old.members[1].isUnreadable)
            #expect(results[1].result.failure?.errorCode == .groupIDNotFound)
            #expect(results[1].result.failure?.message == "the group gone does not exist")
            guard servesConsumerGroups else { return }
            let new = try results[2].result.get()
            #expect(new.type == .consumer)
            #expect(new.groupEpoch == 7)
            #expect(new.members[0].assignment == [Self.orders0])
            #expect(new.members[0].targetAssignment == [Self.orders0, Self.orders1])
            #expect(new.members[0].usesClassicProtocol == false)
        }
    }

    private static func described(_ request: ScriptedBroker.Request) throws -> FakeCluster.Reply {
        if request.api == .consumerGroupDescribe {
            var response = ConsumerGroupDescribeResponse()
            let asked = try ConsumerGroupDescribeRequest.decode(request.body, version: request.version)
            response.groups = asked.groupIDs.map { groupID in
                var group = groupID == "new" ? Self.consumerGroup : ConsumerGroupDescribeResponse.DescribedGroup()
                group.groupID = groupID
                if groupID != "new" { group.errorCode = ErrorCode.groupIDNotFound.rawValue }
                return group
            }
            return .answer(response)
        }
        var response = DescribeGroupsResponse()
        let asked = try DescribeGroupsRequest.decode(request.body, version: request.version)
        response.groups = try asked.groups.map { groupID in
            var group = groupID == "old" ? try Self.classicGroup() : DescribeGroupsResponse.DescribedGroup()
            group.groupID = groupID
            if groupID != "old" {
                if request.version >= 6 { group.errorCode = ErrorCode.groupIDNotFound.rawValue }
                group.groupState = "Dead"
            }
            return group
        }
        return .answer(response)
    }

    private static var consumerGroup: ConsumerGroupDescribeResponse.DescribedGroup {
        func assignment(_ partitions: [Int32]) -> ConsumerGroupDescribeResponse.Assignment {
            var topic = ConsumerGroupDescribeResponse.TopicPartitions()
            topic.topicName = "orders"
            topic.partitions = partitions
            var assignment = ConsumerGroupDescribeResponse.Assignment()
            assignment.topicPartitions = [topic]
            return assignment
        }
        var member = ConsumerGroupDescribeResponse.Member()
        member.memberID = "m"
        member.memberType = 1
        member.assignment = assignment([0])
        member.targetAssignment = assignment([1, 0])
        var group = ConsumerGroupDescribeResponse.DescribedGroup()
        group.groupState = "Reconciling"
        group.groupEpoch = 7
        group.members = [member]
        return group
    }

    private static func classicGroup() throws -> DescribeGroupsResponse.DescribedGroup {
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = ["refunds", "orders"]
        var topic = ConsumerProtocolAssignment.TopicPartition()
        topic.topic = "orders"
        topic.partitions = [1, 0]
        var assignment = ConsumerProtocolAssignment()
        assignment.assignedPartitions = [topic]
        var good = DescribeGroupsResponse.DescribedGroupMember()
        good.memberID = "m1"
        good.memberMetadata = try Self.opaque(subscription, version: 1)
        good.memberAssignment = try Self.opaque(assignment, version: 3)
        var bad = DescribeGroupsResponse.DescribedGroupMember()
        bad.memberID = "m2"
        bad.memberMetadata = ByteBuffer(bytes: [0, 1, 0x7f, 0xff, 0xff, 0xff])
        var group = DescribeGroupsResponse.DescribedGroup()
        group.groupState = "Stable"
        group.protocolType = "consumer"
        group.protocolData = "range"
        group.members = [bad, good]
        return group
    }

    private static func opaque(_ message: some KafkaMessage, version: Int16) throws -> ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(version)
        try message.encode(into: &writer, version: version)
        return writer.buffer
    }

    // MARK: Offsets

    /// A group that is at 10 of orders-0 and at 20 of orders-1; both partitions end at 25.
    private static func offsets(_ request: ScriptedBroker.Request, tellsLag: Bool) throws -> FakeCluster.Reply {
        if request.api == .listOffsets {
            return .answer(try ListOffsetsRequest.decode(request.body, version: request.version).answer { _ in 25 })
        }
        let asked = try OffsetFetchRequest.decode(request.body, version: request.version)
        var response = OffsetFetchResponse()
        if request.version < 8 {
            var topic = OffsetFetchResponse.OffsetFetchResponseTopic()
            topic.name = "orders"
            topic.partitions = [Int32(0), 1].map { index in
                var partition = OffsetFetchResponse.OffsetFetchResponsePartition()
                partition.partitionIndex = index
                partition.committedOffset = index == 0 ? 10 : 20
                partition.metadata = "note"
                return partition
            }
            response.topics = [topic]
            return .answer(response)
        }
        response.groups = asked.groups.map { asked in
            var topic = OffsetFetchResponse.OffsetFetchResponseTopics()
            topic.name = "orders"
            topic.partitions = [Int32(0), 1].map { index in
                var partition = OffsetFetchResponse.OffsetFetchResponsePartitions()
                partition.partitionIndex = index
                partition.committedOffset = index == 0 ? 10 : 20
                partition.metadata = "note"
                if tellsLag, asked.includeLag {
                    partition.offsetLag = index == 0 ? 15 : 5
                    partition.timeLagMs = 2500
                }
                return partition
            }
            var group = OffsetFetchResponse.OffsetFetchResponseGroup()
            group.groupID = asked.groupID
            group.topics = [topic]
            return group
        }
        return .answer(response)
    }

    @Test("a coordinator that tells the lag is enough; of others the ends are looked up", arguments: [true, false])
    func lag(tellsLag: Bool) async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0, 0]], coordinators: ["g": 0],
            handler: { _, request in try Self.offsets(request, tellsLag: tellsLag) }
        ) { fake, client in
            let offsets = try await client.groupOffsets(of: ["g"], includesLag: true)[0].result.get()
            #expect(offsets.count == 2)
            let first = try #require(try offsets[Self.orders0]?.get())
            #expect(first.offset == 10)
            #expect(first.lag == 15)
            #expect(first.endOffset == 25)
            #expect(first.metadata == "note")
            #expect(first.timeLag == (tellsLag ? .milliseconds(2500) : nil))
            #expect(fake.log.contains { $0.api == .listOffsets } == !tellsLag)
        }
    }

    @Test("without asking for lag there is none, and nobody is asked")
    func noLag() async throws {
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0], handler: { _, request in try Self.offsets(request, tellsLag: true) }
        ) { fake, client in
            let offsets = try await client.groupOffsets(of: ["g"])[0].result.get()
            #expect(try offsets[Self.orders1]?.get().lag == nil)
            #expect(fake.log.map(\.api) == [.findCoordinator, .offsetFetch])
        }
    }

    @Test("brokers before KIP-709 are asked group by group")
    func oldOffsets() async throws {
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0, 0]], coordinators: ["g": 0, "h": 0], versions: [.offsetFetch: 1...7],
            handler: { _, request in try Self.offsets(request, tellsLag: true) }
        ) { fake, client in
            for item in try await client.groupOffsets(of: ["g", "h"], includesLag: true) {
                #expect(try item.result.get()[Self.orders1]?.get().lag == 5)
            }
            #expect(fake.log.filter { $0.api == .offsetFetch }.count == 2)
        }
    }

    @Test("offsets are committed for a group without members, and the refusals of others say why")
    func alter() async throws {
        let sent = Mutex<OffsetCommitRequest?>(nil)
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0],
            handler: { _, request in
                let asked = try OffsetCommitRequest.decode(request.body, version: request.version)
                sent.withLock { $0 = asked }
                var response = OffsetCommitResponse()
                response.topics = asked.topics.map { asked in
                    var topic = OffsetCommitResponse.OffsetCommitResponseTopic()
                    topic.name = asked.name
                    topic.partitions = asked.partitions.map { asked in
                        var partition = OffsetCommitResponse.OffsetCommitResponsePartition()
                        partition.partitionIndex = asked.partitionIndex
                        if asked.partitionIndex == 1 { partition.errorCode = ErrorCode.unknownMemberID.rawValue }
                        return partition
                    }
                    return topic
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterGroupOffsets(of: "g", to: [Self.orders0: 5, Self.orders1: 6])
            #expect(results[Self.orders0]?.failure == nil)
            #expect(
                results[Self.orders1]?.failure?.message
                    == "orders-1: offsets of group g cannot be set while it has members")
            let last = sent.withLock { $0 }
            let request = try #require(last)
            #expect(request.generationIDOrMemberEpoch == -1)
            #expect(request.memberID.isEmpty)
            #expect(request.topics[0].partitions.map(\.committedOffset) == [5, 6])
        }
    }

    @Test("offsets of a topic in use are not deleted")
    func deleteOffsets() async throws {
        try await FakeCluster.run(
            brokers: 1, coordinators: ["g": 0],
            handler: { _, request in
                let asked = try OffsetDeleteRequest.decode(request.body, version: request.version)
                var response = OffsetDeleteResponse()
                response.topics = asked.topics.map { asked in
                    var topic = OffsetDeleteResponse.OffsetDeleteResponseTopic()
                    topic.name = asked.name
                    topic.partitions = asked.partitions.map { asked in
                        var partition = OffsetDeleteResponse.OffsetDeleteResponsePartition()
                        partition.partitionIndex = asked.partitionIndex
                        partition.errorCode = ErrorCode.groupSubscribedToTopic.rawValue
                        return partition
                    }
                    return topic
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.deleteGroupOffsets(of: "g", partitions: [Self.orders0])
            #expect(
                results[Self.orders0]?.failure?.message == "orders-0: members of group g are subscribed to orders")
        }
    }
}

extension Result {
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
