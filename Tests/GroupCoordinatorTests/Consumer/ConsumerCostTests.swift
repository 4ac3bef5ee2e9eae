// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaMessages
import KafkaTypes
import Testing

@testable import GroupCoordinator

/// What a large group costs the coordinator, in CPU. Prints and judges nothing: run it by itself on a release build
/// with `MARTLET_GROUP_COST=1`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["MARTLET_GROUP_COST"] != nil))
struct ConsumerCostTests {
    @Test(arguments: ["uniform", "range", "weighted"])
    func aGroupOf500MembersAnd5000Partitions(assignor: String) {
        var run = ConsumerCost(assignor: assignor, topicCount: 50, partitionCount: 100)
        for index in 0..<500 { run.join(index) }
        run.report("500 members join")
        run.converge("and get their partitions")
        run.round()
        run.report("a heartbeat of each with nothing new")
        run.leave(250)
        run.converge("one leaves")
        run.join(500)
        run.converge("one joins")
        for index in stride(from: 0, to: 100, by: 2) { run.leave(index) }
        run.converge("fifty leave")
        run.growTopics()
        run.converge("the topics grow by a tenth")
    }
}

/// A group whose members all want all topics.
private struct ConsumerCost {
    private var shard = GroupShard()
    private var settings = GroupSettings()
    private var topics = TopicsOfTest()
    private let names: [String]
    private var partitionCount: Int32
    private var clients: [Int: ConsumerClientModel] = [:]
    private var calls = 0
    private var records = 0
    private var nanoseconds: UInt64 = 0
    private let assignor: String

    init(assignor: String, topicCount: Int, partitionCount: Int32) {
        self.assignor = assignor
        self.settings.consumerAssignors = [assignor]
        self.partitionCount = partitionCount
        self.names = (0..<topicCount).map { "topic-\($0)" }
        self.setTopics()
    }

    private mutating func setTopics() {
        self.topics.set(
            self.names.enumerated().map { index, name in
                let id = TopicID(high: 0x9e37_79b9_7f4a_7c15 &* UInt64(index + 1), low: UInt64(index))
                return TopicFacts(id: id, name: name, partitionCount: self.partitionCount)
            }
        )
    }

    mutating func growTopics() {
        self.partitionCount += self.partitionCount / 10
        self.setTopics()
    }

    mutating func join(_ index: Int) {
        self.clients[index] = ConsumerClientModel(id: "6f1ed002-ab5595859014ebf0951522d9-\(index)", names: self.names)
        self.beat(index)
    }

    mutating func leave(_ index: Int) {
        guard let client = self.clients.removeValue(forKey: index) else { return }
        _ = self.send(client.leaving(-1))
    }

    mutating func converge(_ title: String) {
        var rounds = 0
        repeat {
            self.round()
            rounds += 1
        } while self.shard.consumerGroups["g"]?.state != .stable && rounds < 100
        self.report("\(title), \(rounds) rounds")
    }

    mutating func round() {
        for index in self.clients.keys.sorted() { self.beat(index) }
    }

    private mutating func beat(_ index: Int) {
        self.clients[index]?.giveUp()
        guard let request = self.clients[index]?.heartbeat(), let response = self.send(request) else { return }
        self.clients[index]?.take(response)
    }

    private mutating func send(_ request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse? {
        let call = GroupCall(
            token: RequestToken(UInt64(self.calls)), apiVersion: 1, clientID: "c", clientHost: "/127.0.0.1",
            freshID: .zero
        )
        let environment = GroupEnvironment(
            now: GroupTime(monotonicMs: 0, wallMs: 0), topics: self.topics, settings: self.settings
        )
        let before = Self.threadNanoseconds()
        let effects = self.shard.consumerHeartbeat(request, call, environment)
        self.nanoseconds += Self.threadNanoseconds() - before
        self.calls += 1
        self.records += effects.records.count
        guard case .consumerHeartbeat(let response)? = effects.answers.first?.answer else { return nil }
        return response
    }

    private static func threadNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    mutating func report(_ title: String) {
        let each = self.calls > 0 ? Double(self.nanoseconds) / Double(self.calls) / 1_000 : 0
        print(
            "\(self.assignor): \(title): \(Double(self.nanoseconds) / 1_000_000) ms of CPU, \(self.calls) heartbeats of "
                + "\(each) µs, \(self.records) records"
        )
        (self.calls, self.records, self.nanoseconds) = (0, 0, 0)
    }
}
