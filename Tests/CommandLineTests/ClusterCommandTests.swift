// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient
@testable import martlet

@Suite struct ClusterCommandTests {
    private static func partition(_ index: Int32, leader: NodeID?, isr: [NodeID]) -> PartitionDescription {
        PartitionDescription(
            index: PartitionIndex(index), leader: leader, leaderEpoch: 0, replicas: [1, 2], isr: isr,
            offlineReplicas: [], errorCode: .none)
    }

    private static func page(_ partitions: [PartitionDescription], controller: NodeID? = 1) -> ClusterPage {
        let brokers = [1, 2].map { (id: Int32) in
            BrokerDescription(
                nodeID: NodeID(id), address: BrokerAddress(host: "k\(id)", port: 9092), rack: id == 1 ? "a" : nil)
        }
        return ClusterPage(
            cluster: ClusterDescription(clusterID: "abc", controller: controller, brokers: brokers),
            topics: [
                TopicDescription(
                    name: "orders", topicID: nil, isInternal: false, errorCode: .none, partitions: partitions)
            ], features: ["metadata.version": 25])
    }

    private static let broken = Self.page([
        Self.partition(0, leader: 1, isr: [1, 2]), Self.partition(1, leader: 2, isr: [2]),
        Self.partition(2, leader: nil, isr: []),
    ])

    private static func directory(_ bytes: [Int64], usable: Int64? = 1 << 30) -> LogDirectory {
        LogDirectory(
            replicas: Dictionary(
                uniqueKeysWithValues: bytes.enumerated().map { index, bytes in
                    (
                        TopicPartition(topic: "orders", partition: PartitionIndex(Int32(index))),
                        LogDirectory.Replica(bytes: bytes, offsetLag: 0, isFuture: false)
                    )
                }), totalBytes: 1 << 31, usableBytes: usable, isCordoned: false)
    }

