// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire

@testable import GroupCoordinator

/// How often what happened in simulations: one that never sees a crash or a refused zombie shows nothing.
struct SimulationTally: CustomStringConvertible {
    enum Event: Hashable {
        case crash, lostBatches, cleanedLog, abandonedRequest
        case upgrade, downgrade
        case expiredOffsets, deletedOffsets, deletedGroup, forgottenTopic, reset, removedMember
        case answer(ErrorCode)
    }

    private(set) var counts: [Event: Int] = [:]

    mutating func note(_ event: Event) { self.counts[event, default: 0] += 1 }

    mutating func note(_ answer: GroupAnswer) { for code in answer.errorCodes { self.note(.answer(code)) } }

    mutating func note(_ records: [CoordinatorRecord]) {
        if records.contains(where: { if case .consumerGroup(_, nil) = $0 { true } else { false } }) {
            let isClassicNow = records.contains { if case .classicGroup(_, .some) = $0 { true } else { false } }
            if isClassicNow { self.note(.downgrade) }
        } else if records.contains(where: { if case .classicGroup(_, nil) = $0 { true } else { false } }) {
            let isConsumerNow = records.contains { if case .consumerGroup(_, .some) = $0 { true } else { false } }
            if isConsumerNow { self.note(.upgrade) }
        }
    }

    mutating func add(_ other: SimulationTally) { self.counts.merge(other.counts, uniquingKeysWith: +) }

    /// What must have happened in some hundreds of seeds.
    var missing: [Event] {
        let codes: [ErrorCode] = [
            .none, .illegalGeneration, .unknownMemberID, .rebalanceInProgress, .memberIDRequired, .groupMaxSizeReached,
            .fencedInstanceID, .fencedMemberEpoch, .unreleasedInstanceID, .staleMemberEpoch, .unknownTopicID,
            .groupIDNotFound, .nonEmptyGroup, .groupSubscribedToTopic, .coordinatorNotAvailable,
        ]
        let acts: [Event] = [
            .crash, .lostBatches, .cleanedLog, .abandonedRequest, .upgrade, .downgrade, .expiredOffsets,
            .deletedOffsets, .deletedGroup, .forgottenTopic, .reset, .removedMember,
        ]
        return (acts + codes.map { .answer($0) }).filter { self.counts[$0] == nil }
    }

    var description: String {
        let lines = self.counts.map { event, count in
            if case .answer(let code) = event { "\(code.name) \(count)" } else { "\(event) \(count)" }
        }
        return lines.sorted().joined(separator: ", ")
    }
}

extension GroupAnswer {
    /// The errors that it tells of, one for each partition where it has some.
    fileprivate var errorCodes: [ErrorCode] {
        switch self {
        case .join(let response): [ErrorCode(rawValue: response.errorCode)]
        case .sync(let response): [ErrorCode(rawValue: response.errorCode)]
        case .heartbeat(let response): [ErrorCode(rawValue: response.errorCode)]
        case .leave(let response): [ErrorCode(rawValue: response.errorCode)]
        case .consumerHeartbeat(let response): [ErrorCode(rawValue: response.errorCode)]
        case .commit(let response):
            response.topics.flatMap { $0.partitions.map { ErrorCode(rawValue: $0.errorCode) } }
        case .fetch(let response): [ErrorCode(rawValue: response.errorCode)]
        case .deleteOffsets(let response):
            [ErrorCode(rawValue: response.errorCode)]
                + response.topics.flatMap { $0.partitions.map { ErrorCode(rawValue: $0.errorCode) } }
        case .deleteGroup(let response): [ErrorCode(rawValue: response.errorCode)]
        }
    }
}
