// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct AccessControlTests {
    private static let versions: [APIKey: ClosedRange<Int16>?] = [
        .describeAcls: 1...3, .createAcls: 1...3, .deleteAcls: 1...3,
    ]
    private static let read = AccessControlEntry(
        .topic, "orders-", pattern: .prefixed, principal: "User:alice", operation: .read)
    private static let write = AccessControlEntry(
        .topic, "orders", principal: "User:bob", host: "10.0.0.1", operation: .write, permission: .deny)

    @Test("entries that fit a filter come back as they were made")
    func describe() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let asked = try DescribeAclsRequest.decode(request.body, version: request.version)
                #expect(asked.resourceTypeFilter == 2)
                #expect(asked.resourceNameFilter == nil)
                #expect(asked.patternTypeFilter == 1)
                #expect(asked.principalFilter == "User:alice")
                #expect(asked.operation == 1)
                #expect(asked.permissionType == 1)
                var entry = DescribeAclsResponse.AclDescription()
                (entry.principal, entry.host, entry.operation, entry.permissionType) = ("User:alice", "*", 3, 3)
                var resource = DescribeAclsResponse.DescribeAclsResource()
                (resource.resourceType, resource.resourceName, resource.patternType) = (2, "orders-", 4)
                resource.acls = [entry]
                var response = DescribeAclsResponse()
                response.resources = [resource]
                return .answer(response)
            }
        ) { _, client in
            var filter = AccessControlFilter()
            filter.resource = .topic
            filter.principal = "User:alice"
            let entries = try await client.describeAccess(filter)
            #expect(entries == [Self.read])
        }
    }

    @Test("a cluster without access control says so")
    func disabled() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, _ in
                var response = DescribeAclsResponse()
                response.errorCode = ErrorCode.securityDisabled.rawValue
                response.errorMessage = "no authorizer"
                return .answer(response)
            }
        ) { _, client in
            let error = await #expect(throws: KafkaClientError.self) { try await client.describeAccess() }
            #expect(error?.errorCode == .securityDisabled)
        }
    }

    private static func created(_ errorCodes: [ErrorCode]) -> FakeCluster.Reply {
        var response = CreateAclsResponse()
        response.results = errorCodes.map { errorCode in
            var result = CreateAclsResponse.AclCreationResult()
            result.errorCode = errorCode.rawValue
            return result
        }
        return .answer(response)
    }

    @Test("entries are made one by one, and one that fails leaves the others")
    func create() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let asked = try CreateAclsRequest.decode(request.body, version: request.version).creations
                #expect(asked.map(\.resourceName) == ["orders-", "orders"])
                #expect(asked.map(\.resourcePatternType) == [4, 3])
                #expect(asked.map(\.permissionType) == [3, 2])
                #expect(asked.map(\.host) == ["*", "10.0.0.1"])
                return Self.created([.none, .invalidRequest])
            }
        ) { _, client in
            let results = try await client.createAccess([Self.read, Self.write])
            #expect(results.count == 2)
            try results[0].get()
            #expect(results[1].failure?.errorCode == .invalidRequest)
            #expect(results[1].failure?.message.contains("User:bob") == true)
            #expect(try await client.createAccess([]).isEmpty)
        }
    }

    @Test("a controller that has moved is followed, and an answer with gaps is an error")
    func controller() async throws {
        let attempts = Mutex(0)
        try await FakeCluster.run(
            brokers: 2, versions: Self.versions,
            handler: { node, _ in
                attempts.withLock { $0 += 1 }
                return Self.created(node == 0 ? [.notController] : [.none])
            }
        ) { fake, client in
            fake.update { $0.controller = 0 }
            _ = try await client.describeCluster()
            fake.update { $0.controller = 1 }
            try await client.createAccess([Self.read])[0].get()
            #expect(attempts.withLock(\.self) == 2)
            await #expect(throws: KafkaClientError.self) { try await client.createAccess([Self.read, Self.write]) }
        }
    }

    @Test("a deletion tells of every entry that it found")
    func delete() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let filters = try DeleteAclsRequest.decode(request.body, version: request.version).filters
                #expect(filters.map(\.resourceNameFilter) == ["orders", nil])
                #expect(filters.map(\.hostFilter) == ["10.0.0.1", nil])
                var found = DeleteAclsResponse.DeleteAclsFilterResult()
                for (entry, errorCode) in [(Self.read, ErrorCode.none), (Self.write, .unknownServerError)] {
                    var match = DeleteAclsResponse.DeleteAclsMatchingAcl()
                    match.errorCode = errorCode.rawValue
                    match.resourceType = entry.resource.rawValue
                    match.resourceName = entry.name
                    match.patternType = entry.pattern.rawValue
                    match.principal = entry.principal
                    match.host = entry.host
                    match.operation = entry.operation.rawValue
                    match.permissionType = entry.permission.rawValue
                    found.matchingAcls.append(match)
                }
                var refused = DeleteAclsResponse.DeleteAclsFilterResult()
                refused.errorCode = ErrorCode.clusterAuthorizationFailed.rawValue
                var response = DeleteAclsResponse()
                response.filterResults = [found, refused]
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.deleteAccess([AccessControlFilter(Self.write), AccessControlFilter()])
            let found = try results[0].get()
            #expect(found.count == 2)
            #expect(found[Self.read]?.failure == nil)
            #expect(found[Self.write]?.failure?.errorCode == .unknownServerError)
            #expect(results[1].failure?.errorCode == .clusterAuthorizationFailed)
        }
    }
}
