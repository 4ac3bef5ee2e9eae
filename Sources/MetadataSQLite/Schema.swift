// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ClusterMetadata
import GRDB

/// The tables, and how those of an older version become these.
///
/// Migrations are never edited once released: a new one is added behind them.
enum Schema {
    /// Marks the file as ours, in SQLite's own header: "Mrtl".
    static let applicationID: Int64 = 0x4d72_746c

    /// Checks whose file it is, and brings the tables up to date.
    static func prepare(_ queue: DatabaseQueue) throws {
        let migrator = self.migrator
        // One statement decides the usual case, that of a file which is up to date.
        let isCurrent = try queue.read { database in
            try self.checkOwner(database)
            if try migrator.hasBeenSuperseded(database) {
                throw MetadataError(
                    .incompatibleStore,
                    """
                    The metadata store was written by a newer version of Martlet, which this one cannot read: \
                    install that version again, or use another data directory
                    """)
            }
            return try migrator.hasCompletedMigrations(database)
        }
        if !isCurrent { try migrator.migrate(queue) }
    }

    private static func checkOwner(_ database: Database) throws {
        let owner = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let tables = try Int64.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        guard owner == self.applicationID || (owner == 0 && tables == 0) else {
            throw MetadataError(
                .incompatibleStore,
                "The metadata store is a SQLite file of another program (application id \(owner)): nothing was changed")
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration("1") { try $0.execute(sql: self.version1) }
        migrator.registerMigration("2") { try $0.execute(sql: self.version2) }
        return migrator
    }

    /// Lists of nodes are texts such as `1,2,3`; ids of topics are their sixteen bytes; node -1 is all brokers.
    private static let version1 = """
        PRAGMA application_id = \(applicationID);
        CREATE TABLE cluster (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            cluster_id TEXT NOT NULL,
            node_id INTEGER NOT NULL,
            version INTEGER NOT NULL,
            next_producer_id INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE topic (
            key INTEGER PRIMARY KEY,
            topic_id BLOB NOT NULL UNIQUE,
            name TEXT NOT NULL UNIQUE
        ) STRICT;
        CREATE TABLE partition (
            topic_key INTEGER NOT NULL REFERENCES topic (key) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            leader INTEGER NOT NULL,
            leader_epoch INTEGER NOT NULL,
            replicas TEXT NOT NULL,
            isr TEXT NOT NULL,
            PRIMARY KEY (topic_key, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE topic_config (
            topic_key INTEGER NOT NULL REFERENCES topic (key) ON DELETE CASCADE,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (topic_key, name)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE broker_config (
            node_id INTEGER NOT NULL,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (node_id, name)
        ) STRICT, WITHOUT ROWID;
        """

    /// Ids of groups are the bytes of their UTF-8, as they may be any text: SQLite's own texts end at a zero.
    private static let version2 = """
        CREATE TABLE group_config (
            group_id BLOB NOT NULL,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (group_id, name)
        ) STRICT, WITHOUT ROWID;
        """
}

/// How values that SQLite has no type for are written.
enum Column {
    /// The node that stands for all brokers in `broker_config`.
    static let allBrokers: Int32 = -1
}
