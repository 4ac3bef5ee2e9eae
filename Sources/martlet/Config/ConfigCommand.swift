// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet config`: what topics, brokers and groups go by.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "List, describe, set and delete configs of topics, brokers and groups.",
        discussion: """
            What each config means, its default and Kafka's: `martlet config reference`, or docs/CONFIGURATION.md.

            EXAMPLES
              martlet config list --topic orders
              martlet config list --broker 1 'log.retention.*' -o wide
              martlet config describe --topic orders flush.messages
              martlet config set --group payments consumer.session.timeout.ms=30000
              martlet config set --all-brokers log.cleaner.io.max.bytes.per.second=50000000
              martlet config delete --topic orders retention.ms
            """,
        subcommands: [
            ConfigListCommand.self, ConfigDescribeCommand.self, ConfigSetCommand.self, ConfigDeleteCommand.self,
            ConfigReferenceCommand.self,
        ]
    )
}

/// Whose configs are meant.
struct ConfigResourceOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("A topic; may be given several times.", valueName: "name"),
        completion: .names(of: .topic))
    var topic: [String] = []

    @Option(
        name: .long, help: ArgumentHelp("A broker, by its id; may be given several times.", valueName: "id"),
        completion: .names(of: .broker))
    var broker: [Int32] = []

    @Flag(name: .long, help: "What all brokers have in common, set while they run.")
    var allBrokers = false

    @Option(
        name: .long, help: ArgumentHelp("A group; may be given several times.", valueName: "name"),
        completion: .names(of: .group))
    var group: [String] = []

    func validate() throws {
        guard !self.resources.isEmpty else {
            throw ValidationError("Say whose configs: --topic NAME, --broker ID, --all-brokers or --group NAME.")
        }
        guard !(self.topic + self.group).contains("") else {
            throw ValidationError("--topic and --group must not be empty.")
        }
    }

    /// Each once, in the order of the options in the help.
    var resources: [ConfigResource] {
        var seen: Set<ConfigResource> = []
        let all =
            self.topic.map { ConfigResource.topic($0) } + self.broker.map { .broker(NodeID($0)) }
            + (self.allBrokers ? [ConfigResource(kind: .broker, name: "")] : [])
            + self.group.map { ConfigResource(kind: .group, name: $0) }
        return all.filter { seen.insert($0).inserted }
    }
}

extension ConfigResource {
    /// `topic orders`, `broker 1`, `all brokers`.
    var text: String {
        if self.kind == .broker, self.name.isEmpty { return "all brokers" }
        return "\(self.kindText) \(self.name)"
    }

    /// What names it on the command line.
    var option: String {
        self.kind == .broker && self.name.isEmpty ? "--all-brokers" : "--\(self.kindText) \(self.name)"
    }

    /// For programs.
    var kindText: String {
        switch self.kind {
        case .topic: "topic"
        case .broker: "broker"
        case .group: "group"
        default: "kind \(self.kind.rawValue)"
        }
    }
}

/// The configs of one resource.
struct ConfigPage: Sendable {
    var resource: ConfigResource
    /// Ascending by name.
    var configs: [ConfigDescription]

    /// Loads pages in the order of the resources; those that cannot be described are failures. Only configs of these
    /// `keys` unless that is nil.
    static func load(
        _ resources: [ConfigResource], keys: [String]? = nil, documented: Bool, from cluster: KafkaCluster
    ) async throws -> (pages: [ConfigPage], failures: [FailureReport]) {
        let results = try await cluster.describeConfigs(of: resources, keys: keys, includesDocumentation: documented)
        var pages: [ConfigPage] = []
        var failures: [FailureReport] = []
        for resource in resources {
            switch results[resource] {
            case .success(let configs): pages.append(ConfigPage(resource: resource, configs: configs))
            case .failure(let error): failures.append(error.report())
            case nil:
                failures.append(
                    KafkaClientError(.malformedResponse, "the answer lacks \(resource.text)").report())
            }
        }
        return (pages, failures)
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("resource")
            json.string(self.resource.kindText)
            json.name("name")
            json.string(self.resource.name)
            json.name("configs")
            json.array { json in for config in self.configs { config.write(to: &json) } }
        }
    }
}

extension ConfigDescription {
    /// For people.
    var valueText: String {
        if self.isSensitive { return "(secret)" }
        return self.value.map { $0.isEmpty ? "\"\"" : $0 } ?? "-"
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("name")
            json.string(self.name)
            json.name("value")
            json.string(self.value)
            json.name("source")
            json.string(self.source.name)
            json.name("readOnly")
            json.bool(self.isReadOnly)
            json.name("sensitive")
            json.bool(self.isSensitive)
            if let documentation = self.documentation {
                json.name("documentation")
                json.string(documentation)
            }
        }
    }
}
