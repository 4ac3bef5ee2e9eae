// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// FindCoordinator (key 10): which broker keeps a consumer group, or a transactional id.
///
/// Served: 0-6. Version 0 knows groups only, from 1 on the answer has messages, from 4 on a request may ask for many
/// keys at once (KIP-699), from 6 on for share groups (KIP-932).
///
/// - Every group is kept by this broker, at the address that this connection reached (or the advertised one). The first
///   request for a group makes `__consumer_offsets`.
/// - Transactions are not served yet. TRANSACTIONAL_ID_AUTHORIZATION_FAILED says so, although nobody's authorization is
///   in question: of all codes it is the only one on which librdkafka gives up at once (any other it asks again for
///   until `init_transactions` times out), Java's client and kafka-python give up on it too, and librdkafka shows our
///   message with it.
struct FindCoordinatorHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// What a key is the name of.
    private enum KeyType: Int8 {
        case group = 0
        case transaction = 1
        case share = 2
    }

    /// The first version whose request has many keys.
    private static let firstBatchedVersion: Int16 = 4

    func answer(_ request: FindCoordinatorRequest) -> Answer<FindCoordinatorResponse> {
        if let refusal = Self.refusal(keyType: request.keyType) { return .now(self.response(to: request, refusal)) }
        if self.broker.groups.isOpen { return .now(self.response(to: request, nil)) }
        // The first group of the cluster: there is no place for its records yet.
        let opened = self.broker.admin.run(on: self.context.eventLoop) { self.broker.openGroups() }
        return .later(
            opened.map { error in
                self.response(
                    to: request,
                    error.map { RequestRefusal(.coordinatorNotAvailable, "There is no place for groups: \($0)") }
                )
            }
        )
    }

    private func response(to request: FindCoordinatorRequest, _ refusal: RequestRefusal?) -> FindCoordinatorResponse {
        var response = FindCoordinatorResponse()
        response.errorMessage = nil
        let endpoint = self.context.connection.advertisedEndpoint
        let nodeID = self.broker.metadata.image.nodeID.rawValue
        if self.context.apiVersion >= Self.firstBatchedVersion {
            response.coordinators = request.coordinatorKeys.map { key in
                var coordinator = FindCoordinatorResponse.Coordinator()
                coordinator.key = key
                coordinator.nodeID = refusal == nil ? nodeID : -1
                coordinator.host = refusal == nil ? endpoint.host : ""
                coordinator.port = refusal == nil ? endpoint.port : -1
                coordinator.errorCode = refusal?.errorCode.rawValue ?? 0
                coordinator.errorMessage = refusal?.message
                return coordinator
            }
        } else {
            response.nodeID = refusal == nil ? nodeID : -1
            response.host = refusal == nil ? endpoint.host : ""
            response.port = refusal == nil ? endpoint.port : -1
            response.errorCode = refusal?.errorCode.rawValue ?? 0
            response.errorMessage = refusal?.message
        }
        return response
    }

    private static func refusal(keyType: Int8) -> RequestRefusal? {
        switch KeyType(rawValue: keyType) {
        case .group: nil
        case .transaction: .transactionsNotServed
        case .share: RequestRefusal(.invalidRequest, "Share groups are not supported yet")
        case nil: RequestRefusal(.invalidRequest, "There is no coordinator key type \(keyType)")
        }
    }
}

extension RequestRefusal {
    /// See `FindCoordinatorHandler` for why it has this code.
    static var transactionsNotServed: RequestRefusal {
        RequestRefusal(
            .transactionalIDAuthorizationFailed,
            "Transactions are not supported yet: unset transactional.id; idempotent producers are supported"
        )
    }
}
