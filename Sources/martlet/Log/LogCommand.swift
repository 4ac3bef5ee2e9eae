// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet log`: the files of a broker, looked at without it.
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Look at a data directory on this machine.",
        discussion: """
            EXAMPLES
              martlet log verify /var/lib/martlet
              martlet log dump /var/lib/martlet/orders-0 --records
            """,
        subcommands: [LogVerifyCommand.self, LogDumpCommand.self]
    )
}
