// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire
import SimulatedIO
import Testing

@testable import Broker

/// Committed offsets through the broker: what is on disk, what a restart finds, and what a disk does that fails.
@Suite struct GroupOffsetsTests {
    @Test func theFirstGroupMakesTheTopicThatGroupsAreKeptIn() async throws {
        try await withBroker { harness in
            #expect(try await harness.commit("g", "t", 0, 1) == .coordinatorNotAvailable)
            let found = try await harness.findCoordinator(of: "g")
            #expect(found.errorCode == 0)
            #expect(found.nodeID == BrokerHarness.nodeID)
            let topic = try #require(harness.broker.metadata.image.topic(named: TopicName.consumerOffsets))
            #expect(topic.partitions.count == 50)
            #expect(topic.isInternal)
            #expect(topic.configs["cleanup.policy"] == "compact")
        }
    }

    @Test func committedOffsetsAreThereAfterARestart() async throws {
        try await withBroker { harness in
            try await harness.createTopic("t", partitions: 3)
            _ = try await harness.findCoordinator(of: "g")
            for group in ["g", "h", "another"] {
                #expect(try await harness.commit(group, "t", 2, 17, metadata: "of \(group)") == ErrorCode.none)
            }
            #expect(try await harness.commit("g", "t", 2, 18) == ErrorCode.none)
            try harness.restart()
            #expect(try await harness.committed("g", "t", 2) == 18)
            #expect(try await harness.committed("another", "t", 2) == 17)
            #expect(try await harness.committed("h", "t", 2) == 17)
            #expect(try await harness.committed("g", "t", 1) == -1)
            let listed = try await harness.send(ListGroupsRequest(), version: 5)
            #expect(listed.groups.map(\.groupID) == ["another", "g", "h"])
            var describe = DescribeGroupsRequest()
            describe.groups = ["g", "nobody"]
            let described = try await harness.send(describe, version: 6).groups
            #expect(described.map(\.groupState) == ["Empty", "Dead"])
            #expect(described.map(\.errorCode) == [0, ErrorCode.groupIDNotFound.rawValue])
        }
    }

    @Test func aDeletedTopicTakesItsOffsetsAlong() async throws {
        try await withBroker { harness in
            try await harness.createTopic("t")
            try await harness.createTopic("kept")
            _ = try await harness.findCoordinator(of: "g")
            #expect(try await harness.commit("g", "t", 0, 5) == ErrorCode.none)
            #expect(try await harness.commit("g", "kept", 0, 6) == ErrorCode.none)
            var delete = DeleteTopicsRequest()
            delete.topicNames = ["t"]
            _ = try await harness.send(delete, version: 5)
            try await harness.createTopic("t")
            #expect(try await harness.committed("g", "t", 0) == -1)
            try harness.restart()
            #expect(try await harness.committed("g", "t", 0) == -1)
            #expect(try await harness.committed("g", "kept", 0) == 6)
        }
    }

