// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

/// What a request does to the configs of one resource: the part that AlterConfigs and IncrementalAlterConfigs share.
struct ConfigEdit: Sendable {
    let resource: ConfigResource
    /// The changes in the request's order, each config once.
    let changes: [ConfigAlteration]
    /// True when the changes are all that is to be set afterwards, false when they come on top of what is set.
    let replacesAll: Bool

    /// Checks the changes, all of them together, and makes them unless `validateOnly`. They are in force when this
    /// returns. Blocks on the disk: for the admin thread.
    func apply(to broker: Broker, validateOnly: Bool) throws(RequestRefusal) {
        let target = try self.resource.target(in: broker.metadata.image)
        do {
            switch target {
            case .topic(let topic):
                try broker.alterTopicConfigs(topic.name, validateOnly: validateOnly) { topic in
                    try broker.config.altering(
                        topicOverrides: self.replacesAll ? [:] : topic.configs,
                        self.changes
                    )
                }
            case .broker(let node):
                try self.checkIsRegistered(node, broker)
                try broker.alterBrokerConfigs(node, validateOnly: validateOnly) { image in
                    let set = node.map { image.brokerConfigs[$0] ?? [:] } ?? image.defaultBrokerConfigs
                    return try broker.config.altering(
                        dynamic: self.replacesAll ? [:] : set,
                        forAllBrokers: node == nil,
                        self.changes
                    )
                }
            case .group(let id):
                try broker.alterGroupConfigs(id, validateOnly: validateOnly) { set in
                    try broker.config.altering(groupOverrides: self.replacesAll ? [:] : set, self.changes)
                }
            case .brokerLogger:
                throw RequestRefusal(
                    .invalidRequest,
                    "The level of the log cannot be changed at run time: set log.level and restart the broker"
                )
            }
        } catch let refusal as RequestRefusal {
            throw refusal
        } catch let error as ConfigError {
            throw RequestRefusal(error)
        } catch let error as MetadataError {
            throw RequestRefusal(error)
        } catch {
            broker.logger.error(
                "cannot change configs", metadata: ["resource": "\(self.resource)", "error": "\(error)"])
            throw RequestRefusal(.unknownServerError, "\(error)")
        }
    }

    private func checkIsRegistered(_ node: NodeID?, _ broker: Broker) throws(RequestRefusal) {
        guard let node, node != broker.metadata.image.nodeID else { return }
        throw RequestRefusal(.brokerIDNotRegistered, "There is no broker \(node)")
    }
}

// MARK: - The two requests

/// What both requests say of a resource to change.
protocol ResourceToAlter {
    var resourceType: Int8 { get }
    var resourceName: String { get }
}

/// What both answers say of a resource.
protocol AlteredResource {
    init()
    var errorCode: Int16 { get set }
    var errorMessage: String? { get set }
    var resourceType: Int8 { get set }
    var resourceName: String { get set }
}

extension AlterConfigsRequest.AlterConfigsResource: ResourceToAlter {}
extension AlterConfigsResponse.AlterConfigsResourceResponse: AlteredResource {}
extension IncrementalAlterConfigsRequest.AlterConfigsResource: ResourceToAlter {}
extension IncrementalAlterConfigsResponse.AlterConfigsResourceResponse: AlteredResource {}

extension ConfigEdit {
    /// Changes each resource of a request by itself and answers in their order. Blocks on the disk: for the admin thread.
    ///
    /// - Parameter changes: what the request wants of a resource.
    static func answers<Item: ResourceToAlter, Answered: AlteredResource>(
        to items: [Item],
        on broker: Broker,
        validateOnly: Bool,
        replacesAll: Bool,
        changes: (Item) throws(RequestRefusal) -> [ConfigAlteration]
    ) -> [Answered] {
        let resources = items.map { ConfigResource(type: $0.resourceType, name: $0.resourceName) }
        let repeated = RepeatedItems(resources)
        return zip(items, resources).map { item, resource in
            var answer = Answered()
            answer.resourceType = resource.type
            answer.resourceName = resource.name
            answer.errorMessage = nil
            do throws(RequestRefusal) {
                guard !repeated.contains(resource) else {
                    throw RequestRefusal(.invalidRequest, "The request has resource '\(resource.name)' more than once")
                }
                try ConfigEdit(resource: resource, changes: changes(item), replacesAll: replacesAll)
                    .apply(to: broker, validateOnly: validateOnly)
            } catch {
                answer.errorCode = error.errorCode.rawValue
                answer.errorMessage = error.message
            }
            return answer
        }
    }
}