    @Test("a cluster shows its brokers, and what of its partitions is not as it should be")
    func info() {
        let lines = Self.broken.lines(isWide: true)
        #expect(
            lines == [
                "abc",
                "  controller        1 at k1:9092",
                "  brokers           2",
                "  topics            1, 0 internal",
                "  partitions        3",
                "  without leader    1: orders:2",
                "  under-replicated  2: orders:1-2",
                "  metadata.version  25",
                "",
                "  ID  ADDRESS  RACK  CONTROLLER  LEADS  REPLICAS",
                "   1  k1:9092  a     yes             1         3",
                "   2  k2:9092  -     no              1         3",
            ])
        var json = JSONWriter()
        Self.broken.write(to: &json)
        #expect(
            json.text
                == #"{"clusterId":"abc","controller":1,"brokers":[{"id":1,"host":"k1","port":9092,"rack":"a","#
                + #""controller":true,"leads":1,"replicas":3},{"id":2,"host":"k2","port":9092,"rack":null,"#
                + #""controller":false,"leads":1,"replicas":3}],"topics":1,"internalTopics":0,"partitions":3,"#
                + #""leaderless":[{"topic":"orders","partition":2}],"#
                + #""underReplicated":[{"topic":"orders","partition":1},{"topic":"orders","partition":2}],"#
                + #""features":{"metadata.version":25}}"#)
    }

    @Test("health finds each kind of trouble and is well without any")
    func health() {
        let fine = Self.page([Self.partition(0, leader: 1, isr: [1, 2])])
        let disks: [NodeID: Result<LogDirectories, KafkaClientError>] = [
            1: .success(["/a": .success(Self.directory([1]))]), 2: .success(["/a": .success(Self.directory([1]))]),
        ]
        #expect(ClusterHealth(fine, directories: disks).isHealthy)
        let gone = KafkaClientError(.connectionFailed, "cannot connect to k2:9092")
        let sick = KafkaClientError(.kafkaStorageError, subject: "/a of k1:9092")
        let health = ClusterHealth(
            Self.page(Self.broken.topics[0].partitions, controller: nil),
            directories: [1: .success(["/a": .failure(sick)]), 2: .failure(gone)])
        #expect(health.checks.map(\.findings.count) == [1, 1, 1, 1, 1])
        #expect(health.lines().contains("leaders     without a leader: orders:2"))
        #expect(health.lines().contains("brokers     broker 2: cannot connect to k2:9092"))
        #expect(health.lines().last == "not healthy")
        var json = JSONWriter()
        health.write(to: &json)
        #expect(json.text.hasPrefix(#"{"healthy":false,"checks":[{"name":"controller","ok":false,"findings":["there"#))
        // Each alone is enough.
        for check in health.checks.indices {
            var one = ClusterHealth(fine, directories: disks)
            one.checks[check] = health.checks[check]
            #expect(!one.isHealthy)
        }
    }

    @Test("directories are counted up, the largest partitions come first, and a broker that is away is a failure")
    func directories() {
        let report = LogDirectoryReport([
            2: .failure(KafkaClientError(.connectionFailed, "cannot connect")),
            1: .success(["/b": .success(Self.directory([100, 3000], usable: nil))]),
        ])
        #expect(report.failures.count == 1)
        #expect(report.askedCount == 2)
        #expect(
            report.table(isWide: false).lines() == [
                "BROKER  DIRECTORY  PARTITIONS     SIZE  FREE   VOLUME",
                "     1  /b                  2  3.0 KiB     -  2.0 GiB",
            ])
        #expect(
            report.partitionTable.lines() == [
                "TOPIC   PARTITION  BROKER     SIZE  BEHIND  DIRECTORY",
                "orders          1       1  2.9 KiB       0  /b",
                "orders          0       1    100 B       0  /b",
            ])
        var json = JSONWriter()
        report.write(to: &json, withPartitions: false)
        #expect(
            json.text
                == #"[{"broker":1,"path":"/b","bytes":3100,"usableBytes":null,"totalBytes":2147483648,"#
                + #""cordoned":false,"partitionCount":2}]"#)
    }

    @Test("configs show whose they are when they are of several")
    func configs() {
        func page(_ resource: ConfigResource) -> ConfigPage {
            ConfigPage(
                resource: resource,
                configs: [
                    ConfigDescription(
                        name: "retention.ms", value: "5", source: .topic, isReadOnly: false, isSensitive: false,
                        documentation: "How long."),
                    ConfigDescription(
                        name: "secret", value: nil, source: .defaultConfig, isReadOnly: true, isSensitive: true,
                        documentation: nil),
                ])
        }
        #expect(
            ConfigListCommand.table(of: [page(.topic("a")), page(.broker(1))], isWide: true).lines() == [
                "OF        CONFIG        VALUE     SET BY   CHANGES   MEANING",
                "topic a   retention.ms  5         topic    any time  How long.",
                "topic a   secret        (secret)  default  at start",
                "broker 1  retention.ms  5         topic    any time  How long.",
                "broker 1  secret        (secret)  default  at start",
            ])
        #expect(
            ConfigListCommand.table(of: [page(.topic("a"))], isWide: false).lines().first
                == "CONFIG        VALUE     SET BY")
        var json = JSONWriter()
        page(.topic("a")).write(to: &json)
        #expect(
            json.text
                == #"{"resource":"topic","name":"a","configs":[{"name":"retention.ms","value":"5","source":"topic","#
                + #""readOnly":false,"sensitive":false,"documentation":"How long."},{"name":"secret","value":null,"#
                + #""source":"default","readOnly":true,"sensitive":true}]}"#)
    }

    @Test("all that the script for fish needs changed is found in it, and changed")
    func fishCompletion() {
        let made = Martlet.completionScript(for: .fish)
        let script = FishCompletion.script
        for change in FishCompletion.changes {
            #expect(made.contains(change.from), "\(change.from)")
            #expect(script.contains(change.to), "\(change.to)")
        }
        #expect(!script.contains("(__martlet_tokens -tC)"))
    }

    @Test("completion takes from the command line what says where the cluster is, and nothing else")
    func completionArguments() {
        #expect(
            NameCompletion.connectionArguments([
                "martlet", "topic", "describe", "-o", "json", "-b", "k:1", "--tls", "--user=x", "--timeout", "5", "or",
            ]) == ["-b", "k:1", "--tls", "--user=x"])
        #expect(NameCompletion.connectionArguments(["martlet", "topic", "-b"]) == [])
        #expect(NameCompletion.connectionArguments(["martlet", "--", "-b", "k:1"]) == [])
        #expect(NameCompletion.connectionArguments([]) == [])
    }
}
