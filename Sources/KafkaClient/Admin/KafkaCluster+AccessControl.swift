// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

extension KafkaCluster {
    /// The entries that the filter fits, in the order of the broker's answer.
    ///
    /// One request to any broker: DescribeAcls 1, Kafka 2.0. Throws `brokerError` with `securityDisabled` when the
    /// cluster has no authorizer, `clusterAuthorizationFailed` when this client may not describe the cluster.
    public func describeAccess(_ filter: AccessControlFilter = .init()) async throws -> [AccessControlEntry] {
        var request = DescribeAclsRequest()
        request.resourceTypeFilter = filter.resource.rawValue
        request.resourceNameFilter = filter.name
        request.patternTypeFilter = filter.pattern.rawValue
        request.principalFilter = filter.principal
        request.hostFilter = filter.host
        request.operation = filter.operation.rawValue
        request.permissionType = filter.permission.rawValue
        let response = try await self.askAnyone(request, subject: "access control") { ($0.errorCode, $0.errorMessage) }
        return response.resources.flatMap { resource in
            resource.acls.map { entry in
                AccessControlEntry(
                    .init(rawValue: resource.resourceType), resource.resourceName,
                    pattern: .init(rawValue: resource.patternType), principal: entry.principal, host: entry.host,
                    operation: .init(rawValue: entry.operation), permission: .init(rawValue: entry.permissionType))
            }
        }
    }

    /// Makes entries; one that is there already is made again, which changes nothing. The results have the order of
    /// `entries`; each succeeds or fails on its own, for example with `invalidRequest` for a principal without a type, or
    /// `securityDisabled`.
    ///
    /// One request to the controller: CreateAcls 1, Kafka 2.0.
    public func createAccess(_ entries: [AccessControlEntry]) async throws -> [Result<Void, KafkaClientError>] {
        guard !entries.isEmpty else { return [] }
        var request = CreateAclsRequest()
        request.creations = entries.map { entry in
            var creation = CreateAclsRequest.AclCreation()
            creation.resourceType = entry.resource.rawValue
            creation.resourceName = entry.name
            creation.resourcePatternType = entry.pattern.rawValue
            creation.principal = entry.principal
            creation.host = entry.host
            creation.operation = entry.operation.rawValue
            creation.permissionType = entry.permission.rawValue
            return creation
        }
        let results = try await self.changeAtController(request) { $0.results.map(\.errorCode) }.results
        guard results.count == entries.count else {
            throw KafkaClientError(
                .malformedResponse, "the answer to CreateAcls has \(results.count) results for \(entries.count) entries"
            )
        }
        return zip(entries, results).map { entry, result in
            Self.outcome((), result.errorCode, subject: "\(entry)", message: result.errorMessage)
        }
    }

    /// Deletes all entries that one of the filters fits. The results have the order of `filters`; each has what came of
    /// every entry it fits, and fails on its own, as the entries do.
    ///
    /// One request to the controller: DeleteAcls 1, Kafka 2.0.
    public func deleteAccess(
        _ filters: [AccessControlFilter]
    ) async throws -> [Result<[AccessControlEntry: Result<Void, KafkaClientError>], KafkaClientError>] {
        guard !filters.isEmpty else { return [] }
        var request = DeleteAclsRequest()
        request.filters = filters.map { filter in
            var entry = DeleteAclsRequest.DeleteAclsFilter()
            entry.resourceTypeFilter = filter.resource.rawValue
            entry.resourceNameFilter = filter.name
            entry.patternTypeFilter = filter.pattern.rawValue
            entry.principalFilter = filter.principal
            entry.hostFilter = filter.host
            entry.operation = filter.operation.rawValue
            entry.permissionType = filter.permission.rawValue
            return entry
        }
        let results = try await self.changeAtController(request) { $0.filterResults.map(\.errorCode) }.filterResults
        guard results.count == filters.count else {
            throw KafkaClientError(
                .malformedResponse, "the answer to DeleteAcls has \(results.count) results for \(filters.count) filters"
            )
        }
        return results.map { result in
            Self.outcome(
                Self.deletions(result.matchingAcls), result.errorCode, subject: "access control",
                message: result.errorMessage)
        }
    }

    private static func deletions(
        _ matches: [DeleteAclsResponse.DeleteAclsMatchingAcl]
    ) -> [AccessControlEntry: Result<Void, KafkaClientError>] {
        var deletions: [AccessControlEntry: Result<Void, KafkaClientError>] = [:]
        for match in matches {
            let entry = AccessControlEntry(
                .init(rawValue: match.resourceType), match.resourceName,
                pattern: .init(rawValue: match.patternType), principal: match.principal, host: match.host,
                operation: .init(rawValue: match.operation), permission: .init(rawValue: match.permissionType))
            deletions[entry] = Self.outcome(
                (), match.errorCode, subject: "\(entry)", message: match.errorMessage)
        }
        return deletions
    }
}
