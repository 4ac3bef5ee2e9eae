// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import GroupCoordinator
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Broker

@Suite("The lag of consumer groups")
struct GroupLagTests {
    /// A shard of groups, and a keeper that looks at it beside the broker's topics.
    private final class Groups: Sendable {
        let keeper: GroupLagKeeper
        private let broker: BrokerHarness
        private let shard = Mutex(GroupShard())
        private let source: SharedView

        init(_ broker: BrokerHarness) {
            self.broker = broker
            let running = broker.broker
            let source = SharedView()
            self.keeper = GroupLagKeeper(
                topics: running.topics, readers: running.readers, clock: running.clock, logger: running.logger
            ) { [source.value] }
            self.source = source
        }

        /// Commits an offset for a partition, as a client does that is in no group.
        func commit(_ group: String, _ topic: String, partition index: Int32 = 0, _ offset: Int64) {
            var partition = OffsetCommitRequest.OffsetCommitRequestPartition()
            partition.partitionIndex = index
            partition.committedOffset = offset
            var committed = OffsetCommitRequest.OffsetCommitRequestTopic()
            committed.name = topic
            committed.partitions = [partition]
            var request = OffsetCommitRequest()
            request.groupID = group
            request.topics = [committed]
            let call = GroupCall(
                token: RequestToken(0), apiVersion: 9, clientID: "", clientHost: "", freshID: .zero)
            let environment = GroupEnvironment(
                now: GroupTime(monotonicMs: 0, wallMs: 0), topics: AnyTopic(), settings: GroupSettings())
            self.source.value = self.shard.withLock { shard in
                _ = shard.commitOffsets(request, call, environment)
                return shard.committedOffsets()
            }
        }

        /// Has all groups looked at, and says what was found: `group topic-partition offset: lag, age`.
        func look() async -> [String] {
            await withCheckedContinuation { continuation in
                self.keeper.look { continuation.resume() }
            }
            let now = self.broker.now
            return self.keeper.latest.groups.flatMap { group in
                group.partitions.map { partition in
                    let lag = partition.offsetsBehind.map { String($0) } ?? "?"
                    let age = partition.millisecondsBehind(now: now).map { "\($0) ms" } ?? "?"
                    return "\(group.groupID) \(partition.topic)-\(partition.partition) \(partition.currentOffset): "
                        + "\(lag), \(age)"
                }
            }
        }
    }

    private final class SharedView: Sendable {
        private let storage = Mutex(CommittedOffsets())

        var value: CommittedOffsets {
            get { self.storage.withLock { $0 } }
            set { self.storage.withLock { $0 = newValue } }
        }
    }

    /// Any topic that one asks for.
    private struct AnyTopic: TopicsView {
        var version: Int64 { 0 }
        func topic(named name: String) -> TopicFacts? { TopicFacts(id: .zero, name: name, partitionCount: .max) }
        func topic(id: TopicID) -> TopicFacts? { nil }
        func names(matching pattern: String) throws(TopicPatternError) -> [String] { [] }
    }

    // MARK: With logs

