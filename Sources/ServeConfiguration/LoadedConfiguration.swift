// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Configuration
public import KafkaConfig

/// The broker's configuration with the places it came from.
public struct LoadedConfiguration: Sendable {
    /// The values.
    public let broker: BrokerConfig
    /// For each config that was set, known or not, the place that decided it.
    public let origins: [String: ConfigurationOrigin]
    /// What an operator should see in the log: unknown names, values set twice.
    public let warnings: [String]
    /// What was set on purpose, and has no effect in Martlet: one sentence for all of it, nil if there is nothing.
    public let passedOver: String?

    /// Reads the layers, the strongest first: command line, environment, file, `machine`, defaults.
    ///
    /// - `commandLine`: values by Kafka's names.
    /// - `environment`: the whole environment; `KAFKA_LOG_RETENTION_MS` is `log.retention.ms`, see
    ///   ``EnvironmentNames``.
    /// - `file`: a file that ends in `.yaml` or `.yml`, or else is a Java properties file.
    /// - `machine`: what the process chose by what it may use, where nobody says otherwise.
    ///
    /// Throws for a file that cannot be read, and for values that cannot be used. Of unknown names it warns.
    public static func load(
        commandLine: [String: String] = [:],
        environment: [String: String] = [:],
        file: String? = nil,
        machine: [String: String] = [:]
    ) throws(ServeConfigurationError) -> LoadedConfiguration {
        var layers = [
            ConfigurationLayer(
                name: "command line",
                settings: commandLine.mapValues { ConfigurationSetting(value: $0, origin: .commandLine) }),
            EnvironmentNames.layer(of: environment),
        ]
        if let file { layers.append(try ConfigurationFile.read(file)) }
        layers.append(
            ConfigurationLayer(
                name: "machine",
                settings: machine.mapValues { ConfigurationSetting(value: $0, origin: .machine) }))
        return try LoadedConfiguration(layers)
    }

    init(_ layers: [ConfigurationLayer]) throws(ServeConfigurationError) {
        let names = Set(layers.flatMap(\.settings.keys))
        let reader = ConfigReader(providers: layers.map(\.provider)).snapshot()
        var values: [String: String] = [:]
        var origins: [String: ConfigurationOrigin] = [:]
        for name in names {
            values[name] = reader.string(forKey: ConfigKey(name.configComponents))
            origins[name] = layers.lazy.compactMap { $0.settings[name]?.origin }.first
        }
        do throws(ConfigError) {
            self.broker = try BrokerConfig(resolving: values)
        } catch {
            let place = origins[error.name].map { " (set in \($0))" } ?? ""
            throw ServeConfigurationError(error.message + place, cause: error)
        }
        self.origins = origins
        self.warnings = layers.flatMap(\.warnings) + Self.warnings(about: self.broker, origins)
        let idle = self.broker.keysWithoutEffect + layers.flatMap(\.passedOver)
        let unopened = self.broker.controllerListeners.map { "the listener \($0), which is for Kafka's controllers" }
        let all = idle + unopened
        self.passedOver =
            all.isEmpty ? nil : "Set for Kafka and without effect in Martlet: " + all.joined(separator: ", ")
    }

    private static func warnings(about broker: BrokerConfig, _ origins: [String: ConfigurationOrigin]) -> [String] {
        broker.unknownKeys.map { name in
            let place = origins[name].map { " (set in \($0))" } ?? ""
            let hint = BrokerConfigDefinitions.suggestion(for: name).map { "; did you mean \($0)?" } ?? ""
            return "Unknown configuration \(name)\(place) is passed over\(hint)"
        }
    }
}

extension ConfigurationLayer {
    /// The layer as swift-configuration sees it.
    fileprivate var provider: InMemoryProvider {
        let values = self.settings.map { name, setting in
            (AbsoluteConfigKey(name.configComponents), ConfigValue(.string(setting.value), isSecret: false))
        }
        return InMemoryProvider(name: self.name, values: Dictionary(uniqueKeysWithValues: values))
    }
}

extension String {
    /// The parts between the dots, as swift-configuration writes keys. Empty parts stay, so no two names are one key.
    fileprivate var configComponents: [String] {
        self.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }
}
