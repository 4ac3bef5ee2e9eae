// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig

/// How environment variables name configs: by the convention of Kafka's container images.
///
/// `KAFKA_` comes first; then `_` is a dot, `__` an underscore and `___` a dash, in lower case, so that
/// `KAFKA_LOG_RETENTION_MS` sets `log.retention.ms`. `CLUSTER_ID` sets `cluster.id`, as in those images, and so does
/// `KAFKA_KRAFT_CLUSTER_ID`; `KAFKA_CFG_LOG_RETENTION_MS` is how Bitnami's images write it. The plain name wins.
public enum EnvironmentNames {
    /// What each variable that sets a config begins with.
    public static let prefix = "KAFKA_"

    /// The config that a variable sets; nil if it sets none.
    public static func config(of variable: String) -> String? {
        if self.clusterIDs.contains(variable) { return "cluster.id" }
        guard variable.hasPrefix(self.prefix), variable != self.prefix else { return nil }
        guard !self.steersScripts(variable) else { return nil }
        if variable.hasPrefix(self.bitnamiPrefix), variable != self.bitnamiPrefix {
            return self.decoded(variable.dropFirst(self.bitnamiPrefix.count))
        }
        let name = self.decoded(variable.dropFirst(self.prefix.count))
        // A name that is a config wins over a pattern that usually means something else.
        if BrokerConfigDefinitions.definition(name) != nil { return name }
        return self.isKubernetes(variable) ? nil : name
    }

    /// Whether a variable steers the scripts of Kafka's images or the Java machine, neither of which is here. It sets
    /// nothing, and an operator should be told so.
    public static func steersScripts(_ variable: String) -> Bool {
        self.scriptVariables.contains(variable) || self.scriptPrefixes.contains { variable.hasPrefix($0) }
    }

    private static let bitnamiPrefix = "KAFKA_CFG_"
    private static let clusterIDs: Set<String> = ["CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"]

    private static let scriptVariables: Set<String> = [
        "KAFKA_VERSION", "KAFKA_HOME", "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_GC_LOG_OPTS", "KAFKA_DEBUG", "KAFKA_CFG_FILE", "KAFKA_CLASSPATH", "KAFKA_EXTRA_FLAGS",
        "KAFKA_ENABLE_KRAFT", "KAFKA_SKIP_KRAFT_STORAGE_INIT", "KAFKA_REST_BOOTSTRAP_SERVERS",
        "KAFKA_ZOOKEEPER_PROTOCOL",
        "KAFKA_AUTO_CREATE_TOPICS", "KAFKA_VOLUME_DIR", "KAFKA_MOUNTED_CONF_DIR", "KAFKA_BASE_DIR",
    ]
    private static let scriptPrefixes = ["KAFKA_LOG4J_", "KAFKA_TOOLS_LOG4J_", "KAFKA_JMX_"]

    /// Whether Kubernetes sets such a variable in every pod beside a service named `kafka` or `kafka-…`:
    /// `KAFKA_SERVICE_HOST`, `KAFKA_PORT`, `KAFKA_UI_PORT_8080_TCP_ADDR`.
    private static func isKubernetes(_ variable: String) -> Bool {
        if variable == "KAFKA_PORT" || variable.hasPrefix("KAFKA_PORT_") { return true }
        let words = variable.split(separator: "_")
        return zip(words, words.dropFirst()).contains { first, second in
            first == "SERVICE" && (second == "HOST" || second == "PORT")
                || first == "PORT" && !second.isEmpty && second.allSatisfy(\.isNumber)
        }
    }

    /// Which of two variables for one config wins: the one with the higher rank.
    private static func rank(_ variable: String) -> Int {
        if self.clusterIDs.contains(variable) { return 0 }
        return variable.hasPrefix(self.bitnamiPrefix) ? 1 : 2
    }

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
        for (variable, value) in environment.sorted(by: { (self.rank($0.key), $0.key) < (self.rank($1.key), $1.key) }) {
            if self.steersScripts(variable) { layer.passedOver.append(variable) }
            guard let name = self.config(of: variable) else { continue }
            layer.settings[name] = ConfigurationSetting(value: value, origin: .environment(variable: variable))
        }
        return layer
    }
}
