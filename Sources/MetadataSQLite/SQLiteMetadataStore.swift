// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import ClusterMetadata
import Foundation
import GRDB
import KafkaTypes

/// The cluster's metadata in a SQLite file: the embedded store of a broker that stands alone.
///
/// A commit is one transaction in the write-ahead log, synced before it returns. May be called from any thread;
/// calls wait for one another and for the disk, so none belongs on an event loop.
public final class SQLiteMetadataStore: MetadataStore {
    /// The file's usual name in a data directory. SQLite keeps two more beside it while it is open.
    public static let fileName = "metadata.sqlite"

    /// How long a commit waits for another process that has the file locked, in seconds.
    static let busyTimeoutSeconds = 5.0

    private let path: String
    /// Internal for tests, which look at SQLite's settings.
    let queue: DatabaseQueue

    /// Opens the file, makes it if there is none, and brings the schema of an older version up to date.
    ///
    /// Throws `incompatibleStore` if the file is not a metadata store or was written by a newer version, and
    /// `storage` if it cannot be read or written.
    public init(path: String) throws(MetadataError) {
        self.path = path
        do {
            if !FileManager.default.fileExists(atPath: path) { try FreshFile.create(at: path) }
            var configuration = Configuration()
            configuration.busyMode = .timeout(Self.busyTimeoutSeconds)
            configuration.label = "martlet.metadata"
            self.queue = try DatabaseQueue(path: path, configuration: configuration)
            try Schema.prepare(self.queue)
            try self.queue.writeWithoutTransaction { database in
                // By hand, as GRDB's own switch writes to the file whenever it is opened, and relaxes `synchronous`:
                // with NORMAL a power cut could take back the latest commits.
                try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
            }
        } catch let error as MetadataError {
            throw error
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw MetadataError(
                .incompatibleStore, "\(path) is not a metadata store: it is no SQLite file", cause: error)
        } catch {
            throw MetadataError(.storage, "The metadata store \(path) cannot be opened", cause: error)
        }
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
    public func commit(_ changes: [MetadataChange]) throws(MetadataError) {
        do {
            try self.queue.write { try ChangeWriter(database: $0).write(changes) }
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
