// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct UserAndQuotaTests {
    private static let versions: [APIKey: ClosedRange<Int16>?] = [
        .describeUserScramCredentials: 0...0, .alterUserScramCredentials: 0...0, .describeClientQuotas: 0...1,
        .alterClientQuotas: 0...1,
    ]

    @Test("users that may log in are told with their mechanisms, and others fail alone")
    func describe() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let asked = try DescribeUserScramCredentialsRequest.decode(request.body, version: request.version)
                #expect(asked.users?.map(\.name) == ["alice", "bob", "carol"])
                var info = DescribeUserScramCredentialsResponse.CredentialInfo()
                (info.mechanism, info.iterations) = (2, 8192)
                var unknown = info
                unknown.mechanism = 77
                var alice = DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult()
                alice.user = "alice"
                alice.credentialInfos = [info, unknown]
                var bob = DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult()
                bob.user = "bob"
                bob.errorCode = ErrorCode.resourceNotFound.rawValue
                var response = DescribeUserScramCredentialsResponse()
                response.results = [alice, bob]
                return .answer(response)
            }
        ) { _, client in
            let users = try await client.describeScramUsers(["carol", "bob", "alice", "alice"])
            #expect(try users["alice"]?.get() == [ScramCredential(mechanism: .sha512, iterations: 8192)])
            #expect(users["bob"]?.failure?.errorCode == .resourceNotFound)
            #expect(users["carol"]?.failure?.code == .malformedResponse)
        }
    }

    #if SCRAM
    /// The example of RFC 7677.
    private static let salt: [UInt8] = [
        0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
    ]
    private static let saltedPassword: [UInt8] = [
        0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39,
        0xe7, 0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d,
    ]

    @Test("a password is salted here, and goes nowhere as it is")
    func alter() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                #expect(!String(decoding: request.body.readableBytesView, as: UTF8.self).contains("pencil"))
                let asked = try AlterUserScramCredentialsRequest.decode(request.body, version: request.version)
                #expect(asked.deletions.map(\.name) == ["bob"])
                #expect(asked.deletions.map(\.mechanism) == [2])
                #expect(asked.upsertions.map(\.name) == ["user", "user"])
                let first = asked.upsertions[0]
                #expect(first.mechanism == 1)
                #expect(first.iterations == 4096)
                #expect(Array(first.salt.readableBytesView) == Self.salt)
                #expect(Array(first.saltedPassword.readableBytesView) == Self.saltedPassword)
                let second = asked.upsertions[1]
                #expect(second.salt.readableBytes == ScramAlteration.saltBytes)
                #expect(second.saltedPassword.readableBytes == 64)
                #expect(second.iterations == 8192)
                var done = AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult()
                done.user = "user"
                var failed = done
                (failed.user, failed.errorCode) = ("bob", ErrorCode.resourceNotFound.rawValue)
                var response = AlterUserScramCredentialsResponse()
                response.results = [done, failed]
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterScramUsers([
                .set(user: "user", .sha256, password: "pencil", iterations: 4096, salt: Self.salt),
                .set(user: "user", .sha512, password: "pencil"), .delete(user: "bob", .sha512),
            ])
            #expect(results.count == 2)
            try results["user"]?.get()
            #expect(results["bob"]?.failure?.errorCode == .resourceNotFound)
        }
    }
    #endif

    @Test("quotas are told by entity, of which a nameless part is the standard")
    func describeQuotas() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let asked = try DescribeClientQuotasRequest.decode(request.body, version: request.version)
                #expect(asked.strict)
                #expect(asked.components.map(\.entityType) == ["client-id", "ip", "user"])
                #expect(asked.components.map(\.matchType) == [1, 2, 0])
                #expect(asked.components.map(\.match) == [nil, nil, "alice"])
                var user = DescribeClientQuotasResponse.EntityData()
                (user.entityType, user.entityName) = ("user", "alice")
                var client = DescribeClientQuotasResponse.EntityData()
                (client.entityType, client.entityName) = ("client-id", nil)
                var value = DescribeClientQuotasResponse.ValueData()
                (value.key, value.value) = ("producer_byte_rate", 1024.5)
                var entry = DescribeClientQuotasResponse.EntryData()
                entry.entity = [user, client]
                entry.values = [value]
                var response = DescribeClientQuotasResponse()
                response.entries = [entry]
                return .answer(response)
            }
        ) { _, client in
            let quotas = try await client.describeQuotas(
                ["user": .part(.named("alice")), "client-id": .part(.standard), "ip": .any], isStrict: true)
            let entity = QuotaEntity(["user": .named("alice"), "client-id": .standard])
            #expect(quotas == [entity: ["producer_byte_rate": 1024.5]])
            #expect(entity.description == "client-id (default), user alice")
        }
    }

    @Test("quotas are set and taken away, each entity for itself")
    func alterQuotas() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: Self.versions,
            handler: { _, request in
                let asked = try AlterClientQuotasRequest.decode(request.body, version: request.version)
                #expect(asked.validateOnly)
                var response = AlterClientQuotasResponse()
                for entry in asked.entries {
                    var result = AlterClientQuotasResponse.EntryData()
                    result.entity = entry.entity.map { part in
                        var copy = AlterClientQuotasResponse.EntityData()
                        (copy.entityType, copy.entityName) = (part.entityType, part.entityName)
                        return copy
                    }
                    if entry.entity.first?.entityName == nil {
                        #expect(entry.ops.map(\.remove) == [true])
                        result.errorCode = ErrorCode.invalidRequest.rawValue
                    } else {
                        #expect(entry.ops.map(\.key) == ["consumer_byte_rate", "request_percentage"])
                        #expect(entry.ops.map(\.remove) == [false, true])
                        #expect(entry.ops[0].value == 5)
                    }
                    response.entries.append(result)
                }
                return .answer(response)
            }
        ) { _, client in
            let results = try await client.alterQuotas(
                [
                    .user("alice"): ["consumer_byte_rate": 5, "request_percentage": nil],
                    .clientID(nil): ["consumer_byte_rate": nil],
                ], validatesOnly: true)
            #expect(results.count == 2)
            try results[.user("alice")]?.get()
            #expect(results[.clientID(nil)]?.failure?.errorCode == .invalidRequest)
        }
    }
}
