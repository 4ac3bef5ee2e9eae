// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("FindCoordinator")
struct FindCoordinatorHandlerTests {
    private static let group: Int8 = 0
    private static let transaction: Int8 = 1
    private static let share: Int8 = 2

    private static func one(
        _ broker: BrokerHarness, _ type: Int8, version: Int16
    ) async throws -> FindCoordinatorResponse {
        var request = FindCoordinatorRequest()
        request.key = "key"
        request.keyType = type
        return try await broker.send(request, version: version)
    }

    private static func many(
        _ broker: BrokerHarness, _ type: Int8, _ keys: [String], version: Int16
    ) async throws -> [FindCoordinatorResponse.Coordinator] {
        var request = FindCoordinatorRequest()
        request.coordinatorKeys = keys
        request.keyType = type
        return try await broker.send(request, version: version).coordinators
    }

    @Test("a group is kept by this broker, at the address that the connection reached", arguments: [0, 1, 3])
    func group(version: Int16) async throws {
        try await withBroker { broker in
            let response = try await Self.one(broker, Self.group, version: version)
            #expect(response.errorCode == 0)
            #expect(response.nodeID == BrokerHarness.nodeID)
            #expect(response.host == BrokerHarness.endpoint.host)
            #expect(response.port == BrokerHarness.endpoint.port)
        }
    }

    @Test("from version 4 on many keys are answered in their order", arguments: [4, 6])
    func groups(version: Int16) async throws {
        try await withBroker { broker in
            let told = try await Self.many(broker, Self.group, ["b", "a"], version: version)
            #expect(told.map(\.key) == ["b", "a"])
            #expect(told.allSatisfy { $0.errorCode == 0 && $0.errorMessage == nil })
            #expect(told.allSatisfy { $0.nodeID == BrokerHarness.nodeID && $0.host == BrokerHarness.endpoint.host })
            #expect(try await Self.many(broker, Self.group, [], version: version).isEmpty)
        }
    }

    @Test("transactions are refused with a code on which clients give up, and a message", arguments: [1, 3, 4, 6])
    func transactions(version: Int16) async throws {
        try await withBroker { broker in
            let code: Int16
            let message: String?
            if version < 4 {
                let response = try await Self.one(broker, Self.transaction, version: version)
                (code, message) = (response.errorCode, response.errorMessage)
                #expect(response.nodeID == -1)
            } else {
                let told = try await Self.many(broker, Self.transaction, ["payments"], version: version)
                try #require(told.count == 1)
                (code, message) = (told[0].errorCode, told[0].errorMessage)
                #expect(told[0].key == "payments")
                #expect(told[0].nodeID == -1)
            }
            #expect(ErrorCode(code) == .transactionalIDAuthorizationFailed)
            #expect(message?.contains("transactional.id") == true)
        }
    }

    @Test("other kinds of keys are INVALID_REQUEST", arguments: [2, 3, -1, 127])
    func otherKinds(type: Int8) async throws {
        try await withBroker { broker in
            let told = try await Self.many(broker, type, ["x"], version: 6)
            #expect(told.map { ErrorCode($0.errorCode) } == [.invalidRequest])
            #expect(told[0].errorMessage?.isEmpty == false)
            #expect(ErrorCode(try await Self.one(broker, type, version: 1).errorCode) == .invalidRequest)
        }
    }
}