    @Test func theTopicOfGroupsIsNeitherDeletedNorGrownNorWrittenByClients() async throws {
        try await withBroker { harness in
            _ = try await harness.findCoordinator(of: "g")
            var delete = DeleteTopicsRequest()
            delete.topicNames = [TopicName.consumerOffsets]
            let deleted = try await harness.send(delete, version: 5)
            #expect(deleted.responses.first?.errorCode == ErrorCode.invalidRequest.rawValue)
            var topic = CreatePartitionsRequest.CreatePartitionsTopic()
            topic.name = TopicName.consumerOffsets
            topic.count = 60
            var grow = CreatePartitionsRequest()
            grow.topics = [topic]
            let grown = try await harness.send(grow, version: 3)
            #expect(grown.results.first?.errorCode == ErrorCode.invalidRequest.rawValue)
            await #expect(throws: BrokerHarness.StepFailed.self) {
                try await harness.produce(to: TopicName.consumerOffsets, timestamps: [1])
            }
        }
    }

    @Test func aMetadataRequestForTheTopicMakesItWithAllItsPartitions() async throws {
        try await withBroker { harness in
            var topic = MetadataRequest.MetadataRequestTopic()
            topic.name = TopicName.consumerOffsets
            var request = MetadataRequest()
            request.topics = [topic]
            let answer = try await harness.send(request, version: 9)
            #expect(answer.topics.first?.partitions.count == 50)
            #expect(answer.topics.first?.isInternal == true)
        }
    }

    @Test func manyCommitsAtOnceShareWritesAndAreAllKept() async throws {
        try await withBroker { harness in
            try await harness.createTopic("t")
            _ = try await harness.findCoordinator(of: "g")
            let errors = try await withThrowingTaskGroup(of: ErrorCode.self) { tasks in
                for index in 0..<200 {
                    tasks.addTask { try await harness.commit("g-\(index % 20)", "t", 0, Int64(index)) }
                }
                return try await tasks.reduce(into: Set<ErrorCode>()) { $0.insert($1) }
            }
            #expect(errors == [.none])
            try harness.restart()
            for group in 0..<20 {
                let offset = try await harness.committed("g-\(group)", "t", 0)
                #expect(offset >= 0 && offset % 20 == group)
            }
        }
    }

    /// The disk fails under the file that a group's records go to.
    private static func isSegment(of group: String, _ kind: FileSystemError.Operation)
        -> @Sendable (DiskOperation) -> Bool
    {
        let partition = GroupCoordinatorService.partition(of: group, count: 50)
        return { $0.kind == kind && $0.path.contains("\(TopicName.consumerOffsets)-\(partition)/") }
    }

    @Test func aCommitThatCannotBeWrittenIsNotAcknowledgedAndTheOneBeforeIsFoundAgain() async throws {
        let files = SimulatedFileSystem(directories: ["/tmp"])
        try await withBroker(fileSystem: files) { harness in
            try await harness.createTopic("t")
            _ = try await harness.findCoordinator(of: "g")
            #expect(try await harness.commit("g", "t", 0, 5) == ErrorCode.none)
            files.inject(.noSpace, where: Self.isSegment(of: "g", .write))
            #expect(try await harness.commit("g", "t", 0, 6) == .coordinatorNotAvailable)
            // What was refused must not show, not even for a moment.
            #expect(try await harness.commit("g", "t", 0, 7) == .coordinatorNotAvailable)
            harness.advance(milliseconds: GroupShardHost.retryDelayMs)
            #expect(try await harness.commit("g", "t", 0, 8) == .coordinatorNotAvailable, "loading begins with this")
            #expect(try await harness.committed("g", "t", 0) == 5)
            #expect(try await harness.commit("g", "t", 0, 9) == ErrorCode.none)
            #expect(try await harness.committed("g", "t", 0) == 9)
        }
    }

    @Test func afterAFailedSyncNothingIsAcknowledgedAnyMore() async throws {
        let files = SimulatedFileSystem(directories: ["/tmp"])
        try await withBroker(fileSystem: files) { harness in
            try await harness.createTopic("t")
            _ = try await harness.findCoordinator(of: "g")
            #expect(try await harness.commit("g", "t", 0, 5) == ErrorCode.none)
            files.inject(.inputOutputError, times: .max) { $0.kind == .syncData }
            #expect(try await harness.commit("g", "t", 0, 6) == .coordinatorNotAvailable)
            harness.advance(milliseconds: GroupShardHost.retryDelayMs)
            #expect(try await harness.commit("g", "t", 0, 7) == .coordinatorNotAvailable)
            await #expect(throws: BrokerHarness.StepFailed.self) { try await harness.committed("g", "t", 0) }
            harness.end()
        }
    }
}

extension BrokerHarness {
    /// FindCoordinator, asked again while groups are being loaded.
    func findCoordinator(of group: String) async throws -> FindCoordinatorResponse {
        var request = FindCoordinatorRequest()
        request.key = group
        return try await self.send(request, version: 3)
    }

    /// Commits one partition without a generation and returns its error.
    func commit(
        _ group: String, _ topic: String, _ partition: Int32, _ offset: Int64, metadata: String = ""
    ) async throws -> ErrorCode {
        var data = OffsetCommitRequest.OffsetCommitRequestPartition()
        data.partitionIndex = partition
        data.committedOffset = offset
        data.committedMetadata = metadata
        var topicData = OffsetCommitRequest.OffsetCommitRequestTopic()
        topicData.name = topic
        topicData.partitions = [data]
        var request = OffsetCommitRequest()
        request.groupID = group
        request.topics = [topicData]
        while true {
            let answer = try await self.send(request, version: 9)
            let error = ErrorCode(answer.topics[0].partitions[0].errorCode)
            if error != .coordinatorLoadInProgress { return error }
            await Task.yield()
        }
    }

    /// The committed offset of one partition, -1 for none. Asks again while groups are being loaded.
    func committed(_ group: String, _ topic: String, _ partition: Int32) async throws -> Int64 {
        var topicData = OffsetFetchRequest.OffsetFetchRequestTopics()
        topicData.name = topic
        topicData.partitionIndexes = [partition]
        var asked = OffsetFetchRequest.OffsetFetchRequestGroup()
        asked.groupID = group
        asked.topics = [topicData]
        var request = OffsetFetchRequest()
        request.groups = [asked]
        while true {
            let answer = try await self.send(request, version: 9).groups[0]
            switch ErrorCode(answer.errorCode) {
            case .none: return answer.topics[0].partitions[0].committedOffset
            case .coordinatorLoadInProgress: await Task.yield()
            case let error: throw StepFailed("OffsetFetch was answered with \(error)")
            }
        }
    }
}
