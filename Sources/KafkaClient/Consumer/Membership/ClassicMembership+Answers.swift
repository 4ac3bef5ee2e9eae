// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

extension ClassicMembership {
    mutating func answered(
        _ answer: MembershipAnswer, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        switch self.phase {
        case .ended:
            return .none
        case .leaving:
            return self.answeredWhileLeaving(answer)
        default:
            break
        }
        switch answer {
        case .join(let response): return self.joined(response, nowMs: nowMs, using: &generator)
        case .lead(let outcome): return self.led(outcome, nowMs: nowMs)
        case .sync(let response): return self.synced(response, nowMs: nowMs, using: &generator)
        case .heartbeat(let response): return self.beaten(response, nowMs: nowMs, using: &generator)
        case .topics(let counts): return self.lookedUp(counts, nowMs: nowMs)
        case .consumerHeartbeat, .left:
            preconditionFailure("a classic member does not ask for that")
        }
    }

    mutating func failed(
        _ error: KafkaClientError, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        switch self.phase {
        case .ended:
            return .none
        case .leaving:
            if self.isLeaveSent { self.phase = .ended }
            return .none
        default:
            break
        }
        // A cluster that was there before is expected to come back.
        guard error.isRetriable || (!self.memberID.isEmpty && error.isUnreachable) else {
            return self.end(self.explained(error))
        }
        // Whether it was carried out is not known: who joins again finds out. Leading goes on where it was.
        if case .syncing = self.phase { self.phase = .joining }
        return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
    }

    private mutating func answeredWhileLeaving(_ answer: MembershipAnswer) -> MembershipReaction {
        switch answer {
        // It was on its way when the driver decided to leave, and says who is to leave.
        case .join(let response):
            if !response.memberID.isEmpty { self.memberID = response.memberID }
        case .left:
            self.phase = .ended
        default:
            break
        }
        return .none
    }

    // MARK: JoinGroup

    private mutating func joined(
        _ response: JoinGroupResponse, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else {
            if errorCode == .memberIDRequired, self.memberID.isEmpty, !response.memberID.isEmpty {
                // KIP-394: the coordinator wants to see a member twice before it keeps a place for it.
                self.memberID = response.memberID
                return .none
            }
            // Coordinators say so while they take a group over, and joining is what the member does already.
            guard errorCode != .rebalanceInProgress else {
                let error = KafkaClientError(errorCode, subject: "group \(self.configuration.groupID)")
                return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
            }
            return self.refused(errorCode, nowMs: nowMs, using: &generator)
        }
        guard let assignor = self.configuration.assignors.first(where: { $0.name == response.protocolName }),
            response.protocolType ?? ConsumerProtocol.type == ConsumerProtocol.type, !response.memberID.isEmpty,
            response.generationID >= 0
        else {
            return self.end(
                KafkaClientError(
                    .malformedResponse,
                    "the answer to JoinGroup puts the member \(response.memberID) of group"
                        + " \(self.configuration.groupID) into generation \(response.generationID) with the protocol"
                        + " \(response.protocolName ?? "null") of type \(response.protocolType ?? "null")"))
        }
        self.memberID = response.memberID
        self.joined(generation: response.generationID, protocolName: response.protocolName, nowMs: nowMs)
        guard response.leader == self.memberID else {
            self.phase = .syncing([])
            return .none
        }
        self.phase = .leading(
            ClassicLeadership(
                response, groupID: self.configuration.groupID, assignor: assignor, isCooperative: self.isCooperative))
        return .none
    }

    private mutating func led(_ outcome: ClassicLeadership.Outcome, nowMs: Int64) -> MembershipReaction {
        guard case .leading(let leadership) = self.phase else { return .none }
        switch outcome.assignments {
        case .success(let assignments):
            self.shared(leadership, outcome.partitionCounts, nowMs: nowMs)
            self.phase = .syncing(assignments)
            return .none
        case .failure(let error):
            return self.end(error)
        }
    }

    // MARK: SyncGroup

    private mutating func synced(
        _ response: SyncGroupResponse, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else {
            self.phase = .joining
            return self.refused(errorCode, nowMs: nowMs, using: &generator)
        }
        let partitions: Set<TopicPartition>
        do throws(WireError) {
            partitions = try ConsumerProtocol.partitions(response.assignment)
        } catch {
            return self.end(
                KafkaClientError(
                    .malformedResponse,
                    "the leader of group \(self.configuration.groupID) has sent an assignment that cannot be read:"
                        + " \(error)", cause: error))
        }
        let topics = self.topics ?? []
        if let stray = partitions.first(where: { !topics.contains($0.topic) }) {
            // The leader knows an older subscription of a static member: it learns of this one when the member joins
            // once more.
            self.phase = .joining
            self.joinReason = "assigned \(stray), to which it is not subscribed"
            let error = KafkaClientError(
                .malformedResponse,
                "group \(self.configuration.groupID) has assigned \(stray), to which this member is not subscribed")
            return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
        }
        self.heard(nowMs: nowMs)
        return self.assigned(partitions)
    }

    // MARK: Heartbeat

    private mutating func beaten(
        _ response: HeartbeatResponse, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else { return self.refused(errorCode, nowMs: nowMs, using: &generator) }
        self.heard(nowMs: nowMs)
        return .none
    }

    // MARK: Topics

    private mutating func lookedUp(_ counts: [String: Int], nowMs: Int64) -> MembershipReaction {
        self.nextTopicsMs = nowMs + self.configuration.topicsInterval.milliseconds
        if case .matching(let matches) = self.configuration.topics {
            let isFirst = self.topics == nil
            if self.subscribe(Set(counts.keys.filter(matches))), !isFirst {
                self.mustRejoin(because: "the subscribed topics have changed")
            }
        }
        if let (topics, old) = self.sharedOut, counts.filter({ topics.contains($0.key) }) != old {
            self.mustRejoin(because: "the number of partitions has changed")
        }
        return self.rejoinIfNeeded()
    }

    // MARK: Refusals

    /// What a refusal of any request means.
    private mutating func refused(
        _ errorCode: ErrorCode, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> MembershipReaction {
        let error = KafkaClientError(errorCode, subject: "group \(self.configuration.groupID)")
        switch errorCode {
        case .rebalanceInProgress:
            self.heard(nowMs: nowMs)
            self.mustRejoin(because: nil)
            return self.rejoinIfNeeded()
        case .unknownMemberID:
            self.memberID = ""
            return self.lose(error, nowMs: nowMs, using: &generator)
        case .illegalGeneration:
            return self.lose(error, nowMs: nowMs, using: &generator)
        case .memberIDRequired:
            return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
        case let code where code.isRetriable:
            return self.tryAgain(after: error, nowMs: nowMs, using: &generator)
        default:
            return self.end(self.explained(error))
        }
    }

    private func explained(_ error: KafkaClientError) -> KafkaClientError {
        var error = error
        let group = self.configuration.groupID
        switch error.errorCode {
        case .fencedInstanceID:
            error.message =
                "another member of group \(group) has taken the instance id \(self.configuration.instanceID ?? "")"
        case .inconsistentGroupProtocol:
            let names = self.configuration.assignors.map(\.name).joined(separator: ", ")
            error.message =
                "the members of group \(group) have no assignor in common with this one, which has \(names), or they"
                + " are no consumers"
        case .invalidSessionTimeout:
            error.message +=
                "; the session time-out is \(self.configuration.sessionTimeout), and the broker's limits are"
                + " group.min.session.timeout.ms and group.max.session.timeout.ms"
        default:
            break
        }
        return error
    }
}
