// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// A shard, its clock and its clients while a scenario runs.
struct ScenarioWorld {
    var shard = GroupShard()
    var settings = GroupSettings()
    var topics = ScenarioTopics()
    /// Milliseconds of both clocks; the wall clock is `wallBaseMs` ahead.
    var nowMs: Int64 = 0
    /// Every record so far, encoded and decoded again.
    private(set) var records: [CoordinatorRecord] = []
    var clients: [String: ScenarioClient] = [:]

    private var trace: [String] = []
    private var nextToken: UInt64 = 1
    /// Which client's request a token is.
    private var requests: [RequestToken: (client: String, what: String)] = [:]
    private var freshIDs: UInt64 = 0
    /// Ids that the shard may give out, and to whom; they get a short name when they first show.
    private var offeredIDs: [String: String] = [:]
    private(set) var names: [String: String] = [:]
    private var nameCounts: [String: Int] = [:]

    static let wallBaseMs: Int64 = 1_700_000_000_000
    static let defaultGroup = "g"

    init() {
        // The first is what groups use whose members ask for nothing: easy to foresee.
        self.settings.consumerAssignors = ["range", "uniform", "weighted"]
    }

    typealias Verb = @Sendable (inout ScenarioWorld, ScenarioArguments) -> Void

    /// Everything that a scenario can say.
    static let verbs: [String: Verb] = Self.commonVerbs.merging(Self.classicVerbs) { first, _ in first }
        .merging(Self.consumerVerbs) { first, _ in first }

    var environment: GroupEnvironment {
        let now = GroupTime(monotonicMs: self.nowMs, wallMs: Self.wallBaseMs + self.nowMs)
        return GroupEnvironment(now: now, topics: self.topics, settings: self.settings)
    }

    // MARK: Running

    /// One line: `t+1000 verb words options`, where the time and the rest may each be left out.
    mutating func run(_ line: String) {
        var command = line
        if line.hasPrefix("t+") {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            self.advance(by: Int64(parts[0].dropFirst(2)) ?? 0)
            guard parts.count > 1 else { return }
            command = parts[1]
        }
        let arguments = ScenarioArguments(command)
        guard let verb = Self.verbs[arguments.verb] else { return self.note("no such command: \(arguments.verb)") }
        verb(&self, arguments)
    }

    mutating func note(_ line: String) { self.trace.append(line) }

    mutating func takeTrace() -> [String] {
        defer { self.trace = [] }
        return self.trace
    }

    /// Lets time pass, and the shard do what is due at each of its wake-ups.
    mutating func advance(by milliseconds: Int64) {
        let end = self.nowMs + milliseconds
        while let next = self.shard.nextWakeUp, next <= end {
            self.nowMs = max(self.nowMs, next)
            let effects = self.shard.expire(self.environment)
            if let again = self.shard.nextWakeUp, again <= self.nowMs { return self.note("expire does not end") }
            if effects.isEmpty { continue }
            self.note("at \(self.nowMs):")
            self.take(effects)
        }
        self.nowMs = end
    }

    // MARK: Requests

    /// A call by that client; `what` is what its answer is shown as.
    mutating func call(_ client: String, _ what: String, version: Int16) -> GroupCall {
        let token = RequestToken(self.nextToken)
        self.nextToken += 1
        self.freshIDs += 1
        self.requests[token] = (client, what)
        return GroupCall(
            token: token, apiVersion: version, clientID: client, clientHost: "/127.0.0.1",
            freshID: UUID128(high: 0x4000, low: self.freshIDs)
        )
    }

    /// The id that the shard makes of a call's random id shows as `client.1`, `client.2`, …
    mutating func expectID(_ id: String, of client: String) { self.offeredIDs[id] = client }

    /// The token of a client's latest request.
    func latestToken(of client: String) -> RequestToken? {
        self.requests.filter { $0.value.client == client }.keys.max { $0.rawValue < $1.rawValue }
    }

