// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DeleteRecords")
struct DeleteRecordsHandlerTests {
    @discardableResult
    static func delete(
        _ broker: BrokerHarness,
        _ topic: String,
        partition index: Int32 = 0,
        before offset: Int64,
        version: Int16 = 2
    ) async throws -> DeleteRecordsResponse.DeleteRecordsPartitionResult {
        var partition = DeleteRecordsRequest.DeleteRecordsPartition()
        partition.partitionIndex = index
        partition.offset = offset
        var topicAsked = DeleteRecordsRequest.DeleteRecordsTopic()
        topicAsked.name = topic
        topicAsked.partitions = [partition]
        var request = DeleteRecordsRequest()
        request.topics = [topicAsked]
        let response = try await broker.send(request, version: version)
        try #require(response.topics.map(\.name) == [topic])
        return try #require(response.topics[0].partitions.first)
    }

    @Test("records before the offset are gone, also after a restart", arguments: [0, 2])
    func delete(version: Int16) async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now, broker.now])
            let answer = try await Self.delete(broker, "orders", before: 2, version: version)
            #expect(answer.errorCode == 0)
            #expect(answer.lowWatermark == 2)
            try broker.restart()
            #expect(try await Self.delete(broker, "orders", before: 0).lowWatermark == 2)
        }
    }

    @Test("the new start is written down before the answer leaves, so that a crash does not bring records back")
    func writtenDown() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now, broker.now])
            try await Self.delete(broker, "orders", before: 2)
            let checkpoint = try String(
                contentsOfFile: broker.directory + "/log-start-offset-checkpoint", encoding: .utf8)
            #expect(checkpoint.split(separator: "\n").contains("orders 0 2"))
        }
    }

    @Test("-1 deletes everything up to the high watermark, and the offsets go on from there")
    func everything() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            #expect(try await Self.delete(broker, "orders", before: -1).lowWatermark == 2)
            #expect(try await Self.delete(broker, "orders", before: -1).lowWatermark == 2)
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 2)
        }
    }

    @Test("offsets past the end, unknown partitions and topics that are only compacted are refused")
    func errors() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.createTopic("table", configs: ["cleanup.policy": "compact"])
            try await broker.createTopic("both", configs: ["cleanup.policy": "compact,delete"])
            for offset in [Int64(1), -2, .max, .min] {
                let answer = try await Self.delete(broker, "orders", before: offset)
                #expect(ErrorCode(answer.errorCode) == .offsetOutOfRange)
                #expect(answer.lowWatermark == -1)
            }
            let compacted = try await Self.delete(broker, "table", before: 0)
            #expect(ErrorCode(compacted.errorCode) == .policyViolation)
            #expect(try await Self.delete(broker, "both", before: 0).errorCode == 0)
            let unknown = try await Self.delete(broker, "orders", partition: 9, before: 0)
            #expect(ErrorCode(unknown.errorCode) == .unknownTopicOrPartition)
            #expect(unknown.partitionIndex == 9)
            let nothing = try await Self.delete(broker, "nothing", before: 0)
            #expect(ErrorCode(nothing.errorCode) == .unknownTopicOrPartition)
        }
    }
}
