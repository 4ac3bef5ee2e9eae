// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A histogram as somebody else's page tells it: what it counted since that process began, or between two scrapes.
public struct BucketCounts: Sendable, Hashable {
    /// Buckets of a histogram.
    public static let bucketsMax = 1000
    /// The largest count: up to here doubles, in which the format has them, are exact. So a thousand histograms can be
    /// added up in 64 bits.
    public static let countMax = 1 << 53
    /// The largest bound and sum, far above any number of seconds or bytes: what is computed of them stays finite.
    public static let magnitudeMax = 0x1p100

    /// Upper bounds, ascending; the last one is infinite.
    public let bounds: [Double]
    /// Measurements in each bucket alone, as many as there are bounds.
    public private(set) var counts: [Int]
    /// All measurements added up.
    public private(set) var sum: Double

    /// What the samples of one histogram say, one by one.
    struct Parts {
        var buckets: [(bound: String, below: Double)] = []
        var sums: [Double] = []
        var counts: [Double] = []
    }

    /// Throws `MalformedMetrics` when the samples make no histogram.
    init(_ parts: Parts, family: String) throws(MalformedMetrics) {
        func fail(_ reason: String) -> MalformedMetrics { MalformedMetrics(line: nil, "\(family) \(reason)") }
        guard parts.sums.count == 1, parts.counts.count == 1, parts.sums[0].magnitude <= Self.magnitudeMax
        else {
            throw fail("has not exactly one sum and one count")
        }
        guard parts.buckets.count <= Self.bucketsMax else { throw fail("has more than \(Self.bucketsMax) buckets") }
        var (bounds, counts, last): ([Double], [Int], Int) = ([], [], 0)
        for (text, below) in parts.buckets {
            guard let bound = MetricsLine.value(ArraySlice(text.utf8)),
                bound > bounds.last ?? -Self.magnitudeMax,
                bound <= Self.magnitudeMax || bound == .infinity
            else {
                throw fail("has buckets whose bounds do not ascend")
            }
            guard let below = Int(exactly: below), below >= last, below <= Self.countMax else {
                throw fail("has buckets that do not hold what is below them")
            }
            bounds.append(bound)
            counts.append(below - last)
            last = below
        }
        guard bounds.last == .infinity, Int(exactly: parts.counts[0]) == last else {
            throw fail("has no bucket for everything, or another count than its buckets")
        }
        (self.bounds, self.counts, self.sum) = (bounds, counts, parts.sums[0])
    }

    /// How many measurements there are.
    public var count: Int { self.counts.reduce(0, +) }

    /// The mean of the measurements, exact but for the rounding of doubles; 0 without any.
    public var mean: Double { self.count == 0 ? 0 : self.sum / Double(self.count) }

    /// What came since an earlier look at the same histogram; nil when it cannot be told, because the process began anew
    /// meanwhile, or has other buckets.
    public func since(_ earlier: BucketCounts) -> BucketCounts? {
        guard self.bounds == earlier.bounds, self.sum >= earlier.sum,
            zip(self.counts, earlier.counts).allSatisfy({ $0 >= $1 })
        else { return nil }
        var difference = self
        difference.counts = zip(self.counts, earlier.counts).map { $0 - $1 }
        difference.sum = self.sum - earlier.sum
        return difference
    }

    /// Both together; nil when their buckets differ, or the counts become larger than any is.
    public func adding(_ other: BucketCounts) -> BucketCounts? {
        guard self.bounds == other.bounds else { return nil }
        var both = self
        both.counts = zip(self.counts, other.counts).map { $0 + $1 }
        both.sum = self.sum + other.sum
        return both.count <= Self.countMax ? both : nil
    }

    /// The value below which a part of the measurements lies, 0 to 1: as far between the bounds of its bucket as the
    /// measurement stands among those of the bucket. What is above the last finite bound counts as that bound; 0 without
    /// measurements.
    public func quantile(_ part: Double) -> Double {
        let rank = min(max(part, 0), 1) * Double(self.count)
        var (below, lower) = (0.0, 0.0)
        for (bound, count) in zip(self.bounds, self.counts) {
            let within = Double(count)
            if count > 0, below + within >= rank {
                guard bound.isFinite else { return lower }
                return lower + (bound - lower) * max(0, rank - below) / within
            }
            below += within
            lower = bound.isFinite ? bound : lower
        }
        return 0
    }
}
