// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("Metadata")
struct MetadataHandlerTests {
    private static func ask(
        _ broker: BrokerHarness,
        _ names: [String],
        version: Int16
    ) async throws -> [MetadataResponse.MetadataResponseTopic] {
        var request = MetadataRequest()
        request.topics = names.map { name in
            var topic = MetadataRequest.MetadataRequestTopic()
            topic.name = name
            return topic
        }
        request.allowAutoTopicCreation = true
        return try await broker.send(request, version: version).topics
    }

    @Test("a topic named many times is described once, so that no small request has an answer without bounds")
    func repeatedNames() async throws {
        try await withBroker(["auto.create.topics.enable": "false"]) { broker in
            try await broker.createTopic("orders", partitions: 3)
            let names = Array(repeating: ["orders", "nothing"], count: 1_000).flatMap { $0 }
            for version in [Int16(1), 13] {
                let topics = try await Self.ask(broker, names, version: version)
                #expect(topics.map(\.name) == ["orders", "nothing"])
                #expect(topics.map { ErrorCode($0.errorCode) } == [.none, .unknownTopicOrPartition])
                #expect(topics[0].partitions.count == 3)
            }
        }
    }

    @Test("a missing topic is made and described in the same answer, with the broker's number of partitions")
    func autoCreation() async throws {
        try await withBroker(["num.partitions": "4"]) { broker in
            let topics = try await Self.ask(broker, ["fresh", "fresh"], version: 12)
            #expect(topics.map { ErrorCode($0.errorCode) } == [.none])
            #expect(topics.first?.partitions.count == 4)
        }
    }
}
