// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// How a member takes part: what group_member.py is told of it.
struct MemberOptions: Sendable {
    enum Library: String, Sendable {
        case confluent = "confluent-kafka"
        case kafkaPython = "kafka-python"
        case aiokafka
        case kafkaClient = "KafkaClient"
    }

    let library: Library
    /// `range` or `cooperative-sticky` of the classic protocol, or `consumer` for the other one.
    let strategy: String
    /// Of the consumer protocol: what does it on the broker.
    var assignor: String?
    /// Whether it has a `group.instance.id`, and so comes back as the one that it was.
    var isStatic = false

    /// Of the classic protocol; the consumer protocol has the broker's.
    static let sessionTimeoutMs = 6_000
    static let heartbeatIntervalMs = 1_000
}

/// One process of group_member.py, and its diary as far as it has been read.
final class GroupMember {
    let name: String
    let options: MemberOptions
    /// The `group.instance.id`, if it has one.
    let instance: String?
    let process: ChildProcess

    private(set) var diary: [MemberEvent] = []
    /// The partitions that it has by its own account.
    private(set) var owned: Set<Int> = []
    /// When `owned` changed last. Nanoseconds, as in the diary.
    private(set) var ownedSince: Int64 = 0
    /// The latest processing of each partition.
    private(set) var processed: [Int: (offset: Int, time: Int64)] = [:]

    private let output: FileHandle
    /// The beginning of a line whose end is not there yet.
    private var rest = Data()

    init(
        _ name: String, _ options: MemberOptions, instance: String?, group: String, topic: String,
        on broker: BrokerUnderTest
    ) throws {
        self.name = name
        self.options = options
        self.instance = instance
        let job: JSON = [
            "bootstrap": .string(broker.bootstrap), "group": .string(group), "topic": .string(topic),
            "name": .string(name), "library": .string(options.library.rawValue),
            "strategy": .string(options.strategy), "assignor": options.assignor.map { .string($0) } ?? .null,
            "instance": instance.map { .string($0) } ?? .null,
            "sessionMs": .number(MemberOptions.sessionTimeoutMs),
            "heartbeatMs": .number(MemberOptions.heartbeatIntervalMs),
        ]
        let isOurs = options.library == .kafkaClient
        self.process = try ChildProcess(
            isOurs ? try Programs.interopClient() : try Programs.python(),
            isOurs ? [] : ["-B", Programs.client("group_member")], input: try JSONEncoder().encode(job),
            folder: broker.folder)
        self.output = try FileHandle(forReadingFrom: self.process.output)
    }

    /// Reads what the member has written since the last time.
    func readOn() throws {
        guard let new = try self.output.readToEnd() else { return }
        self.rest.append(new)
        var lines = self.rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        self.rest = lines.popLast().map { Data($0) } ?? Data()
        for line in lines { self.note(try MemberEvent(line: Data(line))) }
    }

    /// What happens to it from outside belongs into the diary, too.
    func note(_ kind: MemberEvent.Kind) { self.note(MemberEvent(MonotonicClock.now, kind)) }

    private func note(_ event: MemberEvent) {
        self.diary.append(event)
        switch event.kind {
        case .assigned(let partitions): self.own(self.owned.union(partitions), since: event.time)
        case .revoked(let partitions), .lost(let partitions):
            self.own(self.owned.subtracting(partitions), since: event.time)
        case .leaving, .killed: self.own([], since: event.time)
        case .record(let partition, let offset, _): self.processed[partition] = (offset, event.time)
        case .committed, .failed, .left, .paused, .resumed: break
        }
    }

    private func own(_ partitions: Set<Int>, since time: Int64) {
        self.owned = partitions
        self.ownedSince = time
    }
}
