// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaTypes
import KafkaWire

/// What requests about configs name: a kind of thing and its name, such as a topic.
struct ConfigResource: Hashable, Sendable {
    /// The kinds by their codes in the protocol.
    enum Kind: Int8, CaseIterable {
        case topic = 2
        case broker = 4
        case brokerLogger = 8
        case clientMetrics = 16
        case group = 32
    }

    /// A `Kind`'s code, or any other number.
    let type: Int8
    /// Empty for a broker resource that means all brokers.
    let name: String

    /// A resource that there is.
    enum Target {
        case topic(TopicImage)
        /// Nil: the configs set at run time for all brokers.
        case broker(NodeID?)
        case brokerLogger(NodeID)
        /// A group by its id; it need not exist.
        case group(String)
    }

    /// Finds what the resource names, or says why there is no such thing.
    func target(in image: ClusterImage) throws(RequestRefusal) -> Target {
        switch Kind(rawValue: self.type) {
        case .topic:
            do { try TopicName.validate(self.name) } catch { throw RequestRefusal(error) }
            guard let topic = image.topic(named: self.name) else {
                throw RequestRefusal(.unknownTopicOrPartition, "Topic '\(self.name)' does not exist")
            }
            return .topic(topic)
        case .broker:
            return .broker(self.name.isEmpty ? nil : try self.brokerID())
        case .brokerLogger:
            guard !self.name.isEmpty else {
                throw RequestRefusal(.invalidRequest, "The name of a broker logger resource is the broker's id")
            }
            return .brokerLogger(try self.brokerID())
        case .clientMetrics:
            throw RequestRefusal(.invalidRequest, "Configs of client metrics are not supported")
        case .group:
            guard !self.name.isEmpty else {
                throw RequestRefusal(
                    .invalidRequest,
                    "The name of a group resource is the group's id; for all groups set the broker configs "
                        + "group.consumer.*"
                )
            }
            return .group(self.name)
        case nil:
            throw RequestRefusal(
                .invalidRequest,
                "Resource type \(self.type) is not known: topics are \(Kind.topic.rawValue), brokers "
                    + "\(Kind.broker.rawValue), groups \(Kind.group.rawValue)"
            )
        }
    }

    private func brokerID() throws(RequestRefusal) -> NodeID {
        guard let id = Int32(self.name) else {
            throw RequestRefusal(.invalidRequest, "The name of a broker resource is its id, a number: '\(self.name)'")
        }
        return NodeID(id)
    }
}
