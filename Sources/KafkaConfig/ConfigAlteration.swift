// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One change of IncrementalAlterConfigs (KIP-339).
public struct ConfigAlteration: Sendable, Hashable {
    /// What to do; the raw value is the wire's.
    public enum Operation: Int8, Sendable, Hashable, CaseIterable {
        case set = 0
        /// Back to the default.
        case delete = 1
        /// Add items to a list that lacks them.
        case append = 2
        /// Take items out of a list.
        case subtract = 3
    }

    /// The config's name.
    public let name: String
    /// What to do.
    public let operation: Operation
    /// Needed by all operations but delete.
    public let value: String?

    /// A change; the value may be left out of a delete.
    public init(_ name: String, _ operation: Operation, _ value: String? = nil) {
        self.name = name
        self.operation = operation
        self.value = value
    }
}

extension BrokerConfig {
    /// The most overrides one request may change: more than there are configs, so only a hostile one has more.
    public static let alterationsMax = 1000

    /// A topic's overrides after the changes, which are checked one by one and all together.
    ///
    /// Throws ``ConfigError`` with any of its codes; then nothing has changed.
    public func altering(
        topicOverrides: [String: String],
        _ changes: [ConfigAlteration]
    ) throws(ConfigError) -> [String: String] {
        let result = try Self.altering(topicOverrides, changes) { (name) throws(ConfigError) in
            let definition = try TopicConfigDefinitions.require(name)
            return (definition, self.layers.inherited(definition) ?? definition.defaultValue)
        }
        _ = try TopicConfig(overrides: result, broker: self)
        return result
    }

    /// The configs set on a group after the changes, which are checked one by one and all together.
    ///
    /// Throws ``ConfigError`` with any of its codes; then nothing has changed.
    public func altering(
        groupOverrides: [String: String],
        _ changes: [ConfigAlteration]
    ) throws(ConfigError) -> [String: String] {
        let result = try Self.altering(groupOverrides, changes) { (name) throws(ConfigError) in
            let definition = try GroupConfigDefinitions.require(name)
            return (definition, self.layers.inherited(definition) ?? definition.defaultValue)
        }
        try GroupConfig(overrides: result).check(against: self)
        return result
    }

    /// The dynamic configs of all brokers (`forAllBrokers`), or of this one, after the changes.
    ///
    /// Throws ``ConfigError`` with any of its codes; then nothing has changed.
    public func altering(
        dynamic: [String: String],
        forAllBrokers: Bool,
        _ changes: [ConfigAlteration]
    ) throws(ConfigError) -> [String: String] {
        let result = try Self.altering(dynamic, changes) { (name) throws(ConfigError) in
            let definition = try BrokerConfigDefinitions.require(name)
            return (definition, self.layers.staticBroker[name] ?? definition.defaultValue)
        }
        _ = try self.applyingDynamic(
            clusterDefault: forAllBrokers ? result : self.layers.dynamicDefault,
            node: forAllBrokers ? self.layers.dynamicBroker : result)
        return result
    }

    private static func altering(
        _ current: [String: String],
        _ changes: [ConfigAlteration],
        lookUp: (String) throws(ConfigError) -> (definition: ConfigDefinition, inherited: String?)
    ) throws(ConfigError) -> [String: String] {
        guard changes.count <= Self.alterationsMax else {
            throw ConfigError(
                .duplicate, name: changes[0].name,
                message: "\(changes.count) changes in one request; at most \(Self.alterationsMax) are accepted")
        }
        var result = current
        var seen: Set<String> = []
        for change in changes {
            guard seen.insert(change.name).inserted else {
                throw ConfigError(
                    .duplicate, name: change.name, message: "\(change.name) is changed twice in one request")
            }
            let (definition, inherited) = try lookUp(change.name)
            result[change.name] = try Self.apply(
                change, to: definition, current: current[change.name] ?? inherited ?? "")
        }
        return result
    }

    /// The new override, nil for none.
    private static func apply(
        _ change: ConfigAlteration, to definition: ConfigDefinition, current: String
    ) throws(ConfigError) -> String? {
        guard change.operation != .delete else { return nil }
        guard let value = change.value else {
            throw .invalid(nil, for: change.name, "a value is needed; to go back to the default, delete the config")
        }
        guard change.operation != .set else {
            try definition.validate(value)
            return ConfigText.trimmed(value)
        }
        guard definition.type == .list else {
            throw ConfigError(
                .notAList, name: change.name,
                message: """
                    Cannot \(change.operation == .append ? "append to" : "subtract from") \(change.name): it is a \
                    \(definition.type.name), not a LIST
                    """)
        }
        var items = ConfigText.list(current)
        for item in ConfigText.list(value) {
            switch change.operation {
            case .append: if !items.contains(item) { items.append(item) }
            default: items.removeAll { $0 == item }
            }
        }
        let joined = items.joined(separator: ",")
        try definition.validate(joined)
        return joined
    }
}