    @Test("offsets and milliseconds behind, also of groups that nobody is in, and 0 at the end")
    func behind() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders", partitions: 2)
            try await broker.produce(to: "orders", timestamps: [start, start + 10, start + 20])
            try await broker.produce(to: "orders", timestamps: [start + 30])
            let groups = Groups(broker)
            #expect(await groups.look().isEmpty)
            groups.commit("b", "orders", 1)
            groups.commit("b", "orders", partition: 1, 0)
            groups.commit("a", "orders", 3)
            groups.commit("c", "orders", 4)
            broker.advance(milliseconds: 1_000)
            #expect(
                await groups.look() == [
                    "a orders-0 3: 1, 970 ms", "b orders-0 1: 3, 990 ms", "b orders-1 0: 0, 0 ms",
                    "c orders-0 4: 0, 0 ms",
                ])
            #expect(groups.keeper.latest.groups.map(\.offsetsBehindSum) == [1, 3, 0])
            #expect(groups.keeper.latest.takenAtMs == broker.now)
        }
    }

    @Test("nothing is read again while neither the group nor the log start moves")
    func cached() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [start, start + 10, start + 20])
            let groups = Groups(broker)
            for group in ["a", "b", "c"] { groups.commit(group, "orders", 1) }
            _ = await groups.look()
            #expect(groups.keeper.searchCount == 1)
            broker.advance(milliseconds: 500)
            try await broker.produce(to: "orders", timestamps: [broker.now])
            #expect(
                await groups.look() == ["a", "b", "c"].map { "\($0) orders-0 1: 3, 490 ms" })
            #expect(groups.keeper.searchCount == 1)
            groups.commit("b", "orders", 3)
            #expect(await groups.look()[1] == "b orders-0 3: 1, 0 ms")
            #expect(groups.keeper.searchCount == 2)
        }
    }

    @Test("a group whose offset was deleted is behind from the log start, one that is past the end not at all")
    func outside() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [start, start + 10, start + 20])
            try await DeleteRecordsHandlerTests.delete(broker, "orders", before: 2)
            let groups = Groups(broker)
            groups.commit("old", "orders", 1)
            groups.commit("past", "orders", 1_000)
            groups.commit("weird", "orders", -1)
            groups.commit("weirder", "orders", .min)
            groups.commit("weirdest", "orders", .max)
            broker.advance(milliseconds: 1_000)
            #expect(
                await groups.look() == [
                    "old orders-0 1: 1, 980 ms", "past orders-0 1000: 0, 0 ms", "weird orders-0 -1: ?, ?",
                    "weirder orders-0 \(Int64.min): ?, ?", "weirdest orders-0 \(Int64.max): 0, 0 ms",
                ])
        }
    }

    @Test("topics that are gone, and partitions that never were, have no lag")
    func goneTopics() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            let groups = Groups(broker)
            groups.commit("g", "orders", 1)
            groups.commit("g", "orders", partition: 9, 1)
            groups.commit("g", "orders", partition: -1, 1)
            #expect(await groups.look() == ["g orders-0 1: 1, 0 ms", "g orders-9 1: ?, ?"])
            var request = DeleteTopicsRequest()
            request.topicNames = ["orders"]
            _ = try await broker.send(request, version: 5)
            #expect(await groups.look() == ["g orders-0 1: ?, ?", "g orders-9 1: ?, ?"])
            // The new one has nothing to do with what was known of the old one.
            try await broker.createTopic("orders")
            try await broker.produce(to: "orders", timestamps: [broker.now - 7, broker.now - 5])
            #expect(await groups.look() == ["g orders-0 1: 1, 5 ms", "g orders-9 1: ?, ?"])
        }
    }

    @Test("records without a timestamp have no age, and those from the future have not waited")
    func oddTimestamps() async throws {
        try await withBroker { broker in
            let anyTime = [
                "message.timestamp.before.max.ms": "\(Int64.max)", "message.timestamp.after.max.ms": "\(Int64.max)",
            ]
            try await broker.createTopic("orders", configs: anyTime)
            try await broker.produce(to: "orders", timestamps: [-1, broker.now + 3_600_000, 0])
            try await broker.createTopic("stamped", configs: ["message.timestamp.type": "LogAppendTime"])
            try await broker.produce(to: "stamped", timestamps: [5, 5])
            broker.advance(milliseconds: 100)
            let groups = Groups(broker)
            for offset in Int64(0)..<3 { groups.commit("g\(offset)", "orders", offset) }
            groups.commit("s", "stamped", 1)
            #expect(
                await groups.look() == [
                    "g0 orders-0 0: 3, ?", "g1 orders-0 1: 2, 0 ms", "g2 orders-0 2: 1, \(broker.now) ms",
                    "s stamped-0 1: 1, 100 ms",
                ])
        }
    }

    @Test("a damaged batch is stepped over")
    func damaged() async throws {
        try await withBroker { broker in
            let start = broker.now
            try await broker.createTopic("orders")
            for number in 0..<4 { try await broker.produce(to: "orders", timestamps: [start + Int64(number)]) }
            let file = try POSIXFileSystem().open("\(broker.directory)/orders-0/00000000000000000000.log", .readWrite)
            let size = try file.size()
            for batch in [Int64(1), 3] {
                var byte: [UInt8] = [0]
                _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: size / 4 * batch + 64) }
                byte[0] ^= 4
                try byte.withUnsafeBytes { try file.write([$0], at: size / 4 * batch + 64) }
            }
            let groups = Groups(broker)
            groups.commit("a", "orders", 1)
            groups.commit("b", "orders", 3)
            broker.advance(milliseconds: 100)
            #expect(await groups.look() == ["a orders-0 1: 3, 98 ms", "b orders-0 3: 1, 0 ms"])
        }
    }

    @Test("a gap that compaction has left is stepped over")
    func compacted() async throws {
        try await withBroker { broker in
            let configs = ["cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.1"]
            try await broker.createTopic("states", configs: configs)
            for _ in 0..<3 {
                try await CleanerTests.put(broker, "states", "a=1", "b=1")
                broker.advance(milliseconds: 2_000)
            }
            #expect(broker.broker.compactDueLogs() == 1)
            let groups = Groups(broker)
            groups.commit("g", "states", 0)
            // The records at 0 and 1, of 6 seconds ago, are gone.
            #expect(await groups.look() == ["g states-0 0: 6, 4000 ms"])
        }
    }

    @Test("many groups that all moved are looked at in steps, and none is left out")
    func manySteps() async throws {
        try await withBroker { broker in
            let count = Int32(GroupLagKeeper.searchesPerStepMax) * 2 + 3
            try await broker.createTopic("orders", partitions: count)
            let groups = Groups(broker)
            for partition in 0..<count {
                try await broker.produce(
                    to: "orders", partition: partition, timestamps: [broker.now - Int64(partition), broker.now])
                // One group that needs several steps by itself, and many that share what it finds.
                groups.commit("all", "orders", partition: partition, 0)
                groups.commit("g\(partition)", "orders", partition: partition, 0)
            }
            let lags = Set(await groups.look())
            #expect(lags.count == 2 * Int(count))
            for partition in 0..<count {
                #expect(lags.contains("all orders-\(partition) 0: 2, \(partition) ms"))
                #expect(lags.contains("g\(partition) orders-\(partition) 0: 2, \(partition) ms"))
            }
            #expect(groups.keeper.searchCount <= Int(count) + 3)
        }
    }

    @Test("an answer to OffsetFetch gets the lag of its partitions")
    func offsetFetch() async throws {
        try await withBroker { broker in
            try await broker.createTopic("orders", partitions: 3)
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now])
            broker.advance(milliseconds: 40)
            var answer = OffsetFetchResponse.OffsetFetchResponseGroup()
            var orders = OffsetFetchResponse.OffsetFetchResponseTopics()
            orders.name = "orders"
            for (index, offset) in [(Int32(0), Int64(1)), (1, 0), (2, -1), (3, 5)] {
                var partition = OffsetFetchResponse.OffsetFetchResponsePartitions()
                partition.partitionIndex = index
                partition.committedOffset = offset
                orders.partitions.append(partition)
            }
            answer.topics = [orders]
            Groups(broker).keeper.addLag(to: &answer)
            #expect(answer.topics[0].partitions.map(\.offsetLag) == [1, 0, -1, -1])
            #expect(answer.topics[0].partitions.map(\.timeLagMs) == [40, 0, -1, -1])
        }
    }

    @Test("a client that asks for it is told the lag, by name and by id, and metrics find it")
    func throughTheBroker() async throws {
        try await withBroker { broker in
            let id = try await broker.createTopic("orders").topicID
            try await broker.produce(to: "orders", timestamps: [broker.now, broker.now, broker.now])
            _ = try await broker.findCoordinator(of: "g")
            #expect(try await broker.commit("g", "orders", 0, 1) == ErrorCode.none)
            broker.advance(milliseconds: 25)
            for version in Int16(8)...10 {
                for includesLag in [false, true] {
                    var group = OffsetFetchRequest.OffsetFetchRequestGroup()
                    group.groupID = "g"
                    group.includeLag = includesLag
                    var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
                    topic.name = "orders"
                    topic.topicID = id
                    topic.partitionIndexes = [0]
                    group.topics = [topic]
                    var request = OffsetFetchRequest()
                    request.groups = [group]
                    let answer = try await broker.send(request, version: version).groups[0]
                    let partition = try #require(answer.topics.first?.partitions.first)
                    #expect(partition.committedOffset == 1)
                    #expect(partition.offsetLag == (includesLag ? 2 : -1))
                    #expect(partition.timeLagMs == (includesLag ? 25 : -1))
                }
            }
            await withCheckedContinuation { continuation in
                broker.broker.groupLag.look { continuation.resume() }
            }
            let lag = try #require(broker.broker.groupLags.groups.first)
            #expect(lag.groupID == "g" && lag.offsetsBehindSum == 2)
            #expect(lag.partitions.first?.firstUnread == .writtenAt(broker.now - 25))
        }
    }

    // MARK: Without

    @Test("markers, empty batches and records before the offset are no unread records")
    func batches() throws {
        func batch(_ timestamps: [Int64], _ options: RecordBatchBuilder.Options = .init()) throws -> RecordBatch {
            var builder = RecordBatchBuilder(options)
            for timestamp in timestamps {
                try builder.append(key: nil, value: ByteBuffer(string: "x"), timestamp: timestamp)
            }
            return try RecordBatch(parsing: try builder.finish().bytes)
        }
        let plain = try batch([7, 5, 9])
        #expect(try [0, 1, 2, 3].map { try GroupLagSearch.timestamp(in: plain, from: $0) } == [7, 5, 9, nil])
        var options = RecordBatchBuilder.Options()
        options.codec = .zstd
        #expect(try GroupLagSearch.timestamp(in: try batch([7, 5, 9], options), from: 1) == 5)
        options.codec = .none
        options.logAppendTime = 11
        #expect(try GroupLagSearch.timestamp(in: try batch([7, 5], options), from: 1) == 11)
        options.logAppendTime = nil
        options.isControl = true
        #expect(try GroupLagSearch.timestamp(in: try batch([7], options), from: 0) == nil)
    }

    @Test("what has been searched through is not searched again when the log grows")
    func searchesGoOn() {
        var book = GroupLagBook()
        let place = GroupLagBook.Place(topicID: .zero, partition: 0, offset: 5)
        #expect(book.outlook(at: place, end: 5) == .known(.none))
        #expect(book.outlook(at: place, end: 8) == .search(from: 5))
        book.note(.nothing(before: 8), at: place)
        #expect(book.outlook(at: place, end: 8) == .known(.none))
        #expect(book.outlook(at: place, end: 9) == .search(from: 8))
        book.note(.record(timestampMs: 70), at: place)
        #expect(book.outlook(at: place, end: 9) == .known(.writtenAt(70)))
        // The log was cut off: a restart after a power cut with flush.messages.
        #expect(book.outlook(at: place, end: 4) == .known(.none))
    }

    @Test("findings go when nobody stands there any more")
    func forgets() {
        var book = GroupLagBook()
        let places = (0..<3).map { GroupLagBook.Place(topicID: .zero, partition: 0, offset: $0) }
        for place in places { book.note(.record(timestampMs: 1), at: place) }
        book.endRound()
        #expect(book.count == 3)
        #expect(book.outlook(at: places[1], end: 9) == .known(.writtenAt(1)))
        book.endRound()
        #expect(book.count == 1)
        #expect(book.outlook(at: places[0], end: 9) == .search(from: 0))
    }

    @Test("what cannot be read is tried again after some rounds")
    func triesAgain() {
        var book = GroupLagBook()
        let place = GroupLagBook.Place(topicID: .zero, partition: 0, offset: 5)
        book.note(.unreadable, at: place)
        for _ in 0..<GroupLagBook.retryAfterRounds {
            #expect(book.outlook(at: place, end: 9) == .known(.unknown))
            book.endRound()
        }
        #expect(book.outlook(at: place, end: 9) == .search(from: 5))
    }

    @Test("numbers at the edge are no problem")
    func edges() {
        let reach = LogReach(topicID: .zero, start: 0, end: .max)
        #expect(reach.unread(after: 0)?.count == .max)
        #expect(reach.unread(after: .max)?.count == 0)
        #expect(reach.unread(after: -1) == nil)
        var lag = PartitionLag(topic: "t", partition: 0, currentOffset: 0, offsetsBehind: .max, firstUnread: .unknown)
        #expect(GroupLag(groupID: "g", partitions: [lag, lag]).offsetsBehindSum == .max)
        lag.firstUnread = .writtenAt(0)
        #expect(lag.millisecondsBehind(now: .max) == .max)
        #expect(lag.millisecondsBehind(now: .min) == 0)
    }
}
