// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes
import KafkaWire

/// `martlet topic create`.
struct TopicCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create topics.",
        discussion: """
            What is not given is as the cluster has it: num.partitions and default.replication.factor.

            EXAMPLES
              martlet topic create orders
              martlet topic create orders payments --partitions 6 --replication-factor 3
              martlet topic create users --config cleanup.policy=compact --if-not-exists
            """
    )

    @Argument(help: "Names: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'.")
    var names: [String]

    @Option(name: .shortAndLong, help: ArgumentHelp("The number of partitions.", valueName: "count"))
    var partitions: Int32?

    @Option(name: .shortAndLong, help: ArgumentHelp("On how many brokers each partition is.", valueName: "count"))
    var replicationFactor: Int16?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A config of the topics; may be given several times.", valueName: "name=value"))
    var config: [ConfigAssignment] = []

    @Flag(name: .long, help: "A topic that exists already is no error, and stays as it is.")
    var ifNotExists = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (self.partitions ?? 1) > 0 else { throw ValidationError("--partitions must be at least 1.") }
        guard (self.replicationFactor ?? 1) > 0 else {
            throw ValidationError("--replication-factor must be at least 1.")
        }
    }

    func run() async throws {
        let configs = Dictionary(self.config.map { ($0.name, $0.value) }) { _, last in last }
        let topics = self.names.map { name in
            var topic = NewTopic(name, partitionCount: self.partitions, replicationFactor: self.replicationFactor)
            topic.configs = configs
            return topic
        }
        let results = try await self.connection.ask { try await $0.createTopics(topics) }
        try ChangeReport(results.map(self.change)).print(self.format)
    }

    private func change(_ item: ItemResult<CreatedTopic>) -> ItemChange {
        switch item.result {
        case .success(let created):
            let partitions = created.partitionCount.map { $0 == 1 ? "1 partition" : "\($0) partitions" }
            let replicas = created.replicationFactor.map { $0 == 1 ? "1 replica" : "\($0) replicas" }
            let details = [partitions, replicas].compactMap(\.self).joined(separator: ", ")
            return ItemChange(
                name: item.name, outcome: "created", details: details, topicID: created.topicID?.base64)
        case .failure(let error) where error.errorCode == .topicAlreadyExists && self.ifNotExists:
            return ItemChange(name: item.name, outcome: "exists", details: "left as it is")
        case .failure(let error):
            return ItemChange(name: item.name, outcome: "failed", error: error)
        }
    }
}
