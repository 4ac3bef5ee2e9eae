// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

@testable import GroupCoordinator

/// What scenarios say of the consumer protocol: as much as the passage between the protocols needs.
extension ScenarioWorld {
    static let consumerVerbs: [String: Verb] = [
        // enter c topics=foo instance=i assignor=range: a heartbeat of epoch 0 that says everything
        "enter": { world, arguments in
            var request = ConsumerGroupHeartbeatRequest()
            request.subscribedTopicNames = arguments.list("topics") ?? ["foo"]
            request.rebalanceTimeoutMs = arguments.number("rebalance") ?? 30_000
            request.serverAssignor = arguments["assignor"]
            request.topicPartitions = []
            world.beat(arguments, request, epoch: 0)
        },
        // beat c owned=foo/0+1 epoch=3 instance=i
        "beat": { world, arguments in
            var request = ConsumerGroupHeartbeatRequest()
            request.topicPartitions = arguments["owned"].map { world.partitions($0) }
            world.beat(arguments, request, epoch: nil)
        },
        // exit c: leaves for good; exit c away=1: a static member that will be back
        "exit": { world, arguments in
            world.beat(arguments, ConsumerGroupHeartbeatRequest(), epoch: arguments["away"] == nil ? -1 : -2)
        },
        "describeConsumer": { world, arguments in
            for line in world.description(ofConsumer: arguments["group"] ?? Self.defaultGroup, in: world.shard) {
                world.note(line)
            }
        },
    ]

    private mutating func beat(
        _ arguments: ScenarioArguments, _ request: ConsumerGroupHeartbeatRequest, epoch: Int32?
    ) {
        let name = arguments.words.first ?? ""
        var client = self.clients[name] ?? ScenarioClient()
        client.instance = arguments["instance"] ?? client.instance
        if client.id.isEmpty { client.id = name }
        self.clients[name] = client
        var request = request
        request.groupID = arguments["group"] ?? Self.defaultGroup
        request.memberID = arguments["id"].map { self.id(named: $0) } ?? client.id
        request.memberEpoch = epoch ?? arguments.number("epoch") ?? client.generation
        request.instanceID = client.instance
        let call = self.call(name, request.memberEpoch < 0 ? "exit" : "beat", version: 1)
        self.take(self.shard.consumerHeartbeat(request, call, self.environment))
    }

    // MARK: Partitions as text: `foo/0+1;bar/2`

    private static func parse(_ text: String) -> [(topic: String, partitions: [Int32])] {
        text.split(separator: ";").map { part in
            let halves = part.split(separator: "/").map(String.init)
            return (halves[0], halves.dropFirst().flatMap { $0.split(separator: "+").compactMap { Int32($0) } })
        }
    }

