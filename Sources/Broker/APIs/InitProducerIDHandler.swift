// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

/// InitProducerId (key 22): gives an idempotent producer its id.
///
/// Served: 0-6. From version 3 on a producer that lost its sequence sends the id and epoch it has (KIP-360), 6 is about
/// two-phase commit (KIP-939).
///
/// - Each request gets an id that nobody has had, with epoch 0, also one that sends an older id: without a
///   transactional id no other instance has to be fenced off, so a fresh id is as good as a higher epoch.
/// - Transactions are not served yet: a transactional id gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, for the reason
///   told at `FindCoordinatorHandler`. On INVALID_REQUEST librdkafka would ask again for ever.
struct InitProducerIDHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: InitProducerIdRequest) -> Answer<InitProducerIdResponse> {
        if let id = request.transactionalID {
            // An empty one is a mistake of the client, whoever serves it.
            return .now(Self.failure(id.isEmpty ? .invalidRequest : RequestRefusal.transactionsNotServed.errorCode))
        }
        if (request.producerID == -1) != (request.producerEpoch == -1) { return .now(Self.failure(.invalidRequest)) }
        let answered = self.broker.admin.run(on: self.context.eventLoop) {
            do throws(MetadataError) {
                var response = InitProducerIdResponse()
                response.producerID = try self.broker.metadata.nextProducerID().rawValue
                response.producerEpoch = 0
                return response
            } catch {
                self.broker.logger.error("cannot reserve producer ids", metadata: ["error": "\(error)"])
                return Self.failure(error.errorCode)
            }
        }
        return .later(answered)
    }

    private static func failure(_ errorCode: ErrorCode) -> InitProducerIdResponse {
        var response = InitProducerIdResponse()
        response.errorCode = errorCode.rawValue
        response.producerEpoch = -1
        return response
    }
}
