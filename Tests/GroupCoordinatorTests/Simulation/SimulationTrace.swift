// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

@testable import GroupCoordinator

// How requests, answers and records look in the trace of a failure.

extension SimulatedRequest {
    var name: String {
        switch self {
        case .join(let request, _): "JoinGroup(\(request.memberID))"
        case .sync(let request): "SyncGroup(\(request.memberID), generation \(request.generationID))"
        case .heartbeat(let request): "Heartbeat(\(request.memberID), generation \(request.generationID))"
        case .leave(let request): "LeaveGroup(\(request.members.first?.memberID ?? ""))"
        case .consumerHeartbeat(let request, _):
            "ConsumerGroupHeartbeat(\(request.memberID), epoch \(request.memberEpoch), owned "
                + "\(text(request.topicPartitions.map { partitions($0.map { ($0.topicID, $0.partitions) }) })))"
        case .commit(let attempt):
            "OffsetCommit(\(attempt.memberID), epoch \(attempt.epoch), "
                + "\(attempt.offsets.map { "\($0.partition)=\($0.offset)" }.joined(separator: " ")))"
        case .fetch(let attempt): "OffsetFetch(\(attempt.memberID ?? ""), \(attempt.partitions))"
        }
    }
}

extension GroupAnswer {
    var summary: String {
        switch self {
        case .join(let response):
            "join \(error(response.errorCode)) generation \(response.generationID) \(response.memberID) of "
                + "\(response.members.count), leader \(response.leader)"
        case .sync(let response):
            "sync \(error(response.errorCode)) "
                + (ClassicBytes.assignment(response.assignment) ?? []).map { "\($0.topic)-\($0.index)" }
                .joined(separator: " ")
        case .heartbeat(let response): "heartbeat \(error(response.errorCode))"
        case .leave(let response): "leave \(error(response.errorCode))"
        case .consumerHeartbeat(let response):
            "heartbeat \(error(response.errorCode)) epoch \(response.memberEpoch) "
                + text(response.assignment.map { partitions($0.topicPartitions.map { ($0.topicID, $0.partitions) }) })
        case .commit(let response):
            "commit \(response.topics.flatMap(\.partitions).map { error($0.errorCode) }.joined(separator: " "))"
        case .fetch(let response):
            "fetch \(error(response.errorCode)) \(response.topics.flatMap(\.partitions).map(\.committedOffset))"
        case .deleteOffsets, .deleteGroup: "deletion"
        }
    }
}

extension CoordinatorRecord {
    var summary: String {
        switch self {
        case .offsetCommit(let key, let value):
            "offset(\(key.topic)-\(key.partition)=\(text(value.map { "\($0.offset)" })))"
        case .classicGroup(let key, let value):
            "classic(\(key.group), \(text(value.map { "generation \($0.generation) \($0.members.map(\.memberID))" })))"
        case .consumerGroup(let key, let value): "group(\(key.groupID), \(text(value.map { "epoch \($0.epoch)" })))"
        case .consumerTopics(let key, let value): "topics(\(key.groupID), \(text(value.map { _ in "…" })))"
        case .consumerMember(let key, let value): "member(\(key.memberID), \(text(value.map { _ in "…" })))"
        case .consumerTarget(let key, let value):
            "target(\(key.groupID), \(text(value.map { "epoch \($0.assignmentEpoch)" })))"
        case .consumerMemberTarget(let key, let value):
            "target(\(key.memberID), "
                + "\(text(value.map { partitions($0.topicPartitions.map { ($0.topicID, $0.partitions) }) })))"
        case .consumerMemberCurrent(let key, let value): "current(\(key.memberID), \(text(value.map(current))))"
        }
    }
}

private func current(_ value: ConsumerGroupCurrentMemberAssignmentValue) -> String {
    let assigned = partitions(value.assignedPartitions.map { ($0.topicID, $0.partitions) })
    let pending = partitions(value.partitionsPendingRevocation.map { ($0.topicID, $0.partitions) })
    return "epoch \(value.previousMemberEpoch)→\(value.memberEpoch) \(assigned) revoking \(pending)"
}

private func partitions(_ topics: [(TopicID, [Int32])]) -> String { "\(SimulatedPartition.list(topics))" }
private func error(_ code: Int16) -> String { ErrorCode(rawValue: code).name }
private func text(_ text: String?) -> String { text ?? "nil" }
