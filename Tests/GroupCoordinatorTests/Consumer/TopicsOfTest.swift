// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaTypes

/// Topics as a test wants them. An expression is a name in which `.*` stands for anything; `[` alone is not valid.
struct TopicsOfTest: TopicsView {
    var version: Int64 = 1
    var byName: [String: TopicFacts] = [:]

    /// Called whenever an expression is matched against all topics.
    var onMatch: @Sendable () -> Void = {}

    /// The id of a topic: from its name and which one of that name it is, so that traces are the same each time.
    static func id(of name: String, incarnation: UInt64 = 1) -> TopicID {
        TopicID(high: incarnation, low: name.utf8.reduce(0) { $0 << 8 | UInt64($1) })
    }

    mutating func set(_ facts: [TopicFacts]) {
        self.byName = Dictionary(uniqueKeysWithValues: facts.map { ($0.name, $0) })
        self.version += 1
    }

    func topic(named name: String) -> TopicFacts? { self.byName[name] }

    func topic(id: TopicID) -> TopicFacts? { self.byName.values.first { $0.id == id } }

    func names(matching pattern: String) throws(TopicPatternError) -> [String] {
        self.onMatch()
        if pattern == "[" { throw TopicPatternError("missing ] at 1") }
        let prefix = pattern.hasSuffix(".*") ? String(pattern.dropLast(2)) : nil
        return self.byName.keys.filter { prefix.map($0.hasPrefix) ?? ($0 == pattern) }.sorted()
    }
}
