// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import NIOCore
import Synchronization
import Testing

@testable import BrokerServer

@Suite("The memory for requests")
struct RequestBudgetTests {
    /// Who was promised room, in the order of the promises.
    private final class Promised: Sendable {
        private let names = Mutex<[String]>([])
        var all: [String] { self.names.withLock { $0 } }
        func note(_ name: String) -> @Sendable () -> Void { { self.names.withLock { $0.append(name) } } }
    }

    @Test("what fits is promised at once, what does not waits in the order of asking")
    func order() {
        let budget = RequestBudget(limit: 100, freeBytes: 5)
        let promised = Promised()
        #expect(budget.promise(60, whenPromised: promised.note("a")) == nil)
        #expect(budget.promise(60, whenPromised: promised.note("b")) != nil)
        // It would fit, but nobody overtakes.
        #expect(budget.promise(10, whenPromised: promised.note("c")) != nil)
        #expect(promised.all.isEmpty && budget.isWaitedFor)
        budget.release(60)
        #expect(promised.all == ["b", "c"])
        #expect(budget.byteCount == 70 && !budget.isWaitedFor)
    }

    @Test(
        "a request as large as the whole budget, or larger, has room when no other large one is under way",
        arguments: [100, 500])
    func larger(size: Int) {
        let budget = RequestBudget(limit: 100, freeBytes: 5)
        let promised = Promised()
        budget.take(6)
        #expect(budget.promise(size, whenPromised: promised.note("large")) != nil)
        budget.release(6)
        #expect(promised.all == ["large"])
        #expect(budget.promise(10, whenPromised: promised.note("next")) != nil)
        budget.release(size)
        #expect(promised.all == ["large", "next"])
    }

    @Test("small requests, of which there are always some, keep no large one from its room, and count beside others")
    func small() {
        let budget = RequestBudget(limit: 100, freeBytes: 5)
        let promised = Promised()
        // Fetches that wait for records, say.
        for _ in 0..<10 { budget.take(5) }
        #expect(budget.promise(100, whenPromised: promised.note("a")) == nil)
        #expect(budget.promise(20, whenPromised: promised.note("b")) != nil)
        #expect(budget.promise(40, whenPromised: promised.note("c")) != nil)
        budget.release(100)
        // 50 of small ones and 20 leave no room for 40 more.
        #expect(promised.all == ["b"])
        budget.release(5)
        budget.release(5)
        #expect(promised.all == ["b", "c"])
    }

    @Test("who waits no more lets those behind him in, and who was promised meanwhile is told so")
    func cancel() throws {
        let budget = RequestBudget(limit: 100, freeBytes: 5)
        let promised = Promised()
        budget.take(50)
        let large = try #require(budget.promise(80, whenPromised: promised.note("large")))
        _ = try #require(budget.promise(20, whenPromised: promised.note("small")))
        #expect(budget.cancel(large))
        #expect(promised.all == ["small"])
        #expect(!budget.cancel(large))
        #expect(budget.byteCount == 70)
    }

    @Test("without a limit nobody waits")
    func unlimited() {
        let budget = RequestBudget(limit: -1)
        budget.take(1 << 40)
        #expect(budget.promise(1 << 40, whenPromised: {}) == nil)
    }

    @Test("large requests on many connections are all answered, and never take more memory than the budget")
    func connections() async throws {
        let size = 200_000
        try await ServerHarness.run(maxFrameSize: 1 << 20, maxQueuedBytes: 500_000) { harness in
            // A request of an unknown version is as long as its client says, and is answered at once.
            var frame = ByteBuffer()
            frame.writeInteger(Int32(size))
            frame.writeInteger(Int16(18))
            frame.writeInteger(Int16(99))
            frame.writeInteger(Int32(7))
            frame.writeInteger(Int16(-1))
            frame.writeRepeatingByte(0, count: size - 10)
            let whole = frame
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        try await harness.withConnection { connection in
                            // In two parts, so that all of them have begun before any is complete.
                            try await connection.send(whole.getSlice(at: 0, length: 100_000) ?? ByteBuffer())
                            try await connection.send(
                                whole.getSlice(at: 100_000, length: size + 4 - 100_000) ?? ByteBuffer())
                            #expect(try await connection.nextFrame() != nil)
                        }
                        return true
                    }
                }
                for try await answered in group { #expect(answered) }
            }
        }
    }
}
