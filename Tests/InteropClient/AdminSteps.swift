// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// The steps that look after topics, offsets and configs.
struct AdminSteps {
    let cluster: KafkaCluster

    /// Nil for a step of another kind.
    func run(_ step: Step) async throws -> Answer? {
        switch step.do {
        case "create_topic": try await self.createTopic(step)
        case "describe_topic": try await self.describeTopic(step)
        case "create_partitions": try await self.createPartitions(step)
        case "delete_topic": try await self.deleteTopic(step)
        case "delete_records": try await self.deleteRecords(step)
        case "describe_cluster": try await self.describeCluster()
        case "metadata": try await self.metadata(step)
        case "offsets": try await self.offsets(step)
        case "list_offsets": try await self.listOffsets(step)
        default: nil
        }
    }

    private func createTopic(_ step: Step) async throws -> Answer {
        var topic = NewTopic(
            try step.need(\.topic, "topic"), partitionCount: step.partitions, replicationFactor: step.replicationFactor)
        topic.configs = (step.configs ?? [:]).mapValues(\.text)
        for result in try await self.cluster.createTopics([topic], validatesOnly: step.validateOnly ?? false) {
            _ = try result.result.get()
        }
        return .object([:])
    }

    private func describeTopic(_ step: Step) async throws -> Answer {
        let name = try step.need(\.topic, "topic")
        guard let topic = try await self.cluster.describeTopics([name]).first else {
            throw JobError("the answer lacks \(name)")
        }
        guard topic.errorCode == .none else { return .failure(topic.errorCode.name, topic.errorCode.summary) }
        return .object([
            "name": .text(topic.name), "topicID": .text(topic.topicID.map { "\($0)" } ?? ""),
            "isInternal": .flag(topic.isInternal),
            "partitions": .list(
                topic.partitions.map { partition in
                    .object([
                        "partition": .number(Int64(partition.index.rawValue)),
                        "leader": .number(Int64(partition.leader?.rawValue ?? -1)),
                        "replicas": .list(partition.replicas.map { .number(Int64($0.rawValue)) }),
                        "isr": .list(partition.isr.map { .number(Int64($0.rawValue)) }),
                    ])
                }),
        ])
    }

    private func createPartitions(_ step: Step) async throws -> Answer {
        let count = try step.need(\.count, "count")
        try await self.cluster.createPartitions(topic: try step.need(\.topic, "topic"), count: Int32(count))
        return .object([:])
    }

    private func deleteTopic(_ step: Step) async throws -> Answer {
        for result in try await self.cluster.deleteTopics([try step.need(\.topic, "topic")]) {
            _ = try result.result.get()
        }
        return .object([:])
    }

    private func deleteRecords(_ step: Step) async throws -> Answer {
        let partition = try step.partition(try step.need(\.partition, "partition"))
        let offset = Offset(try step.need(\.offset, "offset"))
        let results = try await self.cluster.deleteRecords(before: [partition: offset])
        guard let low = try results[partition]?.get() else { throw JobError("the answer lacks \(partition)") }
        return .object(["lowWatermark": .number(low.rawValue)])
    }

    private func describeCluster() async throws -> Answer {
        let cluster = try await self.cluster.describeCluster()
        return .object([
            "clusterID": cluster.clusterID.map { .text($0) } ?? .null,
            "controller": .number(Int64(cluster.controller?.rawValue ?? -1)),
            "brokers": .list(
                cluster.brokers.map { broker in
                    .object([
                        "id": .number(Int64(broker.nodeID.rawValue)), "host": .text(broker.address.host),
                        "port": .number(Int64(broker.address.port)),
                    ])
                }),
        ])
    }

    /// What a client learns about brokers; naming a topic may create it.
    private func metadata(_ step: Step) async throws -> Answer {
        if let name = step.topic { _ = try await self.cluster.topic(name, createsTopic: true) }
        guard case .object(var answer) = try await self.describeCluster() else { return .null }
        let topics = try await self.cluster.listTopics()
        answer["topics"] = .object(
            Dictionary(uniqueKeysWithValues: topics.map { ($0.name, .number(Int64($0.partitions.count))) }))
        return .object(answer)
    }

    private func offsets(_ step: Step) async throws -> Answer {
        let partition = try step.partition(try step.need(\.partition, "partition"))
        func offset(_ specification: OffsetSpecification) async throws -> Answer {
            let found = try await self.cluster.listOffsets([partition: specification])[partition]?.get()
            return found?.offset.map { .number($0.rawValue) } ?? .null
        }
        var times: [Answer] = []
        for time in step.times ?? [] { times.append(try await offset(.timestamp(time))) }
        return .object([
            "beginning": try await offset(.earliest), "end": try await offset(.latest), "forTimes": .list(times),
        ])
    }

    private func listOffsets(_ step: Step) async throws -> Answer {
        let partition = try step.partition(try step.need(\.partition, "partition"))
        let spec = try step.need(\.spec, "spec")
        let specification: OffsetSpecification
        switch spec {
        case "earliest": specification = .earliest
        case "latest": specification = .latest
        case "max_timestamp": specification = .maxTimestamp
        default:
            guard let time = Int64(spec) else { throw JobError("no offset specification: \(spec)") }
            specification = .timestamp(time)
        }
        guard let found = try await self.cluster.listOffsets([partition: specification])[partition]?.get() else {
            throw JobError("the answer lacks \(partition)")
        }
        return .object([
            "offset": found.offset.map { .number($0.rawValue) } ?? .number(-1),
            "timestamp": .number(found.timestamp ?? -1),
        ])
    }
}
