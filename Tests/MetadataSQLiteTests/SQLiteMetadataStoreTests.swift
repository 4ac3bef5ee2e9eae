// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import GRDB
import KafkaTypes
import Synchronization
import Testing

@testable import MetadataSQLite

@Suite("Metadata in a SQLite file")
struct SQLiteMetadataStoreTests {
    private func withPath(_ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { try body("\($0)/metadata.sqlite") }
    }

    private func openError(_ path: String) -> MetadataError? {
        #expect(throws: MetadataError.self) { try SQLiteMetadataStore(path: path) }
    }

    @Test("a commit is synced: write-ahead log, and synchronous is FULL")
    func durability() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            func setting(_ name: String) throws -> String? {
                try store.queue.read { try String.fetchOne($0, sql: "PRAGMA \(name)") }
            }
            #expect(try setting("journal_mode") == "wal")
            #expect(try setting("synchronous") == "2")
            #expect(try setting("foreign_keys") == "1")
        }
    }

    @Test("what was committed is in the files, as they lie when the process is killed")
    func crash() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            for index in 0..<20 {
                let topic = NewTopic(name: "t\(index)", placement: .spread(partitions: 2, replicationFactor: 1))
                _ = try controller.createTopics([topic])[0].get()
                // The store stays open and has folded nothing: the copy is what a killed process leaves.
                let copy = "\(path).\(index)"
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
                }
                #expect(try SQLiteMetadataStore(path: copy).load() == controller.image)
            }
        }
    }

    @Test("a log torn in the middle of a commit gives the commits before it")
    func tornLog() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            let wal = URL(fileURLWithPath: path + "-wal")
            let before = controller.image
            let lengthBefore = try Data(contentsOf: wal).count
            try controller.alterBrokerConfigs(nil) { _ in ["a": "b"] }
            let bytes = try Data(contentsOf: wal)
            #expect(bytes.count > lengthBefore)
            for length in stride(from: lengthBefore, to: bytes.count, by: 997) {
                let copy = "\(path).\(length)"
                try FileManager.default.copyItem(atPath: path, toPath: copy)
                try bytes.prefix(length).write(to: URL(fileURLWithPath: copy + "-wal"))
                #expect(try SQLiteMetadataStore(path: copy).load() == before)
            }
        }
    }

    @Test("closed and opened again it holds the same, without a log beside it")
    func close() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            try controller.alterBrokerConfigs(nil) { _ in ["a": "b"] }
            try store.close()
            #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
            #expect(try SQLiteMetadataStore(path: path).load() == controller.image)
            let error = #expect(throws: MetadataError.self) { try store.commit([.setBrokerConfigs(nil, [:])]) }
            #expect(error?.code == .storage)
        }
    }

    @Test("what a killed process left while making the file does not matter")
    func leftovers() throws {
        try self.withPath { path in
            for suffix in [".new", ".new-wal", ".new-journal"] {
                try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: path + suffix))
            }
            #expect(try SQLiteMetadataStore(path: path).load() == nil)
            #expect(!FileManager.default.fileExists(atPath: path + ".new"))
        }
        // A file without anything in it, as SQLite itself might leave one, is a new store too.
        try self.withPath { path in
            try Data().write(to: URL(fileURLWithPath: path))
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            try store.close()
            #expect(try SQLiteMetadataStore(path: path).load() == controller.image)
        }
    }

    @Test("nothing is mapped beside the file, since touching it on a full disk may end the process")
    func nothingMapped() throws {
        try self.withPath { path in
            for _ in 0..<2 {
                let store = try SQLiteMetadataStore(path: path)
                _ = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
                #expect(FileManager.default.fileExists(atPath: path + "-wal"))
                #expect(!FileManager.default.fileExists(atPath: path + "-shm"))
                try store.close()
            }
        }
    }

    @Test("a commit without room is taken back, and done again for as long as some room can be made")
    func fullDisk() throws {
        try self.withPath { path in
            let rooms = Mutex(2)
            let store = try SQLiteMetadataStore(path: path) {
                rooms.withLock { left in
                    left -= 1
                    return left >= 0
                }
            }
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            let before = controller.image
            // SQLite's own limit stands in for the disk's.
            let pages = try store.queue.writeWithoutTransaction { database in
                let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
                try database.execute(sql: "PRAGMA max_page_count = \(pages)")
                return pages
            }
            let topic = NewTopic(name: "large", placement: .spread(partitions: 2_000, replicationFactor: 1))
            #expect(throws: MetadataError.self) { try controller.createTopics([topic])[0].get() }
            #expect(rooms.withLock { $0 } == -1)
            #expect(controller.image == before)
            try store.queue.writeWithoutTransaction {
                try $0.execute(sql: "PRAGMA max_page_count = \(pages + 1_000)")
            }
            _ = try controller.createTopics([topic])[0].get()
            #expect(try store.load() == controller.image)
        }
    }

    @Test("the file of another program is refused and left alone")
    func foreign() throws {
        try self.withPath { path in
            let queue = try DatabaseQueue(path: path)
            try queue.write { try $0.execute(sql: "CREATE TABLE theirs (x)") }
            try queue.close()
            #expect(self.openError(path)?.code == .incompatibleStore)
            let tables = try DatabaseQueue(path: path).read {
                try String.fetchAll($0, sql: "SELECT name FROM sqlite_master")
            }
            #expect(tables == ["theirs"])
        }
        try self.withPath { path in
            try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: path))
            #expect(self.openError(path)?.code == .incompatibleStore)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 5000)
        }
    }

    @Test("the file of a newer version is refused, with what to do")
    func newer() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            try store.queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('999')") }
            try store.close()
            let error = self.openError(path)
            #expect(error?.code == .incompatibleStore)
            #expect(error?.message.contains("newer version") == true)
        }
    }

    @Test("a file of the first version opens with everything in it, and takes what only later ones know")
    func firstVersion() throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            try controller.alterBrokerConfigs(nil) { _ in ["a": "b"] }
            let image = controller.image
            try store.queue.write { database in
                try database.execute(sql: "DROP TABLE group_config")
                try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier <> '1'")
            }
            try store.close()

            let later = try SQLiteMetadataStore(path: path)
            #expect(try later.load() == image)
            try later.commit([.setGroupConfigs("g", ["k": "1"])])
            try later.close()
            #expect(try SQLiteMetadataStore(path: path).load()?.groupConfigs == ["g": ["k": "1"]])
        }
    }

    @Test("a path that cannot be opened is an error that names it")
    func unopenable() throws {
        let error = self.openError("/nonexistent/metadata.sqlite")
        #expect(error?.code == .storage)
        #expect(error?.message.contains("/nonexistent/metadata.sqlite") == true)
    }

    @Test(
        "rows that no version ever wrote are an error",
        arguments: [
            "UPDATE partition SET replicas = '1,x'", "UPDATE partition SET isr = ','",
            "UPDATE partition SET leader = 99999999999", "UPDATE partition SET number = 7", "DELETE FROM partition",
            "UPDATE topic SET topic_id = x'00'", "UPDATE topic SET name = 'a/b'",
            "UPDATE cluster SET node_id = 1 << 40",
            "UPDATE partition SET replicas = ''", "UPDATE topic SET topic_id = zeroblob(16)",
        ])
    func damaged(sql: String) throws {
        try self.withPath { path in
            let store = try SQLiteMetadataStore(path: path)
            let controller = try MetadataController(store: store, nodeID: 1, generator: SystemRandomNumberGenerator())
            _ = controller.createTopics([NewTopic(name: "a", placement: .spread(partitions: 1, replicationFactor: 1))])
            #expect(try store.load() == controller.image)
            try store.queue.write { try $0.execute(sql: sql) }
            let error = #expect(throws: MetadataError.self) { try store.load() }
            #expect(error?.code == .incompatibleStore)
        }
    }

    @Test("how long opening takes is printed")
    func openingTime() throws {
        let clock = ContinuousClock()
        try self.withPath { path in
            var store: SQLiteMetadataStore?
            let empty = try clock.measure { store = try SQLiteMetadataStore(path: path) }
            var controller: MetadataController?
            let initialize = try clock.measure {
                controller = try MetadataController(
                    store: try #require(store), nodeID: 1, generator: SystemRandomNumberGenerator())
            }
            let topics = (0..<1000).map {
                NewTopic(name: "topic-\($0)", placement: .spread(partitions: 1, replicationFactor: 1))
            }
            let create = clock.measure { _ = controller?.createTopics(topics) }
            let alter = try clock.measure { try controller?.alterBrokerConfigs(nil) { _ in ["a": "b"] } }
            try store?.close()
            var topicCount: Int?
            let reopen = try clock.measure { topicCount = try SQLiteMetadataStore(path: path).load()?.topicCount }
            #expect(topicCount == 1000)
            print(
                """
                metadata.sqlite: open empty \(empty), initialize \(initialize), create 1,000 topics \(create), \
                one change \(alter), reopen and load 1,000 topics \(reopen)
                """)
        }
    }
}
