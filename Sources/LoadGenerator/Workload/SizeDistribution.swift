// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How large the values of records are, in bytes.
///
/// As text: `100` or `fixed:100`, `uniform:100-1000`, `normal:1000,200` (mean and standard deviation; what falls
/// below 0 counts as 0, and nothing is larger than four deviations above the mean), `zipf:100-100000` (small ones
/// often, large ones rarely: a size is half as likely as one of half the size).
public enum SizeDistribution: Sendable, Hashable, CustomStringConvertible {
    /// All alike.
    case fixed(Int)
    /// Each size from the first to the second is as likely as any other.
    case uniform(Int, Int)
    /// A bell curve.
    case normal(mean: Int, deviation: Int)
    /// Between the two, with a probability that falls with the size.
    case zipf(Int, Int)

    /// The largest value that may be asked for, in bytes: what a producer's request may be at most.
    public static let bytesMax = 1 << 30

    /// Reads the text form. Nil for anything else, for sizes above ``bytesMax`` and for ranges that are none.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        let (kind, rest) = parts.count == 2 ? (parts[0], parts[1]) : ("fixed", text)
        func numbers(_ separator: Character) -> (Int, Int)? {
            let numbers = rest.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let first = numbers[0], let second = numbers[1] else { return nil }
            return (first, second)
        }
        switch kind {
        case "fixed":
            guard let size = Int(rest) else { return nil }
            self = .fixed(size)
        case "uniform":
            guard let (low, high) = numbers("-") else { return nil }
            self = .uniform(low, high)
        case "normal":
            guard let (mean, deviation) = numbers(",") else { return nil }
            self = .normal(mean: mean, deviation: deviation)
        case "zipf":
            guard let (low, high) = numbers("-") else { return nil }
            self = .zipf(low, high)
        default:
            return nil
        }
        guard self.isValid else { return nil }
    }

    private var isValid: Bool {
        let sizes = 0...Self.bytesMax
        return switch self {
        case .fixed(let size): sizes.contains(size)
        case .uniform(let low, let high): sizes.contains(low) && sizes.contains(high) && low <= high
        case .normal(let mean, let deviation):
            sizes.contains(mean) && (0...Self.bytesMax / 4).contains(deviation) && sizes.contains(mean + 4 * deviation)
        case .zipf(let low, let high): low >= 1 && sizes.contains(high) && low <= high
        }
    }

    /// The text form.
    public var description: String {
        switch self {
        case .fixed(let size): "fixed:\(size)"
        case .uniform(let low, let high): "uniform:\(low)-\(high)"
        case .normal(let mean, let deviation): "normal:\(mean),\(deviation)"
        case .zipf(let low, let high): "zipf:\(low)-\(high)"
        }
    }

    /// The smallest and the largest that there can be.
    public var range: ClosedRange<Int> {
        switch self {
        case .fixed(let size): size...size
        case .uniform(let low, let high), .zipf(let low, let high): low...high
        case .normal(let mean, let deviation): max(0, mean - 4 * deviation)...(mean + 4 * deviation)
        }
    }

    /// What sizes are on average, in bytes.
    public var mean: Double {
        switch self {
        case .fixed(let size): return Double(size)
        case .uniform(let low, let high): return Double(low + high) / 2
        case .normal(let mean, _): return Double(mean)
        case .zipf(let low, let high):
            // With a density of 1/x between the two.
            guard low < high else { return Double(low) }
            return Double(high - low) / (log(Double(high)) - log(Double(low)))
        }
    }

    /// One size, by chance.
    public func sample(using generator: inout some RandomNumberGenerator) -> Int {
        switch self {
        case .fixed(let size): return size
        case .uniform(let low, let high): return Int.random(in: low...high, using: &generator)
        case .normal(let mean, let deviation):
            // Twelve numbers between 0 and 1 have a sum with mean 6 and deviation 1, and nearly a bell's shape.
            let sum = (0..<12).reduce(0.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
            let size = (Double(mean) + (sum - 6) * Double(deviation)).rounded()
            return min(max(Int(size), self.range.lowerBound), self.range.upperBound)
        case .zipf(let low, let high):
            let (first, last) = (log(Double(low)), log(Double(high)))
            let size = exp(Double.random(in: first...last, using: &generator))
            return min(max(Int(size.rounded()), low), high)
        }
    }
}
