// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet topic`: what there is in a cluster, and changes of it.
struct TopicCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic",
        abstract: "Create, list, describe, alter and delete topics.",
        discussion: """
            EXAMPLES
              martlet topic create orders --partitions 6 --config retention.ms=604800000
              martlet topic list
              martlet topic describe orders
              martlet topic alter orders --partitions 12
              martlet topic delete orders --yes
            """,
        subcommands: [
            TopicCreateCommand.self, TopicListCommand.self, TopicDescribeCommand.self, TopicAlterCommand.self,
            TopicDeleteCommand.self,
        ]
    )
}
