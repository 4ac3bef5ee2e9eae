// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire

/// DescribeCluster (key 60): the cluster's id, its controller and its brokers (KIP-700).
///
/// Served: 0-2. From version 1 on a client says whether it believes to speak with a broker or with a controller
/// (KIP-919), from 2 on it may ask for fenced brokers, of which there are none.
///
/// The broker's address is the one that this connection reached, unless `advertised.listeners` says otherwise.
struct DescribeClusterHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// What a client may believe to speak with.
    private enum EndpointType: Int8 {
        case broker = 1
        case controller = 2
    }

    func answer(_ request: DescribeClusterRequest) -> Answer<DescribeClusterResponse> {
        var response = DescribeClusterResponse()
        switch EndpointType(rawValue: request.endpointType) {
        case .broker: break
        case .controller:
            response.errorCode = ErrorCode.mismatchedEndpointType.rawValue
            response.errorMessage = "This is a broker, not a controller: use --bootstrap-server"
            return .now(response)
        case nil:
            response.errorCode = ErrorCode.unsupportedEndpointType.rawValue
            response.errorMessage = "There is no endpoint type \(request.endpointType)"
            return .now(response)
        }
        let image = self.broker.metadata.image
        var node = DescribeClusterResponse.DescribeClusterBroker()
        node.brokerID = image.nodeID.rawValue
        node.host = self.context.connection.advertisedEndpoint.host
        node.port = self.context.connection.advertisedEndpoint.port
        response.clusterID = image.clusterID
        response.controllerID = image.nodeID.rawValue
        response.brokers = [node]
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = AuthorizedOperations.cluster
        }
        return .now(response)
    }
}
