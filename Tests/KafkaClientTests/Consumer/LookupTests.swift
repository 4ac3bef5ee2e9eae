// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization
import Testing

@testable import KafkaClient

/// What a fetcher has looked up, of whom, and when again.
@Suite struct LookupTests {
    private static let first = BrokerAddress(host: "a", port: 1)
    private static let second = BrokerAddress(host: "b", port: 2)

    private static func partition(_ index: Int32) -> TopicPartition {
        TopicPartition(topic: "orders", partition: PartitionIndex(index))
    }

    /// A fetcher of these partitions, each with its start and leader.
    private static func fetcher(_ partitions: [(start: ConsumerStart, leader: BrokerAddress?)]) -> Fetcher {
        let limits = Fetcher.Limits(bytesMax: 1_000_000, answerBytesMax: 100_000, partitionBytesMax: 1000)
        var fetcher = Fetcher(limits: limits, retry: RetryPolicy())
        for (index, partition) in partitions.enumerated() {
            fetcher.assign(Self.partition(Int32(index)), start: partition.start)
            if let leader = partition.leader {
                fetcher.found(.init(address: leader, epoch: 3), of: Self.partition(Int32(index)), topicID: nil)
            }
        }
        return fetcher
    }

    /// The questions in words, sorted.
    private static func take(_ fetcher: inout Fetcher, nowMs: Int64 = 0) -> [String] {
        fetcher.takeLookups(nowMs: nowMs).due.map(Self.words).sorted()
    }

    private static func words(_ lookup: Fetcher.Lookup) -> String {
        let partitions = lookup.partitions.map { "\($0.partition)" }.sorted().joined(separator: " ")
        return switch lookup.question {
        case .leaders: "leaders \(partitions)"
        case .committed: "committed \(partitions)"
        case .starts(_, let leader): "starts \(partitions) at \(leader.host)"
        case .checks(_, let leader): "checks \(partitions) at \(leader.host)"
        }
    }

    @Test("each leader is asked for its own partitions, and whoever knows for the others")
    func perLeader() {
        var fetcher = Self.fetcher([
            (.earliest, Self.first), (.latest, Self.second), (.timestamp(5), Self.first), (.committed, Self.second),
            (.earliest, nil), (.offset(3), Self.first), (.offset(4), nil),
        ])
        #expect(Self.take(&fetcher) == ["committed 3", "leaders 4 6", "starts 0 2 at a", "starts 1 at b"])
        #expect(Self.take(&fetcher).isEmpty, "what is being asked is not asked again")
    }

    @Test("a partition that was not announced is left alone, also after a seek")
    func announcement() {
        var fetcher = Self.fetcher([(.earliest, Self.first)])
        for index: Int32 in [1, 2] { fetcher.assign(Self.partition(index), start: .committed, isAnnounced: false) }
        _ = fetcher.seek(Self.partition(2), to: .offset(7))
        #expect(Self.take(&fetcher) == ["starts 0 at a"])
        fetcher.hasLookups = false
        fetcher.remove(Self.partition(1))
        fetcher.announced([Self.partition(1), Self.partition(2)])
        #expect(fetcher.hasLookups)
        #expect(Self.take(&fetcher) == ["leaders 2"])
    }

    @Test("what a question did not bring is asked again when it is over, and not before")
    func again() {
        var fetcher = Self.fetcher([(.earliest, Self.first), (.earliest, Self.first)])
        let lookup = fetcher.takeLookups(nowMs: 0).due[0]
        let isFound = fetcher.found(start: 7, of: Self.partition(0), number: 1)
        #expect(isFound)
        #expect(Self.take(&fetcher).isEmpty)
        fetcher.hasLookups = false
        fetcher.finished(lookup)
        #expect(fetcher.hasLookups)
        #expect(Self.take(&fetcher) == ["starts 1 at a"])
    }

