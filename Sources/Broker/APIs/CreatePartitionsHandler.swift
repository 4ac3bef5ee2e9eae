// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire

/// CreatePartitions (key 37): gives topics more partitions, each topic by itself.
///
/// Served: 0-3, which differ in their encoding, and in that Kafka may throttle from 3 on.
///
/// The count is the new total, which must be above the present one; records do not move, so keys go elsewhere from then
/// on. The partitions are served when the answer leaves; the time-out of the request is not needed.
struct CreatePartitionsHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    func answer(_ request: CreatePartitionsRequest) -> Answer<CreatePartitionsResponse> {
        .later(self.broker.admin.run(on: self.context.eventLoop) { self.response(to: request) })
    }

    /// Runs on the admin thread.
    private func response(to request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        let repeated = RepeatedItems(request.topics.lazy.map(\.name))
        var refusedRepeats: Set<String> = []
        var response = CreatePartitionsResponse()
        for topic in request.topics {
            var answer = CreatePartitionsResponse.CreatePartitionsTopicResult()
            answer.name = topic.name
            do throws(RequestRefusal) {
                if repeated.contains(topic.name) {
                    guard refusedRepeats.insert(topic.name).inserted else { continue }
                    throw RequestRefusal(.invalidRequest, "The request has topic '\(topic.name)' more than once")
                }
                try self.grow(topic, validateOnly: request.validateOnly)
            } catch {
                answer.errorCode = error.errorCode.rawValue
                answer.errorMessage = error.message
            }
            response.results.append(answer)
        }
        return response
    }

    private func grow(
        _ topic: CreatePartitionsRequest.CreatePartitionsTopic,
        validateOnly: Bool
    ) throws(RequestRefusal) {
        if TopicName.internalTopics.contains(topic.name) {
            throw RequestRefusal(
                .invalidRequest,
                "Topic '\(topic.name)' cannot get more partitions: groups would be looked for in others than they are in"
            )
        }
        let assignments = topic.assignments?.map { $0.brokerIDs.map { NodeID($0) } }
        do throws(MetadataError) {
            _ = try self.broker.growTopic(
                named: topic.name,
                to: topic.count,
                assignments: assignments,
                validateOnly: validateOnly
            )
        } catch {
            throw RequestRefusal(error)
        }
    }
}
