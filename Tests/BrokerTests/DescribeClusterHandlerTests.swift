// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@Suite("DescribeCluster")
struct DescribeClusterHandlerTests {
    @Test("the cluster is this broker, at the address that the connection reached", arguments: [0, 2])
    func describe(version: Int16) async throws {
        try await withBroker { broker in
            let response = try await broker.send(DescribeClusterRequest(), version: version)
            #expect(response.errorCode == 0)
            #expect(response.errorMessage == nil)
            #expect(response.clusterID == BrokerHarness.clusterID)
            #expect(response.controllerID == BrokerHarness.nodeID)
            #expect(response.endpointType == 1)
            try #require(response.brokers.count == 1)
            #expect(response.brokers[0].brokerID == BrokerHarness.nodeID)
            #expect(response.brokers[0].host == BrokerHarness.endpoint.host)
            #expect(response.brokers[0].port == BrokerHarness.endpoint.port)
            #expect(!response.brokers[0].isFenced)
            #expect(response.clusterAuthorizedOperations == .min)
        }
    }

    @Test("authorized operations are told when asked for")
    func authorizedOperations() async throws {
        try await withBroker { broker in
            var request = DescribeClusterRequest()
            request.includeClusterAuthorizedOperations = true
            let response = try await broker.send(request, version: 0)
            #expect(response.clusterAuthorizedOperations == 8096)
        }
    }

    @Test("a client that looks for a controller is told that this is a broker")
    func wrongEndpoint() async throws {
        try await withBroker { broker in
            var request = DescribeClusterRequest()
            request.endpointType = 2
            let controller = try await broker.send(request, version: 1)
            #expect(ErrorCode(controller.errorCode) == .mismatchedEndpointType)
            #expect(controller.errorMessage?.isEmpty == false)
            #expect(controller.brokers.isEmpty)
            request.endpointType = 3
            let neither = try await broker.send(request, version: 2)
            #expect(ErrorCode(neither.errorCode) == .unsupportedEndpointType)
        }
    }
}
