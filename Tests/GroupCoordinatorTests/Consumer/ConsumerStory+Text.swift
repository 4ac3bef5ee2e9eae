// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

@testable import GroupCoordinator

/// `key=value` words of a step.
struct Options {
    let all: [(key: String, value: String)]

    init(_ words: some Sequence<String>) {
        self.all = words.compactMap { word in
            guard let split = word.firstIndex(of: "=") else { return nil }
            return (String(word[..<split]), String(word[word.index(after: split)...]))
        }
    }

    subscript(key: String) -> String? { self.all.first { $0.key == key }?.value }

    /// Sets the given fields; `-` makes a field null.
    func apply(to request: inout ConsumerGroupHeartbeatRequest) {
        for (key, value) in self.all {
            let text = value == "-" ? nil : value
            switch key {
            case "group": request.groupID = text ?? ""
            case "instance": request.instanceID = text
            case "rack": request.rackID = text
            case "timeout": request.rebalanceTimeoutMs = Int32(value) ?? -1
            case "topics": request.subscribedTopicNames = text?.split(separator: ",").map(String.init)
            case "regex": request.subscribedTopicRegex = text
            case "assignor": request.serverAssignor = text
            case "weight": request.weight = Int32(value) ?? -1
            case "owned": request.topicPartitions = text.map(Self.partitions)
            default: break
            }
        }
    }

    /// `x:0,1+y:2`; `none` for none.
    private static func partitions(_ text: String) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        if text == "none" { return [] }
        return text.split(separator: "+").map { word in
            let parts = word.split(separator: ":")
            var topic = ConsumerGroupHeartbeatRequest.TopicPartitions()
            topic.topicID = TopicsOfTest.id(of: String(parts[0]))
            topic.partitions = parts[1].split(separator: ",").compactMap { Int32($0) }
            return topic
        }
    }
}

/// Elements with commas between, `-` for none.
func list(_ elements: some Collection<some CustomStringConvertible>) -> String {
    elements.isEmpty ? "-" : elements.map(\.description).joined(separator: ",")
}

extension Substring {
    func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return String(text)
    }
}

extension ConsumerStory {
    /// Lines of a message, below what it belongs to.
    static func wrapped(_ message: String) -> String {
        var lines: [String] = []
        for word in message.split(separator: " ") {
            if let last = lines.last, last.count + word.count < 80 {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append("  \(word)")
            }
        }
        return lines.map { "\n\($0)" }.joined()
    }

    func text(of response: ConsumerGroupHeartbeatResponse) -> String {
        if response.errorCode != 0 {
            return ErrorCode(rawValue: response.errorCode).name + Self.wrapped(response.errorMessage ?? "")
        }
        var text = "\(response.memberID ?? "?")@\(response.memberEpoch)"
        if let assignment = response.assignment {
            let topics = assignment.topicPartitions.map { ($0.topicID, $0.partitions) }
            text += " " + self.text(of: topics)
        }
        if response.heartbeatIntervalMs != 5_000, response.memberEpoch >= 0 {
            text += " interval=\(response.heartbeatIntervalMs)"
        }
        return text
    }

    private func text(of partitions: [(TopicID, [Int32])]) -> String {
        if partitions.isEmpty { return "nothing" }
        return partitions.map { "\(self.name(of: $0)):\(list($1))" }.joined(separator: " ")
    }

    private func name(of id: TopicID) -> String {
        var name = ""
        var rest = id.low
        while rest > 0 {
            name = String(UnicodeScalar(UInt8(rest & 0xff))) + name
            rest >>= 8
        }
        return id.high == 1 ? name : "\(name)#\(id.high)"
    }

    func text(of record: CoordinatorRecord) -> String {
        switch record {
        case .offsetCommit: "offset"
        case .classicGroup(_, let value): value == nil ? "- classic" : "+ classic"
        case .consumerGroup(_, let value): value.map { "+ epoch \($0.epoch)" } ?? "- epoch"
        case .consumerTopics(_, let value):
            value.map { "+ topics " + list($0.topics.map { "\(self.name(of: $0.topicID))=\($0.numPartitions)" }) }
                ?? "- topics"
        case .consumerMember(let key, let value):
            value.map { "+ member \(key.memberID) \(self.text(of: $0))" } ?? "- member \(key.memberID)"
        case .consumerTarget(_, let value): value.map { "+ target@\($0.assignmentEpoch)" } ?? "- target"
        case .consumerMemberTarget(let key, let value):
            value.map { value in
                "+ target \(key.memberID) "
                    + self.text(of: value.topicPartitions.map { ($0.topicID, $0.partitions) })
            } ?? "- target \(key.memberID)"
        case .consumerMemberCurrent(let key, let value):
            value.map { "+ current \(key.memberID)\(self.text(of: $0))" } ?? "- current \(key.memberID)"
        }
    }

    private func text(of member: ConsumerGroupMemberMetadataValue) -> String {
        var words = [list(member.subscribedTopicNames)]
        if let regex = member.subscribedTopicRegex { words.append("regex=\(regex)") }
        if let instance = member.instanceID { words.append("instance=\(instance)") }
        if let rack = member.rackID { words.append("rack=\(rack)") }
        if let assignor = member.serverAssignor { words.append("assignor=\(assignor)") }
        if member.weight != -1 { words.append("weight=\(member.weight)") }
        if member.rebalanceTimeoutMs != 60_000 { words.append("timeout=\(member.rebalanceTimeoutMs)") }
        return words.joined(separator: " ")
    }

    private func text(of value: ConsumerGroupCurrentMemberAssignmentValue) -> String {
        let states: [Int8: String] = [0: "stable", 1: "unrevoked", 2: "unreleased"]
        var text = "@\(value.memberEpoch)<\(value.previousMemberEpoch) \(states[value.state] ?? "?") "
        text += self.text(of: value.assignedPartitions.map { ($0.topicID, $0.partitions) })
        if !value.partitionsPendingRevocation.isEmpty {
            text += " giving up " + self.text(of: value.partitionsPendingRevocation.map { ($0.topicID, $0.partitions) })
        }
        return text
    }
}
