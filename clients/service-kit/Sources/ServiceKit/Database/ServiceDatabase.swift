// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB

/// Opens the database that one service has to itself. All replicas of the service share the file, as they would share
/// one PostgreSQL; no other service ever opens it.
public enum ServiceDatabase {
    /// How long a transaction waits for the transaction of another replica before it fails with `SQLITE_BUSY`.
    public static let busyTimeout: TimeInterval = 5
    /// How often opening is tried: replicas that start together race for the migrations, and who loses looks again.
    static let openingAttempts = 20
    static let openingPause = Duration.milliseconds(100)

    /// Opens the database at `path`, makes it if there is none, and brings its tables up to date: first those of this
    /// kit, then those that `migrations` registers.
    public static func open(
        at path: String, migrations: (inout DatabaseMigrator) -> Void = { _ in }
    ) async throws -> DatabasePool {
        var migrator = DatabaseMigrator()
        Self.registerOwnTables(&migrator)
        migrations(&migrator)
        for _ in 1..<Self.openingAttempts {
            do {
                return try Self.open(at: path, migrator)
            } catch is DatabaseError {
                try await Task.sleep(for: Self.openingPause)
            }
        }
        return try Self.open(at: path, migrator)
    }

    private static func open(at path: String, _ migrator: DatabaseMigrator) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(Self.busyTimeout)
        // A pool puts the file in WAL mode: readers do not wait for the writer.
        let pool = try DatabasePool(path: path, configuration: configuration)
        // The broker may be told "handled" right after a commit here. So a commit has to survive a power cut, for which
        // WAL mode needs more than the `NORMAL` that GRDB sets.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        try migrator.migrate(pool)
        return pool
    }

    private static func registerOwnTables(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("kit-1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE outbox (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        topic TEXT NOT NULL, subject TEXT NOT NULL, eventID TEXT NOT NULL, eventType TEXT NOT NULL,
                        traceparent TEXT, json BLOB NOT NULL, addedAtMs INTEGER NOT NULL
                    );
                    CREATE TABLE outbox_lease (
                        id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, untilMs INTEGER NOT NULL
                    );
                    INSERT INTO outbox_lease VALUES (1, '', 0);
                    CREATE TABLE inbox (eventID TEXT PRIMARY KEY, handledAtMs INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE INDEX inbox_by_time ON inbox (handledAtMs);
                    """)
        }
    }
}

extension DatabaseError {
    /// The database cannot do it now and may be able to later: busy, or the disk is full or fails. Nothing is wrong with
    /// what was asked.
    public var mayGoAway: Bool {
        switch self.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_NOMEM,
            .SQLITE_PROTOCOL, .SQLITE_INTERRUPT:
            true
        default:
            false
        }
    }
}
