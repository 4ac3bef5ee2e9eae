// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig

/// How environment variables name configs: by the convention of Kafka's container images.
///
/// `KAFKA_` comes first; then `_` is a dot, `__` an underscore and `___` a dash, in lower case, so that
/// `KAFKA_LOG_RETENTION_MS` sets `log.retention.ms`. `CLUSTER_ID` sets `cluster.id`, as in those images.
public enum EnvironmentNames {
    /// What each variable that sets a config begins with.
    public static let prefix = "KAFKA_"

    /// The config that a variable sets; nil if it sets none.
    public static func config(of variable: String) -> String? {
        if variable == "CLUSTER_ID" { return "cluster.id" }
        guard variable.hasPrefix(self.prefix), variable != self.prefix else { return nil }
        guard !self.otherVariables.contains(variable) else { return nil }
        let name = self.decoded(variable.dropFirst(self.prefix.count))
        // A name that is a config wins over a prefix that usually means something else.
        if BrokerConfigDefinitions.definition(name) != nil { return name }
        return self.otherPrefixes.contains { variable.hasPrefix($0) } ? nil : name
    }

    /// Variables that steer Kafka's scripts and the Java machine.
    private static let otherVariables: Set<String> = [
        "KAFKA_VERSION", "KAFKA_HOME", "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_GC_LOG_OPTS", "KAFKA_DEBUG", "KAFKA_CFG_FILE", "KAFKA_PORT",
    ]

    /// More of these, and those that Kubernetes sets in every pod beside a service named kafka.
    private static let otherPrefixes = [
        "KAFKA_LOG4J_", "KAFKA_TOOLS_LOG4J_", "KAFKA_JMX_", "KAFKA_SERVICE_", "KAFKA_PORT_",
    ]

    private static func decoded(_ text: Substring) -> String {
        var result = ""
        var underscores = 0
        func flush() {
            // Longest first: five underscores are a dash and an underscore.
            result += String(repeating: "-", count: underscores / 3) + ["", ".", "_"][underscores % 3]
            underscores = 0
        }
        for character in text {
            if character == "_" {
                underscores += 1
            } else {
                flush()
                result += character.lowercased()
            }
        }
        flush()
        return result
    }

    static func layer(of environment: [String: String]) -> ConfigurationLayer {
        var layer = ConfigurationLayer(name: "environment")
        // Sorted, so that of two variables for one config the same one decides each time: KAFKA_CLUSTER_ID wins
        // over CLUSTER_ID, as it comes later.
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) {
            guard let name = self.config(of: variable) else { continue }
            layer.settings[name] = ConfigurationSetting(value: value, origin: .environment(variable: variable))
        }
        return layer
    }
}
