// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import GroupCoordinator

/// What happens to one consumer group, as text: a line that begins with `> ` is a step, the lines after it are what came
/// of it. `check` runs the steps and compares. After `>> ` a step is only run: what comes of it is told elsewhere.
///
///     > topics x=2 y=1           the topics that there are now; `x=2#2` for another one of that name
///     > set max-size=1           configs; see `set`
///     > join a x,y key=value …   heartbeat with epoch 0, all fields set
///     > beat a 3 key=value …     heartbeat with that epoch, only the given fields set
///     > leave a, > away a        heartbeat with epoch -1, -2
///     > at 5000                  the time, in milliseconds; the group is looked at whenever it wants to be until then
///     > commit a 3, > fetch a 3  whether the offsets of a member of that epoch may be written, read
///     > classic empty, busy      a classic group of that name is there, with no member or with one
///     > restart                  loads the group from what it has written
///     > state, > describe
///
/// Answers: `a@3 x:0,1` is epoch 3 and an assignment, `a@3` one without; `(now)` when it does not wait for writes.
/// Records: `+ member a x` is written, `- member a` a tombstone; `current a@3<2` has 2 as its previous epoch.
/// After each step the records are loaded into another shard, which must then know the same.
struct ConsumerStory {
    static let groupID = "g"

    var shard = GroupShard()
    var settings = GroupSettings()
    var topics = TopicsOfTest()
    var nowMs: Int64 = 0
    private var written: [CoordinatorRecord] = []
    private var calls: UInt64 = 0
    private var trace: [String] = []

    init() {
        // The first is what groups use that ask for nothing: easy to foresee.
        self.settings.consumerAssignors = ["range", "uniform", "weighted"]
    }

    static func check(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
        var story = Self()
        let expected = text.split(separator: "\n").map { $0.trimmingSuffix(" ") }
        for line in expected where line.hasPrefix("> ") || line.hasPrefix(">> ") {
            story.trace.append(line)
            let told = story.trace.count
            story.step(line.drop { $0 == ">" }.split(separator: " ").map(String.init))
            if line.hasPrefix(">> ") { story.trace.removeSubrange(told...) }
            for problem in story.problems { story.say("!! \(problem)") }
        }
        guard story.trace != expected else { return }
        Issue.record("what happened:\n\(story.trace.joined(separator: "\n"))", sourceLocation: sourceLocation)
    }

    /// Runs steps, one a line, and returns what came of them.
    @discardableResult
    mutating func run(_ steps: String) -> [String] {
        self.trace = []
        for line in steps.split(separator: "\n") { self.step(line.split(separator: " ").map(String.init)) }
        return self.trace
    }

    // MARK: Steps

    private mutating func step(_ words: [String]) {
        let options = Options(words.dropFirst(2))
        switch words[0] {
        case "topics": self.topics.set(words.dropFirst().map(Self.topic))
        case "set": for (key, value) in Options(words.dropFirst()).all { self.set(key, value) }
        case "join": self.heartbeat(Self.joining(words[1], words[2]), options)
        case "beat": self.heartbeat(Self.beating(words[1], words[2]), options)
        case "leave": self.heartbeat(Self.beating(words[1], "-1"), options)
        case "away": self.heartbeat(Self.beating(words[1], "-2"), options)
        case "at": self.wait(until: Int64(words[1]) ?? 0)
        case "commit": self.trace.append(self.refusalOfCommit(words[1], words[2]))
        case "fetch": self.trace.append(self.refusalOfFetch(words[1], words[2]))
        case "restart": self.restart()
        case "state": self.trace.append(self.shard.consumerGroups[Self.groupID]?.state.rawValue ?? "none")
        case "describe": self.describe()
        case "classic": self.classic(words[1])
        default: self.trace.append("!! no such step")
        }
    }

    private mutating func set(_ key: String, _ value: String) {
        let number = Int32(value) ?? 0
        switch key {
        case "max-size": self.settings.consumerMaxSize = number
        case "session": self.settings.consumerSessionTimeoutMs = number
        case "group-session": self.settings.groups[Self.groupID, default: .init()].consumerSessionTimeoutMs = number
        case "group-interval":
            self.settings.groups[Self.groupID, default: .init()].consumerHeartbeatIntervalMs = number
        case "assignors": self.settings.consumerAssignors = value.split(separator: ",").map(String.init)
        case "weights":
            self.settings.groups[Self.groupID, default: .init()].weights = value.split(separator: ",").map { rule in
                let parts = rule.split(separator: ":")
                return WeightRule(subject: .clientID, pattern: String(parts[0]), weight: Int32(parts[1]) ?? 0)
            }
        default: self.trace.append("!! no such config")
        }
    }

    private mutating func heartbeat(_ request: ConsumerGroupHeartbeatRequest, _ options: Options) {
        var request = request
        options.apply(to: &request)
        self.calls += 1
        let call = GroupCall(
            token: RequestToken(self.calls), apiVersion: Int16(options["v"] ?? "1") ?? 1,
            clientID: options["client"] ?? "client-\(request.memberID)", clientHost: "/127.0.0.1",
            freshID: UUID128(high: 0, low: self.calls)
        )
        self.note(self.shard.consumerHeartbeat(request, call, self.environment))
    }

