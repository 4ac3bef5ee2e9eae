// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The page that lists every config: docs/CONFIGURATION.md, made of the definitions, so that it cannot say anything else.
public enum ConfigReference {
    /// The whole page, in Markdown.
    public static var page: String {
        var lines = [Self.introduction]
        lines += Self.section(
            "Of the broker",
            """
            In the file of `--config`, as `KAFKA_*` variable, or with `--set`. What is marked as changeable can be set at run \
            time, too, for one broker or for all: `martlet config set --broker 1 NAME=VALUE`, or Kafka's own tools.
            """,
            BrokerConfigDefinitions.all, of: .broker)
        lines += Self.section(
            "Of a topic",
            """
            When the topic is made, or at any time afterwards: `martlet config set --topic orders NAME=VALUE`. What a topic \
            does not set comes from the broker config that is named as its source.
            """,
            TopicConfigDefinitions.all, of: .topic)
        lines += Self.section(
            "Of a group",
            """
            At any time, whether the group exists yet or not: `martlet config set --group payments NAME=VALUE`.
            """,
            GroupConfigDefinitions.all, of: .group)
        return lines.joined(separator: "\n\n") + "\n"
    }

    private enum Resource { case broker, topic, group }

    private static let introduction = """
        # Configuration reference

        <!-- Made by `make generate` of the definitions in Sources/KafkaConfig; a test compares them. -->

        Martlet goes by Kafka's names. A value comes from the first of these that has one: `--set name=value` on the command \
        line, a `KAFKA_*` variable of the environment, the file of `--config` (Java properties or YAML), the default. \
        In the name of a variable a dot is `_`, an underscore `__` and a hyphen `___`.

        What Kafka knows and Martlet has no use for (the controller quorum, replication, tiered storage) is passed over, \
        and said so in the log; a name that neither knows is warned of, with the nearest that exists.
        """

    private static func section(
        _ title: String, _ introduction: String, _ definitions: [ConfigDefinition], of resource: Resource
    ) -> [String] {
        ["## \(title)", introduction]
            + definitions.filter { !$0.isInternal }.map { Self.entry($0, of: resource) }
    }

    private static func entry(_ definition: ConfigDefinition, of resource: Resource) -> String {
        var facts = [Self.kind(definition), Self.defaults(definition)]
        switch resource {
        case .broker:
            facts.append(definition.updateMode.description)
            facts.append("`\(Self.variable(definition.name))`")
        case .topic, .group:
            let sources = definition.synonyms.map { "`\($0.name)`" }
            if !sources.isEmpty { facts.append("from \(sources.joined(separator: ", "))") }
        }
        return """
            ### `\(definition.name)`

            \(definition.documentation)

            \(facts.joined(separator: " · "))
            """
    }

    private static func kind(_ definition: ConfigDefinition) -> String {
        let type = definition.type.name.lowercased()
        return definition.constraint.allowed.map { "\(type), \($0)" } ?? type
    }

    private static func defaults(_ definition: ConfigDefinition) -> String {
        let ours = definition.defaultValue.map { "default \(Self.value($0))" } ?? "no default"
        guard let kafkas = definition.kafkaDefault else { return ours }
        return kafkas == definition.defaultValue ? "\(ours), as in Kafka" : "\(ours), Kafka's \(Self.value(kafkas))"
    }

    private static func value(_ text: String) -> String {
        switch text {
        case "": "empty"
        case String(Int64.max): "`\(text)` (no limit)"
        default: "`\(text)`"
        }
    }

    /// The variable of the environment that sets a config, as the images of Kafka have it.
    static func variable(_ name: String) -> String {
        "KAFKA_"
            + name.map { character in
                switch character {
                case ".": "_"
                case "_": "__"
                case "-": "___"
                default: character.uppercased()
                }
            }.joined()
    }
}

extension ConfigUpdateMode {
    fileprivate var description: String {
        switch self {
        case .readOnly: "set at the start"
        case .perBroker: "changeable for one broker or all"
        case .clusterWide: "changeable"
        }
    }
}

extension ConfigConstraint {
    /// What is allowed beyond the type, in words; nil if everything is.
    var allowed: String? {
        switch self {
        case .none: nil
        case .atLeast(let least): "at least \(least)"
        case .between(let least, let most): "\(least) to \(most)"
        case .betweenOrDefault(let least, let most): "\(least) to \(most), or -1 for the codec's own"
        case .ratio: "0 to 1"
        case .oneOf(let values), .oneOfIgnoringCase(let values): "one of \(Self.listed(values))"
        case .listOf(let values): "some of \(Self.listed(values))"
        case .nonEmptyListOf(let values): "at least one of \(Self.listed(values))"
        case .nonEmptyList: "at least one item"
        case .nonEmpty: "not empty"
        case .only(let value, _): "only `\(value)`"
        }
    }

    private static func listed(_ values: [String]) -> String { values.map { "`\($0)`" }.joined(separator: ", ") }
}
