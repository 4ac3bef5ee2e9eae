// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import Testing

@Suite("Partitions on disk that belong to no topic")
struct StrayPartitionTests {
    @Test("what a crash in a deletion leaves is set aside, and a new topic of that name is empty")
    func setAside() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now])
            // As if the deletion had been committed to the metadata and the process had died then.
            let id = try #require(try broker.store.load()?.topic(named: "orders")?.id)
            try broker.store.commit([.deleteTopic(id)])
            try broker.restart()

            let names = try FileManager.default.contentsOfDirectory(atPath: broker.directory)
            #expect(names.contains { $0.hasPrefix("orders-0.") && $0.hasSuffix("-stray") })
            #expect(!names.contains("orders-0"))
            try await broker.createTopic("orders")
            #expect(try await broker.produce(to: "orders", timestamps: [broker.now]) == 0)
            // It is not found again.
            try broker.restart()
        }
    }
}
