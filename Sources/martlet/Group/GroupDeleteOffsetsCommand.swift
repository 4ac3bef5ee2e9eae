// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet group delete-offsets`.
struct GroupDeleteOffsetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete-offsets",
        abstract: "Delete what a group has committed for topics.",
        discussion: """
            Members of the group must not be subscribed to the topics. On a terminal it asks before it deletes; --yes \
            answers in advance.

            EXAMPLES
              martlet group delete-offsets payments --topic orders
              martlet group delete-offsets payments --topic orders:0,2-5 --topic refunds --yes
            """
    )

    @Argument(help: "The group.", completion: .names(of: .group))
    var group: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A topic, or some of its partitions; may be given several times.", valueName: "topic[:p,p-p]"))
    var topic: [PartitionSelection]

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard !self.topic.isEmpty else { throw ValidationError("Say which topics, with --topic.") }
    }

    func run() async throws {
        let partitions = try await self.connection.ask { try await self.committed($0) }
        try self.confirmation.ask("Delete what \(self.group) has committed for \(partitions.shortText)?")
        let results = try await self.connection.ask { cluster in
            try await cluster.deleteGroupOffsets(of: self.group, partitions: partitions)
        }
        let changes = results.sorted { $0.key < $1.key }.map { partition, result in
            ItemChange(
                name: "\(partition)", outcome: result.failure == nil ? "deleted" : "failed", error: result.failure)
        }
        try ChangeReport(changes).print(self.format)
    }

    /// The partitions that were named and of which something is committed. Throws when that is none.
    private func committed(_ cluster: KafkaCluster) async throws -> [TopicPartition] {
        let offsets = try await cluster.groupOffsets(of: [self.group]).first?.result.get() ?? [:]
        let partitions = offsets.keys.filter { partition in self.topic.contains { $0.contains(partition) } }.sorted()
        if offsets.isEmpty, try await !cluster.listGroups().contains(where: { $0.groupID == self.group }) {
            throw CommandFailure(
                "the group \(self.group) does not exist", hint: "`martlet group list` shows what there is",
                status: .notFound)
        }
        guard !partitions.isEmpty else {
            throw CommandFailure(
                "the group \(self.group) has committed nothing there",
                hint: "`martlet group describe \(self.group)` shows what it has committed")
        }
        return partitions
    }
}
