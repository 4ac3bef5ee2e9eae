// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

extension Interop {
    /// What docs/DEPLOYMENT.md says of backups. What kill -9 leaves stands for the snapshot of a file system: all files of
    /// one moment, in the middle of the work.
    @Suite("A copy of the data directory is a backup") struct BackupTests {
        @Test(
            "what was there when it was taken is there when it is put back, and nothing else",
            arguments: Ending.allCases)
        func restored(ending: Ending) async throws {
            try await withBroker { broker in
                let before = (0..<60).map { Record(partition: $0 % 2, value: Data("before \($0)".utf8)) }
                _ = try await broker.run(
                    .confluent,
                    ["do": "create_topic", "topic": "orders", "partitions": 2, "configs": ["retention.ms": "-1"]])
                try await broker.produce(.confluent, "orders", before, ProduceOptions(codec: "lz4"))
                try await Self.reset(broker, toOffset: 20)
                let state: [JSON] = [
                    ["do": "describe_topic", "topic": "orders"], ["do": "describe_cluster"],
                    ["do": "describe_configs", "type": "topic", "name": "orders"],
                ]
                let told = try await broker.finish(broker.begin(.confluent, state))
                let committed = try await Self.committed(broker)
                #expect(committed == 20)

                try await broker.end(ending)
                let copy = broker.folder.appendingPathComponent("copy")
                try FileManager.default.copyItem(at: broker.dataDirectory, to: copy)

                try await broker.start()
                try await broker.produce(.confluent, "orders", before, ProduceOptions(codec: "none"))
                try await Self.reset(broker, toOffset: 25)
                _ = try await broker.run(
                    .confluent, ["do": "create_topic", "topic": "later", "partitions": 1, "configs": [:]])
                try await broker.stop()

                try FileManager.default.removeItem(at: broker.dataDirectory)
                try FileManager.default.moveItem(at: copy, to: broker.dataDirectory)
                try await broker.start()
                #expect(try await broker.finish(broker.begin(.confluent, state)) == told)
                let read = try await broker.consume(.kafkaPython, "orders", from: [0: 0, 1: 0], count: before.count)
                #expect(read.map(\.value) == before.inOrder.map(\.value))
                #expect(try await Self.committed(broker) == committed)
                let topics = try await Self.martlet(["topic", "list"], broker)
                #expect(topics.contains("orders") && !topics.contains("later"))
            }
        }

        /// Commits an offset for both partitions, as an operator does.
        private static func reset(_ broker: BrokerUnderTest, toOffset offset: Int) async throws {
            _ = try await Self.martlet(
                ["group", "reset-offsets", "billing", "--topic", "orders", "--to-offset", "\(offset)", "--execute"],
                broker)
        }

        /// The offset committed for partition 0.
        private static func committed(_ broker: BrokerUnderTest) async throws -> Int? {
            let text = try await Self.martlet(["group", "describe", "billing", "-o", "json"], broker)
            let pages = try JSONDecoder().decode(JSON.self, from: Data(text.utf8))
            let partitions = pages.elements.flatMap { $0["partitions"].elements }
            return partitions.first { $0["partition"].int == 0 }?["committedOffset"].int
        }

        private static func martlet(_ arguments: [String], _ broker: BrokerUnderTest) async throws -> String {
            let child = try ChildProcess(
                try Programs.martlet(), arguments + ["--bootstrap", broker.bootstrap], folder: broker.folder)
            let exit = try await child.waitForExit(within: .seconds(30))
            guard exit == .success else { throw ProgramFailure(child, exit) }
            return String(decoding: child.outputData, as: UTF8.self)
        }
    }
}
