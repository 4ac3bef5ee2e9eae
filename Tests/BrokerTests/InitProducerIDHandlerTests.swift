// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("InitProducerId")
struct InitProducerIDHandlerTests {
    private static func ask(
        _ broker: BrokerHarness,
        version: Int16,
        transactionalID: String? = nil,
        producer: (id: Int64, epoch: Int16) = (-1, -1)
    ) async throws -> InitProducerIdResponse {
        var request = InitProducerIdRequest()
        request.transactionalID = transactionalID
        request.transactionTimeoutMs = 60_000
        request.producerID = producer.id
        request.producerEpoch = producer.epoch
        return try await broker.send(request, version: version)
    }

    @Test("every producer gets an id of its own with epoch 0, also after a restart", arguments: [0, 6])
    func freshIDs(version: Int16) async throws {
        try await withBroker { broker in
            var ids: Set<Int64> = []
            for round in 0..<6 {
                if round == 3 { try broker.restart() }
                let response = try await Self.ask(broker, version: version)
                #expect(response.errorCode == 0)
                #expect(response.producerEpoch == 0)
                #expect(response.producerID >= 0)
                #expect(ids.insert(response.producerID).inserted)
            }
        }
    }

    @Test("a producer that lost its sequence gets a fresh id (KIP-360) and can write with it")
    func afterLostSequence() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            let first = try await Self.ask(broker, version: 4)
            let second = try await Self.ask(broker, version: 4, producer: (first.producerID, 0))
            #expect(second.errorCode == 0)
            #expect(second.producerID != first.producerID)
            let offset = try await broker.produce(
                to: "orders", timestamps: [broker.now], producer: (second.producerID, second.producerEpoch, 0))
            #expect(offset == 0)
        }
    }

    @Test("an id without an epoch, or an epoch without an id, is INVALID_REQUEST")
    func halfAProducer() async throws {
        try await withBroker { broker in
            for producer in [(5, -1), (-1, 0)] as [(Int64, Int16)] {
                let response = try await Self.ask(broker, version: 6, producer: producer)
                #expect(ErrorCode(response.errorCode) == .invalidRequest)
                #expect(response.producerID == -1)
                #expect(response.producerEpoch == -1)
            }
        }
    }

    @Test("transactional producers are refused with a code on which clients give up", arguments: [0, 6])
    func transactional(version: Int16) async throws {
        try await withBroker { broker in
            let response = try await Self.ask(broker, version: version, transactionalID: "payments")
            #expect(ErrorCode(response.errorCode) == .transactionalIDAuthorizationFailed)
            #expect(!ErrorCode(response.errorCode).isRetriable)
            #expect(response.producerID == -1)
            let empty = try await Self.ask(broker, version: version, transactionalID: "")
            #expect(ErrorCode(empty.errorCode) == .invalidRequest)
        }
    }

    @Test("when no ids can be reserved, the producer is told so")
    func storeFails() async throws {
        try await withBroker { broker in
            broker.store.failNextCommit(with: MetadataError(.storage, "the disk is full"))
            let response = try await Self.ask(broker, version: 4)
            #expect(ErrorCode(response.errorCode) == .kafkaStorageError)
            #expect(try await Self.ask(broker, version: 4).errorCode == 0)
        }
    }
}
