// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import GRDB
import Logging
import ServiceLifecycle

/// Keeps the inbox from growing for ever.
public struct InboxPruner: Service {
    /// How often it looks.
    static let interval = Duration.seconds(60)

    let database: DatabasePool
    let retention: Duration
    let logger: Logger

    /// Forgets events that were handled longer ago than `retention`, which is to be longer than the topics keep them.
    public init(database: DatabasePool, retention: Duration, logger: Logger) {
        self.database = database
        self.retention = retention
        self.logger = logger
    }

    /// Runs until the service group shuts down gracefully.
    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: Self.interval)
                await self.prune()
            }
        }
    }

    private func prune() async {
        let date = Date().addingTimeInterval(-TimeInterval(self.retention / .seconds(1)))
        do {
            while try await self.database.write({ try Inbox.prune(before: date, in: $0) }) == Inbox.prunedMax {}
        } catch {
            // The next round removes what is left.
            self.logger.debug("inbox not pruned", metadata: ["error": "\(error)"])
        }
    }
}
