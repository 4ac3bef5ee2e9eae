// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Testing

@testable import KafkaClient
@testable import martlet

@Suite struct TopicOutputTests {
    private static func config(_ name: String, _ value: String?, _ source: ConfigDescription.Source)
        -> ConfigDescription
    {
        ConfigDescription(
            name: name, value: value, source: source, isReadOnly: false, isSensitive: false, documentation: nil)
    }

    private static let page = TopicPage(
        topic: TopicDescription(
            name: "orders", topicID: TopicID(high: 1, low: 2), isInternal: false, errorCode: .none,
            partitions: [
                PartitionDescription(
                    index: 0, leader: 1, leaderEpoch: 4, replicas: [1, 2], isr: [1], offlineReplicas: [],
                    errorCode: .none),
                PartitionDescription(
                    index: 1, leader: nil, leaderEpoch: .none, replicas: [2], isr: [], offlineReplicas: [2],
                    errorCode: .leaderNotAvailable),
            ]),
        earliest: [0: 5], latest: [0: 105],
        configs: [
            config("flush.messages", "1", .defaultConfig), config("retention.ms", "1000", .topic),
        ])

    @Test("describe shows partitions with and without a leader, and the configs that were set")
    func table() {
        #expect(
            Self.page.lines(showsDefaults: false) == [
                "orders",
                "  id          AAAAAAAAAAEAAAAAAAAAAg",
                "  partitions  2",
                "  replicas    2",
                "  acks=all    answered when the records are on the leader's disk: a power cut takes back nothing"
                    + " acknowledged",
                "",
                "  PARTITION  LEADER  EPOCH  REPLICAS  ISR  EARLIEST  LATEST",
                "          0       1      4  1,2       1           5     105",
                "          1    none      -  2                     -       -",
                "",
                "  CONFIG        VALUE  SET BY",
                "  retention.ms  1000   topic",
            ])
        #expect(Self.page.lines(showsDefaults: true).contains("  flush.messages  1      default"))
    }

    private static func json(_ report: ChangeReport) -> String {
        var json = JSONWriter()
        report.write(to: &json)
        return json.text
    }

    @Test("describe as JSON")
    func json() {
        var json = JSONWriter()
        Self.page.write(to: &json, showsDefaults: false)
        #expect(
            json.text
                == #"{"name":"orders","id":"AAAAAAAAAAEAAAAAAAAAAg","internal":false,"acksAll":"synced","partitions":["#
                + #"{"partition":0,"leader":1,"leaderEpoch":4,"replicas":[1,2],"isr":[1],"earliest":5,"latest":105},"#
                + #"{"partition":1,"leader":null,"leaderEpoch":null,"replicas":[2],"isr":[],"earliest":null,"#
                + #""latest":null}],"configs":[{"name":"retention.ms","value":"1000","source":"topic","#
                + #""readOnly":false,"sensitive":false}]}"#)
    }

    @Test("what acks=all means follows from flush.messages and flush.ms")
    func durability() {
        func durability(_ messages: String?, _ milliseconds: String?) -> AcknowledgedDurability? {
            AcknowledgedDurability([
                Self.config("flush.messages", messages, .topic), Self.config("flush.ms", milliseconds, .topic),
            ])
        }
        let never = "\(Int64.max)"
        #expect(durability("1", never) == .synced)
        #expect(durability(never, never) == .buffered(syncedAfterRecords: nil, milliseconds: nil))
        #expect(durability("1000", "50") == .buffered(syncedAfterRecords: 1000, milliseconds: 50))
        #expect(durability(nil, "50") == nil)
        #expect("\(durability("1000", "50")!)".contains("synced after 1000 records or 50 ms"))
    }

    @Test("errors carry their code into JSON")
    func failedChange() {
        let error = KafkaClientError(.topicAlreadyExists, subject: "orders", message: "it is there")
        let report = ChangeReport([
            ItemChange(name: "orders", outcome: "failed", error: error),
            ItemChange(name: "new", outcome: "created", topicID: "id"),
        ])
        #expect(
            Self.json(report)
                == #"[{"name":"orders","outcome":"failed","error":"TOPIC_ALREADY_EXISTS","#
                + #""message":"orders: TOPIC_ALREADY_EXISTS: it is there"},{"name":"new","outcome":"created","id":"id"}]"#
        )
    }

    @Test("a cluster that is out of reach ends with 2, a refusal with 1, and both say what to do")
    func reports() {
        let unreachable = KafkaClientError(.clusterUnreachable, "cannot connect to a:1").report()
        #expect(unreachable.status == .unreachable)
        #expect(unreachable.hint?.contains("-b host:port") == true)
        let refused = KafkaClientError(.topicAlreadyExists, subject: "orders").report()
        #expect(refused.status == .failure)
        #expect(refused.hint == "--if-not-exists makes this no error")
    }
}