    @Test("a leader that failed is looked up anew, later each time, and those of others are left alone")
    func failed() throws {
        var generator = SplitMix(seed: 1)
        var fetcher = Self.fetcher([(.earliest, Self.first), (.earliest, Self.second)])
        var due = fetcher.takeLookups(nowMs: 0).due
        var delays: [Int64] = []
        var now: Int64 = 0
        for _ in 0..<3 {
            let lookup = try #require(due.first { $0.leader == Self.first })
            fetcher.failed(lookup, for: lookup.partitions, nowMs: now, using: &generator)
            fetcher.finished(lookup)
            let (early, nextMs) = fetcher.takeLookups(nowMs: now)
            #expect(early.isEmpty, "the other leader has not answered yet")
            delays.append(try #require(nextMs) - now)
            now = try #require(nextMs)
            let leaders = fetcher.takeLookups(nowMs: now).due
            #expect(leaders.map(Self.words) == ["leaders 0"])
            fetcher.found(.init(address: Self.first, epoch: 3), of: Self.partition(0), topicID: nil)
            fetcher.finished(leaders[0])
            due = fetcher.takeLookups(nowMs: now).due
        }
        #expect(delays[0] < delays[1] && delays[1] < delays[2])
    }

    @Test(
        "who seeks while the old place is being looked up is looked up at once, and the old answer counts for nothing")
    func seek() {
        var generator = SplitMix(seed: 1)
        var fetcher = Self.fetcher([(.earliest, Self.first)])
        let old = fetcher.takeLookups(nowMs: 0).due[0]
        #expect(fetcher.seek(Self.partition(0), to: .latest) == 2)
        #expect(Self.take(&fetcher) == ["starts 0 at a"])
        let isFound = fetcher.found(start: 7, of: Self.partition(0), number: 1)
        #expect(!isFound)
        fetcher.failed(old, for: old.partitions, nowMs: 0, using: &generator)
        fetcher.finished(old)
        #expect(fetcher.brokers == [Self.first])
        #expect(Self.take(&fetcher).isEmpty, "the new question is under way")
        let isFoundNow = fetcher.found(start: 9, of: Self.partition(0), number: 2)
        #expect(isFoundNow)
        #expect(fetcher.position(of: Self.partition(0)) == 9)
    }

    @Test("who seeks where a question has failed does not wait until it would have been repeated")
    func seekAfterFailure() {
        var generator = SplitMix(seed: 1)
        var fetcher = Self.fetcher([(.committed, Self.first)])
        let lookup = fetcher.takeLookups(nowMs: 0).due[0]
        fetcher.failed(lookup, for: lookup.partitions, nowMs: 0, using: &generator)
        fetcher.finished(lookup)
        #expect(Self.take(&fetcher).isEmpty)
        #expect(fetcher.seek(Self.partition(0), to: .latest) == 2)
        #expect(Self.take(&fetcher) == ["starts 0 at a"])
    }

    @Test("a leader that is gone while it is asked is looked up at once, whether it answers or not")
    func leaderGone() throws {
        var generator = SplitMix(seed: 1)
        var fetcher = Self.fetcher([(.earliest, Self.first)])
        let lookup = fetcher.takeLookups(nowMs: 0).due[0]
        fetcher.lookUpAgain(lookup.partitions, nowMs: 0, using: &generator)
        let next = try #require(fetcher.takeLookups(nowMs: 0).nextMs)
        #expect(Self.take(&fetcher, nowMs: next) == ["leaders 0"])
    }

    /// A leader of partitions with the number of records `end` each, in one answer.
    private static func fetched(_ request: ScriptedBroker.Request, end: Int64) throws -> FetchResponse {
        let asked = try FetchRequest.decode(request.body, version: request.version)
        return try asked.answer(asksForPause: true) { asked, partition in
            partition.highWatermark = end
            let count = Int(end - asked.fetchOffset)
            if count > 0 { partition.records = .buffer(try ReadCursorTests.batch(asked.fetchOffset, count: count)) }
        }
    }

    static func started(_ request: ScriptedBroker.Request) throws -> ListOffsetsResponse {
        try ListOffsetsRequest.decode(request.body, version: request.version).answer { _ in 0 }
    }

    @Test("a leader that does not answer holds up its own partitions only", arguments: [false, true])
    func silentLeader(isReset: Bool) async throws {
        try await FakeCluster.run(
            brokers: 2, leaders: ["orders": [1, 0]],
            handler: { node, request in
                if request.api == .fetch { return .answer(try Self.fetched(request, end: 5)) }
                return node == 1 ? .silence : .answer(try Self.started(request))
            }
        ) { _, cluster in
            let start: [TopicPartition: ConsumerStart] = [
                Self.partition(0): .earliest, Self.partition(1): isReset ? .offset(0) : .earliest,
            ]
            let configuration = KafkaConsumerConfiguration(subscription: .assignment(start))
            try await KafkaConsumer.withConsumer(sharing: cluster, configuration: configuration) { consumer in
                var batches = consumer.batches.makeAsyncIterator()
                #expect(try await batches.next()?.partition == Self.partition(1))
                if isReset {
                    // In the middle of the life of the consumer, too.
                    try consumer.seek(Self.partition(1), to: .earliest)
                    #expect(try await batches.next()?.partition == Self.partition(1))
                }
                #expect(consumer.position(of: Self.partition(0)) == nil)
            }
        }
    }

    @Test("who seeks while the group is asked what it has committed is neither sent back nor ended")
    func seekWhileAsked() async throws {
        let asking = Mutex<KafkaConsumer?>(nil)
        try await FakeCluster.run(
            brokers: 1, leaders: ["orders": [0]], coordinators: ["g": 0],
            handler: { _, request in
                if request.api == .fetch { return .answer(try Self.fetched(request, end: 5)) }
                try asking.withLock(\.self)?.seek(Self.partition(0), to: .offset(2))
                return .answer(OffsetFetchResponse())
            }
        ) { _, cluster in
            var configuration = KafkaConsumerConfiguration(
                subscription: .assignment([Self.partition(0): .committed], groupID: "g"))
            configuration.offsetReset = .fail
            configuration.autoCommitInterval = nil
            let consumer = try KafkaConsumer(sharing: cluster, configuration: configuration)
            asking.withLock { $0 = consumer }
            async let running: Void = consumer.run()
            var batches = consumer.batches.makeAsyncIterator()
            #expect(try await batches.next()?.start == 2)
            consumer.close()
            _ = try await batches.next()
            try await running
            asking.withLock { $0 = nil }
        }
    }
}
