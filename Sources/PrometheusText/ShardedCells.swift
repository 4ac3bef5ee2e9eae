// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// A block of numbers that many threads may move at the same time without taking each other's cache lines.
///
/// There are `count` numbers, each as often as there are shards; a shard has cache lines of its own. Who moves numbers
/// often, such as an event loop, uses a shard of its own; whoever reads adds the shards up. A shard may be used by
/// anybody at any time: it is only slower then, never wrong.
final class ShardedCells: Sendable {
    /// Bytes that processors hand to each other as one: two lines of 64, as they are fetched in pairs.
    static let lineByteCount = 128
    private static let cellsPerLine = lineByteCount / MemoryLayout<Atomic<Int>>.stride

    let count: Int
    let shardCount: Int
    private let stride: Int
    // Set once; what it points to are atomics, which live as long as this object does.
    private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<Int>>

    /// - Parameters:
    ///   - count: numbers, at least 1.
    ///   - shards: rounded up to a power of two, at least 1.
    init(count: Int, shards: Int) {
        var shardCount = 1
        while shardCount < shards { shardCount *= 2 }
        self.count = max(count, 1)
        self.shardCount = shardCount
        // A single shard is moved seldom and need not fill a line.
        self.stride =
            shardCount == 1
            ? self.count : (self.count + Self.cellsPerLine - 1) / Self.cellsPerLine * Self.cellsPerLine
        let total = self.stride * shardCount
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: total * MemoryLayout<Atomic<Int>>.stride,
            alignment: shardCount == 1 ? MemoryLayout<Atomic<Int>>.alignment : Self.lineByteCount)
        self.cells = raw.bindMemory(to: Atomic<Int>.self, capacity: total)
        for index in 0..<total { (self.cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        self.cells.deinitialize(count: self.stride * self.shardCount)
        self.cells.deallocate()
    }

    /// Adds to a number. Wraps around. `index` must be less than `count`; any shard will do.
    @inline(__always)
    func add(_ amount: Int, at index: Int, shard: Int) {
        precondition(index >= 0 && index < self.count, "there is no such number")
        let cell = self.cells + ((shard & (self.shardCount - 1)) * self.stride + index)
        cell.pointee.wrappingAdd(amount, ordering: .relaxed)
    }

    /// A number's value: the sum over its shards. Linear in them.
    func value(at index: Int) -> Int {
        precondition(index >= 0 && index < self.count, "there is no such number")
        var sum = 0
        for shard in 0..<self.shardCount {
            sum &+= (self.cells + (shard * self.stride + index)).pointee.load(ordering: .relaxed)
        }
        return sum
    }
}
