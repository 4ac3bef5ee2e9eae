// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

/// What a test planned for requests and answers. A value: decides, and does nothing.
struct FaultPlan: Sendable {
    /// Requests that are refused without being carried out.
    struct Refusal: Sendable {
        var id: Int
        var apiKey: APIKey
        var error: ErrorCode
        var partition: TopicPartition?
        var group: String?
        var timesLeft: Int

        func matches(_ apiKey: APIKey, _ target: RefusalTarget) -> Bool {
            guard apiKey == self.apiKey else { return false }
            return switch target {
            case .request: self.partition == nil && self.group == nil
            case .group(let group), .key(let group): self.partition == nil && (self.group == nil || self.group == group)
            case .leader(let partition), .item(let partition):
                self.partition == partition || (self.partition == nil && self.group == nil)
            }
        }
    }

    /// What becomes of answers to requests that were carried out.
    struct AnswerRule: Sendable {
        enum Effect: Sendable {
            case hold
            case delay(Duration)
            case lose
        }

        var id: Int
        var apiKey: APIKey
        var clientID: String?
        var effect: Effect
        var timesLeft: Int
    }

    private(set) var refusals: [Refusal] = []
    private(set) var answerRules: [AnswerRule] = []
    private var lastID = 0

    mutating func refuse(
        _ apiKey: APIKey, with error: ErrorCode, times: Int, partition: TopicPartition?, group: String?
    ) {
        self.lastID += 1
        self.refusals.append(
            Refusal(
                id: self.lastID, apiKey: apiKey, error: error, partition: partition, group: group, timesLeft: times))
    }

    mutating func answer(_ apiKey: APIKey, clientID: String?, _ effect: AnswerRule.Effect, times: Int) -> Int {
        self.lastID += 1
        self.answerRules.append(
            AnswerRule(id: self.lastID, apiKey: apiKey, clientID: clientID, effect: effect, timesLeft: times))
        return self.lastID
    }

    mutating func removeAll() {
        self.refusals = []
        self.answerRules = []
    }

    mutating func remove(_ id: Int) { self.answerRules.removeAll { $0.id == id } }

    /// Whether requests of an API may be refused.
    func refuses(_ apiKey: APIKey) -> Bool { self.refusals.contains { $0.apiKey == apiKey } }

    /// The error that a part of a request meets.
    ///
    /// - Parameter used: the refusals that other parts of the same request met: a request counts once.
    mutating func refusal(_ apiKey: APIKey, _ target: RefusalTarget, used: inout Set<Int>) -> ErrorCode? {
        let found = self.refusals.firstIndex { refusal in
            refusal.matches(apiKey, target) && (used.contains(refusal.id) || refusal.timesLeft > 0)
        }
        guard let found else { return nil }
        if used.insert(self.refusals[found].id).inserted { self.refusals[found].timesLeft -= 1 }
        return self.refusals[found].error
    }

    /// Forgets refusals that have happened often enough.
    mutating func forgetSpentRefusals() { self.refusals.removeAll { $0.timesLeft <= 0 } }

    /// What becomes of an answer.
    mutating func meetAnswer(_ apiKey: APIKey, clientID: String?) -> AnswerRule? {
        let found = self.answerRules.firstIndex { rule in
            rule.apiKey == apiKey && (rule.clientID == nil || rule.clientID == clientID)
        }
        guard let found else { return nil }
        self.answerRules[found].timesLeft -= 1
        let rule = self.answerRules[found]
        if rule.timesLeft <= 0 { self.answerRules.remove(at: found) }
        return rule
    }
}

/// A part of a request that can be refused by itself.
enum RefusalTarget: Hashable, Sendable {
    /// All of it.
    case request
    /// All of it, or what it has about a group, for requests that only its coordinator answers.
    case group(String)
    /// A group, for requests that others than its coordinator answer.
    case key(String)
    /// A partition, for requests that only its leader answers.
    case leader(TopicPartition)
    /// A partition, for requests that others answer.
    case item(TopicPartition)
}
