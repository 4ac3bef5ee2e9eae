// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Numbers that only grow, next to each other: what happens together is counted together, in one cache line.
///
/// May be used from any thread. An addition costs some nanoseconds, and hardly more while others add in other shards.
public final class CounterSet: Sendable {
    private let cells: ShardedCells

    /// - Parameters:
    ///   - count: how many numbers, at least 1.
    ///   - shards: how many threads count often; see `add`.
    public init(count: Int, shards: Int = 1) { self.cells = ShardedCells(count: count, shards: shards) }

    /// Adds to number `index`, which must be less than the count.
    ///
    /// - Parameter shard: any number that threads which count often do not share, such as that of an event loop.
    @inline(__always)
    public func add(_ amount: Int, to index: Int, shard: Int = 0) {
        self.cells.add(amount, at: index, shard: shard)
    }

    /// The value of number `index`, which must be less than the count. Linear in the shards.
    public subscript(index: Int) -> Int { self.cells.value(at: index) }
}

/// A number that only grows, such as of requests. May be used from any thread.
public final class Counter: Sendable {
    private let cells: ShardedCells

    /// - Parameter shards: how many threads count often.
    public init(shards: Int = 1) { self.cells = ShardedCells(count: 1, shards: shards) }

    /// Adds `amount`, which should not be negative.
    @inline(__always)
    public func add(_ amount: Int = 1, shard: Int = 0) { self.cells.add(amount, at: 0, shard: shard) }

    /// What has been added. Linear in the shards.
    public var value: Int { self.cells.value(at: 0) }
}

/// A number that goes up and down, such as of open connections. May be used from any thread.
public final class Gauge: Sendable {
    private let cells: ShardedCells

    /// - Parameter shards: how many threads move it often.
    public init(shards: Int = 1) { self.cells = ShardedCells(count: 1, shards: shards) }

    /// Adds `amount`, which may be negative. What one thread adds another may take away.
    @inline(__always)
    public func add(_ amount: Int, shard: Int = 0) { self.cells.add(amount, at: 0, shard: shard) }

    /// What is left of all that was added. Linear in the shards.
    public var value: Int { self.cells.value(at: 0) }
}
