// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import KafkaMessages
import KafkaTypes
import KafkaWire

/// ListConfigResources (key 74): what there is that has configs (KIP-1142).
///
/// Served: 0-1. Version 0 lists client metrics, of which there are none here. Version 1 lists the types asked for, all
/// without any: topics, this broker and its loggers, and the groups that have configs of their own. A type that is not
/// known gets UNSUPPORTED_VERSION for the whole request, as in Kafka.
///
/// Sorted by type and name.
struct ListConfigResourcesHandler: APIHandler {
    let broker: Broker
    let context: RequestContext

    /// From this version on a request says which types it wants.
    private static let firstVersionWithTypes: Int16 = 1

    func answer(_ request: ListConfigResourcesRequest) -> Answer<ListConfigResourcesResponse> {
        var response = ListConfigResourcesResponse()
        let kinds = self.kinds(request)
        guard kinds.count == Set(request.resourceTypes).count || request.resourceTypes.isEmpty else {
            response.errorCode = ErrorCode.unsupportedVersion.rawValue
            return .now(response)
        }
        response.configResources = kinds.flatMap { kind in
            self.names(of: kind).map { name in
                var resource = ListConfigResourcesResponse.ConfigResource()
                resource.resourceName = name
                resource.resourceType = kind.rawValue
                return resource
            }
        }
        return .now(response)
    }

    /// The known kinds that are asked for, each once.
    private func kinds(_ request: ListConfigResourcesRequest) -> [ConfigResource.Kind] {
        guard self.context.apiVersion >= Self.firstVersionWithTypes else { return [.clientMetrics] }
        guard !request.resourceTypes.isEmpty else { return ConfigResource.Kind.allCases }
        return Set(request.resourceTypes).sorted().compactMap { ConfigResource.Kind(rawValue: $0) }
    }

    private func names(of kind: ConfigResource.Kind) -> [String] {
        let image = self.broker.metadata.image
        switch kind {
        case .topic: return image.sortedTopicNames()
        case .broker, .brokerLogger: return [image.nodeID.description]
        case .clientMetrics: return []
        case .group: return image.groupConfigs.keys.sorted()
        }
    }
}
