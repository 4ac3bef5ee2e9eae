// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import Foundation
import GRDB

/// Makes a new store's file with two syncs of the disk instead of a dozen: a broker should start in milliseconds.
///
/// The file is built beside its place without syncing, synced whole, and only then renamed: a power cut leaves either
/// no file or a whole one.
enum FreshFile {
    static func create(at path: String) throws {
        let draft = path + ".new"
        for leftover in [draft, draft + "-wal", draft + "-shm", draft + "-journal"]
        where FileManager.default.fileExists(atPath: leftover) {
            try FileManager.default.removeItem(atPath: leftover)
        }
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
        }
        let queue = try DatabaseQueue(path: draft, configuration: configuration)
        try Schema.prepare(queue)
        // Kept in the file's header: whoever opens it uses a write-ahead log.
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        try queue.close()
        try self.sync(draft)
        try FileManager.default.moveItem(atPath: draft, toPath: path)
        try self.sync(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    /// Syncs a file, or the entries of a directory.
    private static func sync(_ path: String) throws {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? handle.close() }
        try handle.synchronize()
    }
}