    mutating func take(_ effects: GroupEffects) {
        for record in effects.records {
            self.note("+ \(self.text(of: record))")
            do {
                let bytes = try record.encoded()
                guard let again = try CoordinatorRecord(key: bytes.key, value: bytes.value) else {
                    self.note("a record of unknown kind")
                    continue
                }
                self.records.append(again)
            } catch { self.note("a record that cannot be written: \(error)") }
        }
        for answered in effects.answers {
            guard let request = self.requests[answered.token] else {
                self.note("an answer to nobody")
                continue
            }
            let text = self.text(of: answered.answer, to: request.client)
            self.note("\(request.client): \(request.what) \(text)\(answered.waitsForWrites ? "" : " (at once)")")
        }
    }

    // MARK: Ids

    /// The short name of a member id.
    mutating func name(of id: String) -> String {
        if id.isEmpty { return "-" }
        if let name = self.names[id] { return name }
        guard let client = self.offeredIDs[id] else { return id }
        self.nameCounts[client, default: 0] += 1
        let name = "\(client).\(self.nameCounts[client, default: 0])"
        self.names[id] = name
        return name
    }

    /// The member id of a short name; `-` is none, other texts are themselves.
    func id(named name: String) -> String {
        if name == "-" { return "" }
        return self.names.first { $0.value == name }?.key ?? name
    }

    // MARK: Replay

    /// A shard of the same log.
    func replayed() -> GroupShard {
        var shard = GroupShard()
        for record in self.records { shard.replay(record) }
        return shard
    }

    /// What a shard that reads all records does not know as this one does: nothing, if all is well.
    func differencesAfterReplay() -> [String] {
        let replayed = self.replayed()
        return self.classicDifferences(from: replayed) + self.consumerDifferences(from: replayed)
    }
}

/// The topics of a scenario: `topics foo=3`.
struct ScenarioTopics: TopicsView {
    var version: Int64 = 0
    private var byName: [String: TopicFacts] = [:]

    mutating func set(_ name: String, partitions: Int32?) {
        self.version += 1
        let id = self.byName[name]?.id ?? UUID128(high: 1, low: UInt64(self.version))
        self.byName[name] = partitions.map { TopicFacts(id: id, name: name, partitionCount: $0) }
    }

    func topic(named name: String) -> TopicFacts? { self.byName[name] }

    func topic(id: TopicID) -> TopicFacts? { self.byName.values.first { $0.id == id } }

    func names(matching pattern: String) throws(TopicPatternError) -> [String] {
        guard let regex = try? Regex(pattern) else { throw TopicPatternError("\(pattern) is no regular expression") }
        return self.byName.keys.filter { $0.wholeMatch(of: regex) != nil }.sorted()
    }
}

/// What a client remembers between its requests, as a real one does.
struct ScenarioClient {
    var id = ""
    var generation: Int32 = -1
    var instance: String?
    var type = "consumer"
    var protocols = ["range"]
    var topics = ["foo"]
    /// In place of subscriptions.
    var metadata: String?
    var sessionMs: Int32 = 10_000
    var rebalanceMs: Int32 = 30_000
    var joinVersion: Int16 = 9
}

extension ScenarioWorld {
    static let commonVerbs: [String: Verb] = [
        // settings initialDelay=3000 maxSize=2
        "settings": { world, arguments in
            for key in arguments.keys {
                switch key {
                case "initialDelay": world.settings.initialRebalanceDelayMs = arguments.number(key) ?? 0
                case "consumerMaxSize": world.settings.consumerMaxSize = arguments.number(key) ?? 0
                case "maxSize": world.settings.maxSize = arguments.number(key) ?? 0
                case "joinTimeout": world.settings.newMemberJoinTimeoutMs = arguments.number(key) ?? 0
                case "policy":
                    world.settings.migrationPolicy = arguments[key].flatMap { .init(rawValue: $0) } ?? .disabled
                default: world.note("no such setting: \(key)")
                }
            }
        },
        // topics foo=3 bar=-: partitions, or - for a topic that is gone
        "topics": { world, arguments in
            for key in arguments.keys { world.topics.set(key, partitions: arguments.number(key)) }
        },
        // The coordinator is started anew from its records: nobody gets an answer any more.
        "restart": { world, _ in
            world.shard = world.replayed()
            world.take(world.shard.finishLoading(world.environment))
        },
    ]
}
