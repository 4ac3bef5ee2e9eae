// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import ClusterMetadata
import Foundation
import GRDB
import KafkaTypes

/// The cluster's metadata in a SQLite file: the embedded store of a broker that stands alone.
///
/// While it is open, nobody else can open the file, not even to read it. A commit is one transaction in the write-ahead
/// log, synced before it returns. May be called from any thread;
/// calls wait for one another and for the disk, so none belongs on an event loop.
public final class SQLiteMetadataStore: MetadataStore {
    /// The file's usual name in a data directory. SQLite keeps another beside it while it is open.
    public static let fileName = "metadata.sqlite"

    /// How long a commit waits for another process that has the file locked, in seconds.
    static let busyTimeoutSeconds = 5.0

    private let path: String
    private let makesRoom: @Sendable () -> Bool
    /// Internal for tests, which look at SQLite's settings.
    let queue: DatabaseQueue

    /// Opens the file, makes it if there is none, and brings the schema of an older version up to date.
    ///
    /// Throws `incompatibleStore` if the file is not a metadata store or was written by a newer version, and
    /// `storage` if it cannot be read or written.
    ///
    /// - Parameter makesRoom: called when the disk is full; true when there is some more room then, and what failed for
    ///   want of it is done once more. On any thread that calls this store. Without room the store can be read.
    public init(path: String, makesRoom: @escaping @Sendable () -> Bool = { false }) throws(MetadataError) {
        self.path = path
        self.makesRoom = makesRoom
        do {
            self.queue = try Self.openWithRoom(path, makesRoom)
        } catch let error as MetadataError {
            throw error
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw MetadataError(
                .incompatibleStore, "\(path) is not a metadata store: it is no SQLite file", cause: error)
        } catch {
            throw MetadataError(.storage, "The metadata store \(path) cannot be opened", cause: error)
        }
    }

    private static func openWithRoom(_ path: String, _ makesRoom: () -> Bool) throws -> DatabaseQueue {
        while true {
            do {
                return try self.open(path)
            } catch let error as DatabaseError where error.isFull {
                if !makesRoom() { throw error }
            }
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        if !FileManager.default.fileExists(atPath: path) { try FreshFile.create(at: path) }
        var configuration = Configuration()
        configuration.busyMode = .timeout(self.busyTimeoutSeconds)
        configuration.label = "martlet.metadata"
        // One process has the data directory, and so this file. SQLite then keeps the index of the write-ahead log in its
        // own memory, instead of in a mapped file beside it: touching that on a full disk may end the process.
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try Schema.prepare(queue)
        try queue.writeWithoutTransaction { database in
            // By hand, as GRDB's own switch writes to the file whenever it is opened, and relaxes `synchronous`:
            // with NORMAL a power cut could take back the latest commits.
            try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        }
        return queue
    }

    /// See ``MetadataStore``. Cost: everything kept.
    public func load() throws(MetadataError) -> ClusterImage? {
        do {
            return try self.queue.read { try ImageLoader(database: $0).load() }
        } catch let error as MetadataError {
            throw MetadataError(
                .incompatibleStore, "The metadata store \(self.path) holds what does not fit together", cause: error)
        } catch {
            throw MetadataError(.storage, "The metadata store \(self.path) cannot be read", cause: error)
        }
    }

    /// See ``MetadataStore``. Cost: what the changes touch, and one sync of the disk.
    ///
    /// On a full disk the transaction is taken back and, for as long as `makesRoom` says so, done once more.
    public func commit(_ changes: [MetadataChange]) throws(MetadataError) {
        do {
            while true {
                do {
                    return try self.queue.write { try ChangeWriter(database: $0).write(changes) }
                } catch let error as DatabaseError where error.isFull {
                    if !self.makesRoom() { throw error }
                }
            }
        } catch let error as MetadataError {
            throw error
        } catch {
            throw MetadataError(.storage, "The metadata store \(self.path) cannot be written", cause: error)
        }
    }

    /// Closes the file after folding the write-ahead log into it. Without it nothing is lost either.
    public func close() throws(MetadataError) {
        do {
            try self.queue.close()
        } catch {
            throw MetadataError(.storage, "The metadata store \(self.path) cannot be closed", cause: error)
        }
    }
}

extension DatabaseError {
    /// There was no room on the disk; what was begun has been taken back. No error of a sync is one of these.
    fileprivate var isFull: Bool {
        self.resultCode == .SQLITE_FULL
    }
}
