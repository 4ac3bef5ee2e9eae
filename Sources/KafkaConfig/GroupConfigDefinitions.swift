// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The configs that may be set for one group, by name: Kafka's for consumer groups (KIP-848), and Martlet's own.
public enum GroupConfigDefinitions {
    static let sessionTimeout = "consumer.session.timeout.ms"
    static let heartbeatInterval = "consumer.heartbeat.interval.ms"
    static let weights = "martlet.consumer.weights"

    /// All of them in the order of their names.
    public static let all: [ConfigDefinition] = [
        ConfigDefinition(
            heartbeatInterval, .int, "5000",
            """
            Milliseconds between the heartbeats of the group's members, who are told it; within \
            group.consumer.min.heartbeat.interval.ms and group.consumer.max.heartbeat.interval.ms. For groups of the \
            consumer protocol.
            """,
            .atLeast(1), from: [.init("group.consumer.heartbeat.interval.ms")]),
        ConfigDefinition(
            sessionTimeout, .int, "45000",
            """
            Milliseconds after which a silent member is removed from the group; within \
            group.consumer.min.session.timeout.ms and group.consumer.max.session.timeout.ms. For groups of the consumer \
            protocol.
            """,
            .atLeast(1), from: [.init("group.consumer.session.timeout.ms")]),
        ConfigDefinition(
            weights, .string, "",
            """
            For the assignor weighted: what members can carry that do not say so themselves, by their client id or \
            instance id. Rules such as client.id:big-*=200;group.instance.id:pod-7=0, the first that fits decides; * \
            stands for any characters. Weights are from 0 to 1000000, 100 where no rule fits; 0 drains a member, \
            whatever it says itself.
            """,
            kafka: .none),
    ]

    private static let byName: [String: ConfigDefinition] =
        Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The definition of a group config, or nil if there is none of that name.
    public static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// The definition of a group config. Throws `unknownName`, with the nearest name there is.
    public static func require(_ name: String) throws(ConfigError) -> ConfigDefinition {
        if let definition = byName[name] { return definition }
        let hint = NameSuggestion.nearest(to: name, in: all.lazy.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        let shown = name.prefix(ConfigError.valueCharactersMax)
        throw ConfigError(.unknownName, name: name, message: "Unknown group config name: \(shown)\(hint)")
    }
}
