// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import GroupCoordinator
import KafkaMessages
import KafkaRecords
import Testing

@testable import Broker

@Suite struct GroupWriteQueueTests {
    private static func commit(_ group: String, _ offset: Int64, metadata: String = "") -> CoordinatorRecord {
        var key = OffsetCommitKey()
        key.group = group
        key.topic = "t"
        var value = OffsetCommitValue()
        value.offset = offset
        value.metadata = metadata
        return .offsetCommit(key, value)
    }

    /// A queue that may be changed in the middle of an expectation.
    private final class Queue {
        private var queue = GroupWriteQueue()

        var isIdle: Bool { self.queue.isIdle }
        func add(_ records: [CoordinatorRecord]) throws { try self.queue.add(records, wallMs: 1) }
        func hold(_ token: RequestToken) -> Bool { self.queue.hold(token, .heartbeat(HeartbeatResponse())) }
        func takeWrite() throws -> [PreparedBatch]? { try self.queue.takeWrite() }
        func finishWrite() -> [RequestToken] { self.queue.finishWrite().map(\.token) }
    }

    private static func groups(in batches: [PreparedBatch]) throws -> [[String]] {
        try batches.map { prepared in
            var records = try RecordBatch(parsing: prepared.bytes).records()
            var groups: [String] = []
            while let record = try records.next() {
                let key = try #require(record.key)
                groups.append(try #require(try CoordinatorRecord(key: key, value: record.value)).groupID)
            }
            return groups
        }
    }

    @Test func anAnswerWaitsForTheWriteOfEverythingBeforeIt() throws {
        let queue = Queue()
        #expect(!queue.hold(RequestToken(1)), "nothing is under way")
        try queue.add([Self.commit("a", 1)])
        #expect(queue.hold(RequestToken(2)))
        #expect(try queue.takeWrite()?.count == 1)
        // Comes while the write is under way.
        try queue.add([Self.commit("b", 1)])
        #expect(queue.hold(RequestToken(3)))
        #expect(queue.finishWrite() == [RequestToken(2)])
        #expect(!queue.isIdle)
        #expect(try queue.takeWrite()?.count == 1)
        #expect(queue.finishWrite() == [RequestToken(3)])
        #expect(queue.isIdle)
    }

    @Test func anAnswerWithoutRecordsWaitsForThoseThatWereThereBefore() throws {
        let queue = Queue()
        try queue.add([Self.commit("a", 1)])
        _ = try queue.takeWrite()
        #expect(queue.hold(RequestToken(1)))
        #expect(queue.finishWrite() == [RequestToken(1)])
    }

    @Test func onlyOneWriteIsUnderWayAndTheNextTakesAllThatCameMeanwhile() throws {
        let queue = Queue()
        try queue.add([Self.commit("a", 1)])
        #expect(try Self.groups(in: #require(try queue.takeWrite())) == [["a"]])
        try queue.add([Self.commit("b", 1)])
        try queue.add([Self.commit("c", 1), Self.commit("d", 1)])
        #expect(try queue.takeWrite() == nil)
        _ = queue.finishWrite()
        #expect(try Self.groups(in: #require(try queue.takeWrite())) == [["b", "c", "d"]])
        _ = queue.finishWrite()
        #expect(try queue.takeWrite() == nil)
    }

    @Test func theRecordsOfOneCommandStayInOneBatch() throws {
        let queue = Queue()
        let large = String(repeating: "x", count: 30_000)
        let many = (0..<50).map { Self.commit("many-\($0)", 1, metadata: large) }
        try queue.add([Self.commit("first", 1)])
        try queue.add(many)
        try queue.add([Self.commit("last", 1)])
        let groups = try Self.groups(in: #require(try queue.takeWrite()))
        #expect(groups == [["first"] + (0..<50).map { "many-\($0)" }, ["last"]])
    }

    @Test func groupsAreWhereKafkaLooksForThem() {
        // Java's "hello".hashCode() is 99162322, that of "polygenelubricants" the smallest number there is.
        #expect(GroupCoordinatorService.partition(of: "hello", count: 50) == 22)
        #expect(GroupCoordinatorService.partition(of: "polygenelubricants", count: 50) == 0)
        #expect(GroupCoordinatorService.partition(of: "", count: 50) == 0)
        #expect(GroupCoordinatorService.partition(of: "grüße", count: 50) == Self.javaPartition("grüße"))
    }

    /// The same by another way: 64-bit arithmetic, cut to 32 bits at the end.
    private static func javaPartition(_ text: String) -> Int {
        var hash: Int64 = 0
        for unit in text.utf16 { hash = (hash * 31 + Int64(unit)) & 0xffff_ffff }
        return Int(hash & 0x7fff_ffff) % 50
    }
}
