// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Counts measurements by size, so that quantiles can be told from outside: Prometheus' histogram.
///
/// Measurements are whole numbers, of nanoseconds or bytes; `unit` says what they are multiplied with when they are
/// shown. May be used from any thread. A measurement costs some nanoseconds: a walk over the bounds and two additions.
public final class Histogram: Sendable {
    /// Upper bounds of the buckets, ascending; what is larger than all of them is counted in one more.
    public let bounds: [Int]
    /// What a measurement is multiplied with to be in the base unit: 1e-9 for nanoseconds.
    public let unit: Double
    /// One number for each bucket, one for what is above them, one for the sum.
    private let cells: ShardedCells

    /// - Parameters:
    ///   - bounds: ascending; may be empty.
    ///   - shards: how many threads measure often.
    public init(bounds: [Int], unit: Double, shards: Int = 1) {
        self.bounds = bounds
        self.unit = unit
        self.cells = ShardedCells(count: bounds.count + 2, shards: shards)
    }

    /// Counts a measurement. A negative one counts as 0: a clock that was turned back must not make sums shrink.
    public func record(_ measured: Int, shard: Int = 0) {
        let measured = max(measured, 0)
        var bucket = 0
        while bucket < self.bounds.count, self.bounds[bucket] < measured { bucket += 1 }
        self.cells.add(1, at: bucket, shard: shard)
        self.cells.add(measured, at: self.bounds.count + 1, shard: shard)
    }

    /// What has been measured so far. The count is that of the buckets shown with it, so that they always agree.
    public var snapshot: Snapshot {
        var counts: [Int] = []
        counts.reserveCapacity(self.bounds.count + 1)
        for bucket in 0...self.bounds.count { counts.append(self.cells.value(at: bucket)) }
        return Snapshot(
            bounds: self.bounds, unit: self.unit, counts: counts, sum: self.cells.value(at: self.bounds.count + 1))
    }

    /// A histogram at one moment.
    public struct Snapshot: Sendable, Hashable {
        /// Upper bounds, as in the histogram.
        public let bounds: [Int]
        /// As in the histogram.
        public let unit: Double
        /// Measurements in each bucket alone, and last those above all bounds: one more than there are bounds.
        public let counts: [Int]
        /// All measurements added up, not multiplied.
        public let sum: Int

        /// How many measurements there are.
        public var count: Int { self.counts.reduce(0, &+) }
    }
}

extension Histogram {
    /// Bounds for times in nanoseconds, from 50 µs to 30 s: a broker answers most requests between 0.1 ms and some
    /// seconds. With them measurements are multiplied by `nanoseconds`.
    public static let latencyBounds = [
        50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000, 30_000_000_000,
    ]
    /// Bounds for numbers of bytes, from 1 KiB to 256 MiB.
    public static let byteBounds = (0..<10).map { 1 << (10 + 2 * $0) }
    /// The unit of measurements in nanoseconds: shown in seconds.
    public static let nanoseconds = 1e-9
    /// The unit of what is shown as it is.
    public static let one = 1.0
}
