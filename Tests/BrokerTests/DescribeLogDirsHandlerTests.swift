// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import Testing

@Suite("DescribeLogDirs")
struct DescribeLogDirsHandlerTests {
    private static func describe(
        _ broker: BrokerHarness,
        _ topics: [(name: String, partitions: [Int32])]?,
        version: Int16 = 5
    ) async throws -> DescribeLogDirsResponse.DescribeLogDirsResult {
        var request = DescribeLogDirsRequest()
        request.topics = topics?.map { name, partitions in
            var topic = DescribeLogDirsRequest.DescribableLogDirTopic()
            topic.topic = name
            topic.partitions = partitions
            return topic
        }
        let response = try await broker.send(request, version: version)
        #expect(response.errorCode == 0)
        try #require(response.results.count == 1)
        return response.results[0]
    }

    @Test("every partition is told with its size, and the directory with its room", arguments: [1, 5])
    func all(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("b", partitions: 2)
            try await broker.createTopic("a")
            try await broker.produce(to: "b", partition: 1, timestamps: [broker.now])
            let result = try await Self.describe(broker, nil, version: version)
            #expect(result.errorCode == 0)
            #expect(result.logDir == broker.directory)
            #expect(result.topics.map(\.name) == ["a", "b"])
            #expect(result.topics[1].partitions.map(\.partitionIndex) == [0, 1])
            #expect(result.topics[1].partitions[0].partitionSize == 0)
            #expect(result.topics[1].partitions[1].partitionSize > 61)
            #expect(result.topics[1].partitions.allSatisfy { $0.offsetLag == 0 && !$0.isFutureKey })
            if version >= 4 {
                #expect(result.usableBytes > 0)
                #expect(result.totalBytes >= result.usableBytes)
            }
        }
    }

    @Test("only what is asked for is told; what is not there is left out")
    func some() async throws {
        try await withBroker { broker in
            try await broker.createTopic("b", partitions: 3)
            try await broker.createTopic("a")
            let result = try await Self.describe(broker, [("b", [2, 0, 9]), ("nothing", [0])])
            #expect(result.topics.map(\.name) == ["b"])
            #expect(result.topics[0].partitions.map(\.partitionIndex) == [0, 2])
            #expect(try await Self.describe(broker, []).topics.isEmpty)
        }
    }
}
