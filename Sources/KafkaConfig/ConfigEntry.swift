// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One place that has a value for a config, as DescribeConfigs lists them (KIP-226).
public struct ConfigSetting: Sendable, Hashable {
    /// The config's name.
    public let name: String
    /// As written there, in the unit of `name`; nil if sensitive.
    public let value: String?
    /// Where the value comes from.
    public let source: ConfigSource
}

/// One config of a topic, a group or a broker as DescribeConfigs answers it.
public struct ConfigEntry: Sendable, Hashable {
    /// The config's name.
    public let name: String
    /// The value that counts; nil if it is sensitive or nobody set it and there is no default.
    public let value: String?
    /// Where the value comes from.
    public let source: ConfigSource
    /// The type of the value.
    public let type: ConfigType
    /// Whether it changes only with a restart.
    public let isReadOnly: Bool
    /// Whether the value is kept from answers.
    public let isSensitive: Bool
    /// What it does.
    public let documentation: String
    /// Every place that has a value, the strongest first; the default is the last.
    public let synonyms: [ConfigSetting]

    /// What version 0 of DescribeConfigs asks for.
    public var isDefault: Bool { self.source == .defaultConfig }

    init(_ definition: ConfigDefinition, value: String?, isReadOnly: Bool, synonyms: [ConfigSetting]) {
        self.name = definition.name
        self.value = definition.isSensitive ? nil : value
        self.source = synonyms.first?.source ?? .defaultConfig
        self.type = definition.type
        self.isReadOnly = isReadOnly
        self.isSensitive = definition.isSensitive
        self.documentation = definition.documentation
        self.synonyms = synonyms
    }
}

extension BrokerConfig {
    /// This broker's configs in the order of their names. `names` chooses some, nil all; unknown ones are left out.
    public func entries(names: [String]? = nil) -> [ConfigEntry] {
        Self.chosen(BrokerConfigDefinitions.all, names).map { definition in
            let group = BrokerConfigDefinitions.group(of: definition.name)
            var synonyms = self.layers.settings(of: group).map {
                ConfigSetting(name: $0.name, value: definition.isSensitive ? nil : $0.value, source: $0.source)
            }
            synonyms += group.compactMap { name in
                guard let value = BrokerConfigDefinitions.definition(name)?.defaultValue else { return nil }
                return ConfigSetting(name: name, value: value, source: .defaultConfig)
            }
            return ConfigEntry(
                definition, value: self.layers.value(definition.name) ?? definition.defaultValue,
                isReadOnly: definition.updateMode == .readOnly, synonyms: synonyms)
        }
    }

    /// A topic's configs on this broker in the order of their names; `overrides` are those set on the topic.
    /// `names` chooses some, nil all; unknown ones are left out.
    public func topicEntries(overrides: [String: String], names: [String]? = nil) -> [ConfigEntry] {
        let all = TopicConfigDefinitions.all.filter { !$0.isInternal || overrides[$0.name] != nil }
        return self.entries(all, overrides: overrides, setAs: .dynamicTopic, names: names)
    }

    /// A group's configs on this broker in the order of their names; `overrides` are those set on the group.
    /// `names` chooses some, nil all; unknown ones are left out.
    public func groupEntries(overrides: [String: String], names: [String]? = nil) -> [ConfigEntry] {
        self.entries(GroupConfigDefinitions.all, overrides: overrides, setAs: .dynamicGroup, names: names)
    }

    /// Configs of something that inherits them from the broker.
    private func entries(
        _ all: [ConfigDefinition], overrides: [String: String], setAs source: ConfigSource, names: [String]?
    ) -> [ConfigEntry] {
        Self.chosen(all, names).map { definition in
            var synonyms: [ConfigSetting] = []
            if let value = overrides[definition.name] {
                synonyms.append(ConfigSetting(name: definition.name, value: value, source: source))
            }
            synonyms += self.layers.settings(of: definition.synonyms.map(\.name)).map {
                ConfigSetting(name: $0.name, value: $0.value, source: $0.source)
            }
            if let value = definition.defaultValue {
                let last = definition.synonyms.last
                let shown = last.flatMap { BrokerConfigDefinitions.definition($0.name)?.defaultValue } ?? value
                synonyms.append(
                    ConfigSetting(name: last?.name ?? definition.name, value: shown, source: .defaultConfig))
            }
            let value = overrides[definition.name] ?? self.layers.inherited(definition) ?? definition.defaultValue
            return ConfigEntry(definition, value: value, isReadOnly: false, synonyms: synonyms)
        }
    }

    private static func chosen(_ all: [ConfigDefinition], _ names: [String]?) -> [ConfigDefinition] {
        guard let names else { return all }
        let wanted = Set(names)
        return all.filter { wanted.contains($0.name) }
    }
}
