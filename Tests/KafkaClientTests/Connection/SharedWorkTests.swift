// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization
import Testing

@testable import KafkaClient

@Suite struct SharedWorkTests {
    private struct Failed: Error {}

    private static func error(_ body: @Sendable () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    /// Work that counts its runs and goes on when it is let.
    private final class Work: Sendable {
        let shared = SharedWork<Int>()
        let runs = Mutex(0)
        private let outcome = Mutex<Result<Int, Failed>?>(nil)

        func run() async throws -> Int {
            try await self.shared.run {
                self.runs.withLock { $0 += 1 }
                while true {
                    let outcome = self.outcome.withLock { outcome in
                        defer { outcome = nil }
                        return outcome
                    }
                    if let outcome { return try outcome.get() }
                    try Task.checkCancellation()
                    await Task.yield()
                }
            }
        }

        func end(_ result: Result<Int, Failed>) { self.outcome.withLock { $0 = result } }

        func waitUntilRunning(_ count: Int) async { while self.runs.withLock(\.self) < count { await Task.yield() } }

        func waitUntil(waiting count: Int) async { while self.shared.waitingCount != count { await Task.yield() } }
    }

    @Test("tasks that ask while one is at work share what comes of it")
    func shares() async throws {
        let work = Work()
        async let leader = work.run()
        await work.waitUntilRunning(1)
        async let others = withThrowingTaskGroup { group in
            for _ in 0..<50 { group.addTask { try await work.run() } }
            return try await group.reduce(into: [Int]()) { $0.append($1) }
        }
        await work.waitUntil(waiting: 50)
        work.end(.success(7))
        #expect(try await leader == 7)
        #expect(try await others == [Int](repeating: 7, count: 50))
        #expect(work.runs.withLock(\.self) == 1)
    }

    @Test("a failure is shared too, and the next task begins anew")
    func failure() async throws {
        let work = Work()
        async let leader = Self.error { _ = try await work.run() }
        await work.waitUntilRunning(1)
        async let other = Self.error { _ = try await work.run() }
        await work.waitUntil(waiting: 1)
        work.end(.failure(Failed()))
        #expect(await leader is Failed)
        #expect(await other is Failed)
        async let next = work.run()
        await work.waitUntilRunning(2)
        work.end(.success(1))
        #expect(try await next == 1)
    }

    @Test("when the working task is cancelled another one takes over")
    func takeOver() async throws {
        let work = Work()
        try await withThrowingTaskGroup(of: Int?.self) { group in
            let (cancelled, cancel) = AsyncStream<Void>.makeStream()
            group.addTask {
                await withTaskGroup(of: Void.self) { inner in
                    inner.addTask { _ = try? await work.run() }
                    for await _ in cancelled { break }
                    inner.cancelAll()
                }
                return nil
            }
            await work.waitUntilRunning(1)
            for _ in 0..<3 { group.addTask { try await work.run() } }
            await work.waitUntil(waiting: 3)
            cancel.yield()
            await work.waitUntilRunning(2)
            await work.waitUntil(waiting: 2)
            work.end(.success(9))
            var results: [Int] = []
            for try await result in group { if let result { results.append(result) } }
            #expect(results == [9, 9, 9])
        }
    }

    @Test("who waits may be cancelled, before and while it does, and the work goes on")
    func cancelledWaiter() async throws {
        let work = Work()
        async let leader = work.run()
        await work.waitUntilRunning(1)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        _ = try await work.run()
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
            }
            group.cancelAll()
            for await wasCancelled in group { #expect(wasCancelled) }
        }
        #expect(work.shared.waitingCount == 0)
        work.end(.success(3))
        #expect(try await leader == 3)
    }
}
