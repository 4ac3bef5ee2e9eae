// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet group`: consumer groups, their members and their offsets.
struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group",
        abstract: "List, describe and delete consumer groups, and set their offsets.",
        discussion: """
            EXAMPLES
              martlet group list --state stable
              martlet group describe payments
              martlet group reset-offsets payments --topic orders --to-datetime 2024-05-01T12:00:00Z
              martlet group delete payments --yes
            """,
        subcommands: [
            GroupListCommand.self, GroupDescribeCommand.self, GroupDeleteCommand.self,
            GroupResetOffsetsCommand.self, GroupDeleteOffsetsCommand.self,
        ]
    )
}