    private func partitions(_ text: String) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        Self.parse(text).map { entry in
            var partitions = ConsumerGroupHeartbeatRequest.TopicPartitions()
            partitions.topicID = self.topics.topic(named: entry.topic)?.id ?? .zero
            partitions.partitions = entry.partitions
            return partitions
        }
    }

    /// What a leader gives: partitions as consumers write them, with data of its own after a `!`; or the text itself if
    /// it names no partitions.
    static func assignment(_ text: String) -> ByteBuffer {
        guard text.contains("/") else { return ByteBuffer(string: text) }
        let halves = text.split(separator: "!").map(String.init)
        var assignment = ConsumerProtocolAssignment()
        if halves.count > 1 { assignment.userData = ByteBuffer(string: halves[1]) }
        assignment.assignedPartitions = Self.parse(halves[0]).map { entry in
            var partitions = ConsumerProtocolAssignment.TopicPartition()
            partitions.topic = entry.topic
            partitions.partitions = entry.partitions
            return partitions
        }
        var writer = WireWriter()
        writer.writeInt16(1)
        try? assignment.encode(into: &writer, version: 1)
        return writer.buffer
    }

    /// The opposite; nil for bytes that are no assignment.
    static func text(ofAssignment bytes: ByteBuffer) -> String? {
        var reader = WireReader(bytes)
        guard let version = try? reader.readInt16(), (0...3).contains(version),
            let assignment = try? ConsumerProtocolAssignment(from: &reader, version: version),
            (try? reader.finish()) != nil
        else { return nil }
        return "v\(version):" + Self.text(assignment.assignedPartitions.map { ($0.topic, $0.partitions) })
    }

    private static func text(_ partitions: [(String, [Int32])]) -> String {
        let parts = partitions.sorted { $0.0 < $1.0 }.map { "\($0.0)/\($0.1.map(String.init).joined(separator: "+"))" }
        return parts.isEmpty ? "-" : parts.joined(separator: ";")
    }

    private func text(_ partitions: PartitionSet) -> String {
        Self.text(partitions.sorted.map { (self.topics.topic(id: $0.topic)?.name ?? "?", $0.indexes) })
    }

    // MARK: Text

    mutating func text(of response: ConsumerGroupHeartbeatResponse, to client: String) -> String {
        let error = ErrorCode(rawValue: response.errorCode)
        if error != .none { return "\(error.name): \(response.errorMessage ?? "-")" }
        self.clients[client]?.generation = response.memberEpoch
        guard let assignment = response.assignment else { return "ok epoch=\(response.memberEpoch)" }
        return "ok epoch=\(response.memberEpoch) assignment=\(self.text(PartitionSet(assignment.topicPartitions)))"
    }

    mutating func text(ofConsumer record: CoordinatorRecord) -> String {
        switch record {
        case .consumerGroup(let key, let value):
            return "epoch \(key.groupID) \(value.map { "\($0.epoch)" } ?? "deleted")"
        case .consumerTarget(_, let value): return "target epoch \(value.map { "\($0.assignmentEpoch)" } ?? "deleted")"
        case .consumerTopics(_, let value):
            let topics = value?.topics.map { "\($0.topicName)=\($0.numPartitions)" }
            return "topics \(topics?.sorted().joined(separator: " ") ?? "deleted")"
        case .consumerMember(let key, let value):
            guard let value else { return "member \(self.name(of: key.memberID)) deleted" }
            let instance = value.instanceID.map { "/\($0)" } ?? ""
            let classic = value.classicMemberMetadata.map { metadata in
                " classic session=\(metadata.sessionTimeoutMs) "
                    + metadata.supportedProtocols.map(\.name).joined(separator: ",")
            }
            let topics = value.subscribedTopicNames.joined(separator: " ")
            return "member \(self.name(of: key.memberID))\(instance) reads (\(topics))\(classic ?? "")"
        case .consumerMemberTarget(let key, let value):
            let text = value.map { self.text(PartitionSet($0.topicPartitions)) } ?? "deleted"
            return "target \(self.name(of: key.memberID)) \(text)"
        case .consumerMemberCurrent(let key, let value):
            guard let value else { return "current \(self.name(of: key.memberID)) deleted" }
            let current = CurrentAssignment(value)
            let gives = current.pendingRevocation.isEmpty ? "" : " gives \(self.text(current.pendingRevocation))"
            return "current \(self.name(of: key.memberID)) epoch=\(current.epoch) \(current.state) "
                + self.text(current.assigned) + gives
        case .offsetCommit, .classicGroup: return "\(record)"
        }
    }

    mutating func description(ofConsumer id: String, in shard: GroupShard) -> [String] {
        let group = shard.describeConsumer(id, self.environment)
        if group.errorCode != 0 { return [ErrorCode(rawValue: group.errorCode).name] }
        var lines = ["\(group.groupState) epoch=\(group.groupEpoch) target=\(group.assignmentEpoch)"]
        for member in group.members {
            let has = member.assignment.topicPartitions.map { ($0.topicName, $0.partitions) }
            let wants = member.targetAssignment.topicPartitions.map { ($0.topicName, $0.partitions) }
            lines.append(
                "\(self.name(of: member.memberID))\(member.instanceID.map { "/\($0)" } ?? "")"
                    + " \(member.memberType == 0 ? "classic" : "consumer") epoch=\(member.memberEpoch)"
                    + " reads (\(member.subscribedTopicNames.joined(separator: " ")))"
                    + " has \(Self.text(has)) of \(Self.text(wants))")
        }
        return lines
    }

    func consumerDifferences(from replayed: GroupShard) -> [String] {
        var copy = self
        return Set(self.shard.consumerGroups.keys).union(replayed.consumerGroups.keys).sorted().compactMap { id in
            let own = copy.description(ofConsumer: id, in: self.shard)
            let other = copy.description(ofConsumer: id, in: replayed)
            return own == other ? nil : "group \(id) is \(own), and after replay \(other)"
        }
    }
}
