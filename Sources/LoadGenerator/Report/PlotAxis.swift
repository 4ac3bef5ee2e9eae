// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// A direction of a plot: which values there are, and where they are marked.
struct PlotAxis: Sendable, Equatable {
    enum Scale: Sendable {
        case linear
        case logarithmic
    }

    struct Tick: Sendable, Equatable {
        var value: Double
        var label: String
    }

    var scale: Scale
    var range: ClosedRange<Double>
    var ticks: [Tick]

    /// Where a value lies, from 0 at the beginning to 1 at the end.
    func position(_ value: Double) -> Double {
        let (low, high) = (self.range.lowerBound, self.range.upperBound)
        let value = min(max(value, low), high)
        switch self.scale {
        case .linear: return high > low ? (value - low) / (high - low) : 0
        case .logarithmic: return high > low ? log(value / low) / log(high / low) : 0
        }
    }

    /// From zero to a round number above the largest value, with about five marks.
    static func linear(upTo largest: Double, from smallest: Double = 0) -> PlotAxis {
        let span = largest - smallest
        guard span.isFinite, span > 0 else {
            return PlotAxis(scale: .linear, range: smallest...smallest + 1, ticks: [])
        }
        let step = Self.roundStep(span / 5)
        let last = (largest / step).rounded(.up) * step
        let first = (smallest / step).rounded(.down) * step
        let count = Int(((last - first) / step).rounded())
        let ticks = (0...count).map { number -> Tick in
            let value = first + Double(number) * step
            return Tick(value: value, label: Self.label(value, step: step))
        }
        return PlotAxis(scale: .linear, range: first...last, ticks: ticks)
    }

    /// The same from the smallest value to the largest, whether they are round or not: for time, which has no more room
    /// than there was.
    static func tight(from smallest: Double, upTo largest: Double) -> PlotAxis {
        var axis = Self.linear(upTo: largest, from: smallest)
        guard largest > smallest else { return axis }
        axis.range = smallest...largest
        axis.ticks = axis.ticks.filter { axis.range.contains($0.value) }
        return axis
    }

    /// From a round number below the smallest value to one above the largest, both more than 0, with a mark at 1, 2
    /// and 5 of each power of ten, or at the powers alone where there are many.
    static func logarithmic(_ values: ClosedRange<Double>) -> PlotAxis {
        let (first, last) = (log10(values.lowerBound).rounded(.down), log10(values.upperBound).rounded(.up))
        let factors: [Double] = last - first > 3 ? [1] : [1, 2, 5]
        let all = (Int(first)...Int(max(last, first + 1))).flatMap { power in
            factors.map { factor in factor * pow(10, Double(power)) }
        }
        let low = all.last { $0 <= values.lowerBound } ?? values.lowerBound
        let high = all.first { $0 >= values.upperBound && $0 > low } ?? values.upperBound
        let ticks = all.filter { (low...high).contains($0) }.map { Tick(value: $0, label: Self.label($0, step: $0)) }
        return PlotAxis(scale: .logarithmic, range: low...high, ticks: ticks)
    }

    /// The axis of percentiles as those who use HdrHistogram draw it: each step to the right is a tenth of the records
    /// that are left. Values are 1/(1-p).
    static func percentiles(upTo last: Double) -> PlotAxis {
        let marks: [(Double, String)] = [
            (1, "0 %"), (2, "50 %"), (10, "90 %"), (100, "99 %"), (1000, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %"),
            (1e6, "99.9999 %"), (1e7, "99.99999 %"), (1e8, "99.999999 %"),
        ]
        let end = max(last, 10)
        let ticks = marks.filter { $0.0 <= end }.map { Tick(value: $0.0, label: $0.1) }
        return PlotAxis(scale: .logarithmic, range: 1...end, ticks: ticks)
    }

    /// 1, 2 or 5 times a power of ten, at least as large.
    private static func roundStep(_ step: Double) -> Double {
        let power = pow(10, log10(step).rounded(.down))
        let factor = step / power
        return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10)
    }

    private static func label(_ value: Double, step: Double) -> String {
        let units: [(Double, String)] = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
        for (factor, unit) in units where abs(value) >= factor {
            return Self.short(value / factor, step: step / factor) + unit
        }
        return Self.short(value, step: step)
    }

    private static func short(_ value: Double, step: Double) -> String {
        let digits = step >= 1 ? 0 : min(6, Int((-log10(step)).rounded(.up)))
        return String(format: "%.\(digits)f", value)
    }
}