    private mutating func wait(until time: Int64) {
        while let next = self.shard.nextWakeUp, next <= time {
            self.nowMs = max(self.nowMs, next)
            let effects = self.shard.expire(self.environment)
            if !effects.isEmpty { self.trace.append("at \(self.nowMs)") }
            self.note(effects)
        }
        self.nowMs = time
    }

    private mutating func restart() {
        self.shard = self.reloaded()
        self.note(self.shard.finishLoading(self.environment))
    }

    private mutating func classic(_ kind: String) {
        var key = GroupMetadataKey()
        key.group = Self.groupID
        var value = GroupMetadataValue()
        value.protocolType = "consumer"
        value.generation = 3
        if kind == "busy" {
            var member = GroupMetadataValue.MemberMetadata()
            member.memberID = "classic-member"
            value.members = [member]
        }
        self.written.append(.classicGroup(key, value))
        self.shard.replay(.classicGroup(key, value))
    }

    private func refusalOfCommit(_ member: String, _ epoch: String) -> String {
        var request = OffsetCommitRequest()
        request.groupID = Self.groupID
        request.memberID = member == "-" ? "" : member
        request.generationIDOrMemberEpoch = Int32(epoch) ?? 0
        guard let group = self.shard.consumerGroups[Self.groupID] else { return "no group" }
        return group.refusalOfCommit(request)?.name ?? "allowed"
    }

    private func refusalOfFetch(_ member: String, _ epoch: String) -> String {
        guard let group = self.shard.consumerGroups[Self.groupID] else { return "no group" }
        let memberID = member == "-" ? nil : member
        return group.refusalOfFetch(memberID: memberID, memberEpoch: Int32(epoch) ?? 0)?.name ?? "allowed"
    }

    private mutating func describe() {
        let group = self.shard.describeConsumer(Self.groupID, self.environment)
        if group.errorCode != 0 {
            self.say(ErrorCode(rawValue: group.errorCode).name + Self.wrapped(group.errorMessage ?? ""))
            return
        }
        self.trace.append(
            "\(group.groupState) epoch=\(group.groupEpoch) target=\(group.assignmentEpoch) \(group.assignorName)"
        )
        for member in group.members {
            let assigned = member.assignment.topicPartitions.map { "\($0.topicName):\(list($0.partitions))" }
            let target = member.targetAssignment.topicPartitions.map { "\($0.topicName):\(list($0.partitions))" }
            self.trace.append(
                "\(member.memberID)@\(member.memberEpoch) type=\(member.memberType) client=\(member.clientID) "
                    + "instance=\(member.instanceID ?? "-") names=\(list(member.subscribedTopicNames)) "
                    + "regex=\(member.subscribedTopicRegex ?? "-") has \(list(assigned)) target \(list(target))"
            )
        }
    }

    // MARK: What came of it

    var environment: GroupEnvironment {
        GroupEnvironment(
            now: GroupTime(monotonicMs: self.nowMs, wallMs: 1_000_000 + self.nowMs), topics: self.topics,
            settings: self.settings
        )
    }

    private mutating func note(_ effects: GroupEffects) {
        for record in effects.records {
            self.trace.append(self.text(of: record))
            self.written.append(record)
        }
        for answered in effects.answers {
            guard case .consumerHeartbeat(let response) = answered.answer else { continue }
            self.say(self.text(of: response) + (answered.waitsForWrites ? "" : " (now)"))
        }
    }

    private mutating func say(_ text: String) {
        self.trace += text.split(separator: "\n").map(String.init)
    }

    private var problems: [String] {
        var problems = self.shard.consumerGroups[Self.groupID]?.brokenInvariants ?? []
        let loaded = self.reloaded().consumerGroups[Self.groupID]?.dump
        let known = self.shard.consumerGroups[Self.groupID]?.dump
        if loaded != known { problems.append("loaded:\n\(loaded ?? "none")\nknown:\n\(known ?? "none")") }
        return problems
    }

    /// A shard that has only the bytes of the records.
    private func reloaded() -> GroupShard {
        var shard = GroupShard()
        for record in self.written {
            guard let bytes = try? record.encoded(),
                let record = try? CoordinatorRecord(key: bytes.key, value: bytes.value)
            else {
                Issue.record("a record cannot be written or read: \(record)")
                continue
            }
            shard.replay(record)
        }
        return shard
    }

    private static func topic(_ word: String) -> TopicFacts {
        let parts = word.split(separator: "=")
        let numbers = parts[1].split(separator: "#")
        let incarnation = numbers.count > 1 ? UInt64(numbers[1]) ?? 1 : 1
        let name = String(parts[0])
        return TopicFacts(
            id: TopicsOfTest.id(of: name, incarnation: incarnation), name: name, partitionCount: Int32(numbers[0]) ?? 0
        )
    }

    private static func joining(_ member: String, _ names: String) -> ConsumerGroupHeartbeatRequest {
        var request = Self.beating(member, "0")
        request.rebalanceTimeoutMs = 60_000
        request.subscribedTopicNames = names == "-" ? [] : names.split(separator: ",").map(String.init)
        request.topicPartitions = []
        return request
    }

    private static func beating(_ member: String, _ epoch: String) -> ConsumerGroupHeartbeatRequest {
        var request = ConsumerGroupHeartbeatRequest()
        request.groupID = Self.groupID
        request.memberID = member == "-" ? "" : member
        request.memberEpoch = Int32(epoch) ?? 0
        return request
    }
}
