// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import ServeConfiguration
import Testing

@Suite("Names of environment variables")
struct EnvironmentNamesTests {
    @Test(
        "underscores become dots, two an underscore, three a dash",
        arguments: [
            ("KAFKA_LOG_RETENTION_MS", "log.retention.ms"), ("KAFKA_NODE_ID", "node.id"),
            ("KAFKA_A__B___C_D", "a_b-c.d"), ("KAFKA_A_____B", "a-_b"), ("KAFKA_LISTENERS", "listeners"),
            ("CLUSTER_ID", "cluster.id"), ("KAFKA_CLUSTER_ID", "cluster.id"), ("KAFKA_LOG_LEVEL", "log.level"),
            ("KAFKA_CFG_NODE_ID", "node.id"), ("KAFKA_KRAFT_CLUSTER_ID", "cluster.id"),
        ])
    func names(variable: String, config: String) {
        #expect(EnvironmentNames.config(of: variable) == config)
    }

    @Test(
        "variables that steer scripts, the Java machine or Kubernetes set nothing",
        arguments: [
            "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_JMX_PORT",
            "KAFKA_HOME", "KAFKA_VERSION", "KAFKA_SERVICE_HOST", "KAFKA_PORT", "KAFKA_PORT_9092_TCP_ADDR", "KAFKA_",
            "KAFKA", "PATH", "kafka_node_id", "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_UI_SERVICE_PORT_HTTP",
            "KAFKA_UI_PORT_8080_TCP_ADDR", "KAFKA_CFG_FILE", "KAFKA_ENABLE_KRAFT",
        ])
    func others(variable: String) {
        #expect(EnvironmentNames.config(of: variable) == nil)
    }

    @Test("KAFKA_CLUSTER_ID wins over CLUSTER_ID")
    func clusterID() throws {
        let loaded = try LoadedConfiguration.load(environment: ["CLUSTER_ID": "a", "KAFKA_CLUSTER_ID": "b"])
        #expect(loaded.broker.clusterID == "b")
        #expect(try LoadedConfiguration.load(environment: ["CLUSTER_ID": "a"]).broker.clusterID == "a")
    }

    @Test(
        "a plain name wins over Bitnami's, whichever comes first in the alphabet",
        arguments: ["AUTO_CREATE_TOPICS_ENABLE", "DELETE_TOPIC_ENABLE"])
    func bitnami(name: String) throws {
        let both = try LoadedConfiguration.load(environment: ["KAFKA_\(name)": "false", "KAFKA_CFG_\(name)": "true"])
        #expect(!(both.broker.autoCreateTopicsEnable && both.broker.deleteTopicEnable))
        let one = try LoadedConfiguration.load(environment: ["KAFKA_CFG_\(name)": "false"])
        #expect(!(one.broker.autoCreateTopicsEnable && one.broker.deleteTopicEnable))
    }
}
