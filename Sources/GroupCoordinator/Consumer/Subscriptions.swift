// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// What a member wants: topics by name, and those whose names a regular expression matches.
struct Subscription: Sendable, Hashable {
    /// Ascending, none twice.
    private(set) var names: [String] = []
    /// Nil for none.
    private(set) var pattern: String?

    init() {}

    /// Names in any order; an empty expression is none.
    init(names: [String], pattern: String?) {
        self.names = Set(names).sorted()
        self.pattern = pattern?.isEmpty == true ? nil : pattern
    }
}

/// The subscriptions of a group's members, each kept once however many members have it, and the topics that they mean.
///
/// What they mean is found again only when a subscription came or went, or the topics changed.
struct SubscriptionTable: Sendable {
    private struct Entry {
        let subscription: Subscription
        var memberCount = 0
        /// What was found when it was last looked for; nil before.
        var topics: Set<TopicID>?
    }

    private var entries: [Int: Entry] = [:]
    private var slots: [Subscription: Int] = [:]
    private var nextSlot = 0
    /// The version of the topics that `entries` were resolved for; nil when some entry has not been.
    private var resolvedVersion: Int64?
    /// The names that each expression matches, as of `matchesVersion`.
    private var matches: [String: [String]] = [:]
    private var matchesVersion: Int64?

    /// A member has that subscription. Returns the number by which it is found.
    mutating func enter(_ subscription: Subscription) -> Int {
        if let slot = self.slots[subscription] {
            self.entries[slot]?.memberCount += 1
            return slot
        }
        let slot = self.nextSlot
        self.nextSlot += 1
        self.slots[subscription] = slot
        self.entries[slot] = Entry(subscription: subscription, memberCount: 1)
        self.resolvedVersion = nil
        return slot
    }

    /// A member no longer has it.
    mutating func leave(_ slot: Int) {
        guard let entry = self.entries[slot] else { return }
        if entry.memberCount > 1 {
            self.entries[slot]?.memberCount -= 1
        } else {
            self.entries[slot] = nil
            self.slots[entry.subscription] = nil
            self.resolvedVersion = nil
        }
    }

    /// Whether `resolve` would find nothing new. Constant time.
    func isResolved(for topics: any TopicsView) -> Bool { self.resolvedVersion == topics.version }

    /// The topics of a subscription, as of the last `resolve`.
    func topics(of slot: Int) -> Set<TopicID> { self.entries[slot]?.topics ?? [] }

    /// The names that an expression matches. Linear in the number of topics once for each expression and version of the
    /// topics, else constant.
    mutating func names(
        matching pattern: String, _ topics: any TopicsView
    ) throws(TopicPatternError) -> [String] {
        if self.matchesVersion != topics.version {
            self.matches = [:]
            self.matchesVersion = topics.version
        }
        if let names = self.matches[pattern] { return names }
        let names = try topics.names(matching: pattern)
        self.matches[pattern] = names
        return names
    }

    /// Finds what all subscriptions mean now.
    ///
    /// - Returns: the topics of all of them, and whether one that was known means something else than before.
    mutating func resolve(_ topics: any TopicsView) -> (facts: [TopicID: TopicFacts], changed: Bool) {
        var facts: [TopicID: TopicFacts] = [:]
        var changed = false
        for (slot, entry) in self.entries {
            var names = entry.subscription.names
            if let pattern = entry.subscription.pattern {
                // It was valid when its member sent it. Should it no longer be, the member hears so when it sends it
                // again, and has no topics by it until then.
                names += (try? self.names(matching: pattern, topics)) ?? []
            }
            var ids: Set<TopicID> = []
            for name in names {
                guard let topic = topics.topic(named: name) else { continue }
                ids.insert(topic.id)
                facts[topic.id] = topic
            }
            changed = changed || entry.topics.map { $0 != ids } ?? false
            self.entries[slot]?.topics = ids
        }
        let patterns = Set(self.entries.values.compactMap(\.subscription.pattern))
        self.matches = self.matches.filter { patterns.contains($0.key) }
        self.resolvedVersion = topics.version
        return (facts, changed)
    }

    /// Whether some member wants that topic; true as well when what an expression matches has not been looked for.
    func includes(_ name: String) -> Bool {
        self.entries.values.contains { entry in
            if entry.subscription.names.contains(name) { return true }
            guard let pattern = entry.subscription.pattern else { return false }
            return self.matches[pattern]?.contains(name) ?? true
        }
    }
}
