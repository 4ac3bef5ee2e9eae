// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Histogram

/// Latencies in nanoseconds, with three significant digits from a millisecond on and half a microsecond below, up to an
/// hour; what took longer counts as an hour.
public struct LatencyHistogram: Sendable, Equatable {
    /// What is told apart at least, in nanoseconds.
    static let lowest: UInt64 = 1000
    /// An hour.
    static let highest: UInt64 = 3_600_000_000_000

    private(set) var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: Self.lowest, highestTrackableValue: Self.highest, numberOfSignificantValueDigits: .three
    )

    /// Without a value. Takes 190 KB.
    public init() {}

    /// How many values there are.
    public var count: Int { Int(clamping: self.histogram.totalCount) }
    /// There is none.
    public var isEmpty: Bool { self.histogram.totalCount == 0 }

    /// Adds a latency so many times. One below zero counts as zero: clocks of two threads may be that far apart.
    public mutating func record(_ nanoseconds: Int64, count: Int = 1) {
        let value = Swift.min(UInt64(Swift.max(nanoseconds, 0)), Self.highest)
        self.histogram.record(value, count: UInt64(Swift.max(count, 0)))
    }

    /// Adds what another one has.
    public mutating func add(_ other: LatencyHistogram) {
        if !other.isEmpty { self.histogram.add(other.histogram) }
    }

    /// Forgets all.
    public mutating func clear() {
        if !self.isEmpty { self.histogram.reset() }
    }

    /// The value below which this part of all values lies, from 0 to 100, in nanoseconds; 0 without values.
    public func percentile(_ percentile: Double) -> Int64 {
        Int64(clamping: Swift.min(self.histogram.valueAtPercentile(percentile), Self.highest))
    }

    /// In nanoseconds; 0 without values.
    public var mean: Double {
        let sum = self.recorded.reduce(0.0) { sum, entry in
            let middle = self.histogram.medianEquivalentForValue(UInt64(clamping: entry.value))
            return sum + Double(middle) * Double(entry.count)
        }
        return self.isEmpty ? 0 : sum / Double(self.count)
    }
    /// In nanoseconds; 0 without values.
    public var max: Int64 { self.isEmpty ? 0 : Int64(clamping: Swift.min(self.histogram.max, Self.highest)) }

    /// The values in use, ascending, with how often each was recorded: not by the library's iteration, which adds the
    /// values up in 64 bits, and nanoseconds of many slow records have more. Linear in the number of values that can be
    /// told apart, 24,000.
    public var recorded: [(value: Int64, count: Int)] {
        guard !self.isEmpty else { return [] }
        return (0...Self.index(of: Swift.min(self.histogram.maxRecorded, Self.highest))).compactMap { index in
            let value = Self.value(at: index)
            let count = self.histogram.countForValue(value)
            return count > 0 ? (Int64(clamping: value), Int(clamping: count)) : nil
        }
    }
}
