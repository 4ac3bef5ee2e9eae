// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

/// What a ConsumerGroupHeartbeat must look like, whatever the state of the group.
enum HeartbeatRules {
    /// The version from which on clients make their member ids themselves (KIP-1082).
    private static let clientMakesMemberID: Int16 = 1

    /// - Throws: INVALID_REQUEST or UNSUPPORTED_ASSIGNOR.
    static func check(
        _ request: ConsumerGroupHeartbeatRequest, _ call: GroupCall, _ settings: GroupSettings
    ) throws(ConsumerRefusal) {
        let isNamed = call.apiVersion >= Self.clientMakesMemberID || request.memberEpoch != 0
        if isNamed { try Self.checkText(request.memberID, "MemberId") }
        try Self.checkText(request.groupID, "GroupId")
        try Self.checkText(request.instanceID, "InstanceId")
        try Self.checkText(request.rackID, "RackId")
        switch request.memberEpoch {
        case 0: try Self.checkJoin(request)
        case CurrentAssignment.awayEpoch where request.instanceID == nil:
            throw Self.invalid("InstanceId can't be null when MemberEpoch is \(request.memberEpoch).")
        case ..<CurrentAssignment.awayEpoch:
            throw Self.invalid("MemberEpoch is invalid: \(request.memberEpoch).")
        default: break
        }
        guard (-1...WeightRule.weightMax).contains(request.weight) else {
            throw Self.invalid("Weight must be from 0 to \(WeightRule.weightMax), or -1 for none: \(request.weight).")
        }
        guard let name = request.serverAssignor else { return }
        guard settings.consumerAssignors.contains(name), Assignors.named(name) != nil else {
            let supported = settings.consumerAssignors.joined(separator: ", ")
            throw ConsumerRefusal(
                .unsupportedAssignor, "ServerAssignor \(name) is not supported. Supported assignors: \(supported)."
            )
        }
    }

    /// A member that joins, or joins anew, says everything that there is to know about it, and has nothing.
    private static func checkJoin(_ request: ConsumerGroupHeartbeatRequest) throws(ConsumerRefusal) {
        if request.rebalanceTimeoutMs < 0 {
            throw Self.invalid("RebalanceTimeoutMs must be provided in first request.")
        }
        guard let owned = request.topicPartitions, owned.isEmpty else {
            throw Self.invalid("TopicPartitions must be empty when (re-)joining.")
        }
        if request.subscribedTopicNames == nil, request.subscribedTopicRegex == nil {
            throw Self.invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
        }
    }

    private static func checkText(_ text: String?, _ field: String) throws(ConsumerRefusal) {
        guard let text, text.allSatisfy(\.isWhitespace) else { return }
        throw Self.invalid("\(field) can't be empty.")
    }

    private static func invalid(_ message: String) -> ConsumerRefusal { ConsumerRefusal(.invalidRequest, message) }
}
