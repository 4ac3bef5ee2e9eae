// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaClient
import UnixSignals

/// One member of a consumer group until SIGTERM, which keeps the diary that Tests/InteropTests/clients/group_member.py
/// keeps for the other libraries.
struct GroupMember {
    private static let commitInterval = Duration.milliseconds(200)

    private let configuration: KafkaClusterConfiguration
    private let consumer: KafkaConsumerConfiguration
    private let diary = Diary()

    init(_ job: Job, group: String, _ cluster: KafkaClusterConfiguration) throws {
        guard let topic = job.topic, let strategy = job.strategy else { throw JobError("a member needs a topic") }
        var configuration = ConsumerGroupConfiguration(group, topics: .names([topic]))
        configuration.instanceID = job.instance
        configuration.protocol = try Self.groupProtocol(strategy, assignor: job.assignor)
        if let session = job.sessionMs { configuration.sessionTimeout = .milliseconds(session) }
        if let heartbeat = job.heartbeatMs { configuration.heartbeatInterval = .milliseconds(heartbeat) }
        var consumer = KafkaConsumerConfiguration(subscription: .group(configuration))
        consumer.autoCommitInterval = Self.commitInterval
        consumer.fetchMaxWait = .milliseconds(100)
        let diary = self.diary
        consumer.onEvent = { diary.write($0) }
        var cluster = cluster
        cluster.connection.clientID = job.name
        (self.configuration, self.consumer) = (cluster, consumer)
    }

    private static func groupProtocol(
        _ strategy: String, assignor: String?
    ) throws -> ConsumerGroupConfiguration.GroupProtocol {
        switch strategy {
        case "consumer": .consumer(assignor: assignor)
        case "range": .classic([RangeAssignor()])
        case "roundrobin": .classic([RoundRobinAssignor()])
        case "sticky": .classic([StickyAssignor()])
        case "cooperative-sticky": .classic([CooperativeStickyAssignor()])
        default: throw JobError("no such strategy: \(strategy)")
        }
    }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm)
        let diary = self.diary
        try await KafkaConsumer.withConsumer(self.configuration, configuration: self.consumer) { consumer in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    for await _ in signals { consumer.close() }
                }
                for try await record in consumer.records { diary.process(record) }
                tasks.cancelAll()
            }
        }
        diary.write("left")
    }
}

/// Writes down what happens, a line of JSON each, at once.
private final class Diary: Sendable {
    func write(_ event: String, _ fields: String = "") {
        let line = "{\"e\":\"\(event)\",\"t\":\(Self.now)\(fields)}\n"
        // One write, so that lines of several tasks are not mixed.
        FileHandle.standardOutput.write(Data(line.utf8))
    }

    func process(_ consumed: ConsumedRecord) {
        let number = NumberedRecord.number(of: consumed.record.value) ?? -1
        self.write(
            "record", ",\"p\":\(consumed.partition.partition),\"o\":\(consumed.record.offset),\"n\":\(number)")
    }

    func write(_ event: KafkaConsumerEvent) {
        switch event {
        case .assigned(let partitions): self.write("assigned", Self.list(partitions))
        case .revoked(let partitions): self.write("revoked", Self.list(partitions))
        case .lost(let partitions, _): self.write("lost", Self.list(partitions))
        case .commitFailed(let error):
            let text = "\(error)".replacing("\\", with: "/").replacing("\"", with: "'")
            self.write("failed", ",\"error\":\"\(text)\"")
        case .reset, .truncated, .retrying: break
        }
    }

    private static func list(_ partitions: [TopicPartition]) -> String {
        ",\"ps\":[\(partitions.map { "\($0.partition)" }.joined(separator: ","))]"
    }

    private static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }
}
