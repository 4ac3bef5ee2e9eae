// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What a page in Prometheus' text format 0.0.4 says, as far as somebody wants to know it.
///
/// The page is a stranger's: whatever is in it, reading ends with a result or an error. Lines of metrics that nobody
/// asked for are looked at only as far as their name, so that a broker with many partitions does not cost much.
public struct ScrapedMetrics: Sendable {
    /// Samples that are kept: the histograms of 1,000 APIs have fewer.
    public static let samplesMax = 50_000
    /// Labels of a sample; Prometheus' own limit is often 30.
    public static let labelsMax = 64
    /// Bytes of a line with a sample that is kept.
    public static let lineBytesMax = 64 << 10

    /// One value.
    public struct Sample: Sendable, Hashable {
        /// With `_bucket`, `_sum` or `_count` behind the name of a histogram.
        public let name: String
        /// Values by names.
        public let labels: [String: String]
        /// As written: may be infinite or no number.
        public let value: Double
    }

    /// In the order of the page.
    public private(set) var samples: [Sample] = []
    /// Which of the families that were asked for the page knows, with samples or without.
    public private(set) var families: Set<String> = []

    /// Reads a page. Linear in its size.
    ///
    /// Throws `MalformedMetrics` for what is not in the format, and for more than the limits allow.
    ///
    /// - Parameters:
    ///   - bytes: the whole page; one that does not end with a newline has been cut off.
    ///   - names: the families that are wanted. A histogram's `_bucket`, `_sum` and `_count` belong to it.
    public init(_ bytes: [UInt8], families names: Set<String>) throws(MalformedMetrics) {
        guard bytes.isEmpty || bytes.last == UInt8(ascii: "\n") else {
            throw MalformedMetrics(line: nil, "the page is cut off: its last line does not end")
        }
        var wanted: [ArraySlice<UInt8>: String] = [:]
        for name in names {
            for suffix in ["", "_bucket", "_sum", "_count"] { wanted[ArraySlice((name + suffix).utf8)] = name }
        }
        var (start, number) = (bytes.startIndex, 0)
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            number += 1
            var line = MetricsLine(bytes[start..<end], number: number)
            start = end + 1
            line.skipBlanks()
            guard let first = line.next else { continue }
            if first == UInt8(ascii: "#") {
                if let family = line.declared.flatMap({ wanted[$0] }) { self.families.insert(family) }
                continue
            }
            let name = try line.name()
            guard let family = wanted[name] else { continue }
            guard self.samples.count < Self.samplesMax else {
                throw MalformedMetrics(line: number, "there are more than \(Self.samplesMax) samples")
            }
            self.families.insert(family)
            self.samples.append(try line.sample(named: String(decoding: name, as: UTF8.self)))
        }
    }

    /// The value of the only sample with this name; nil without one, or with several.
    public func value(_ name: String) -> Double? {
        let found = self.samples.filter { $0.name == name }
        return found.count == 1 ? found[0].value : nil
    }

    /// The histograms of a family by the value of one label, which is all that tells them apart.
    ///
    /// Throws `MalformedMetrics` for what is no histogram: buckets that shrink, that come twice, that are missing.
    public func histograms(_ family: String, by label: String) throws(MalformedMetrics) -> [String: BucketCounts] {
        var parts: [String: BucketCounts.Parts] = [:]
        for sample in self.samples {
            guard let key = sample.labels[label] else { continue }
            switch sample.name {
            case family + "_bucket":
                parts[key, default: .init()].buckets.append((sample.labels["le"] ?? "", sample.value))
            case family + "_sum": parts[key, default: .init()].sums.append(sample.value)
            case family + "_count": parts[key, default: .init()].counts.append(sample.value)
            default: break
            }
        }
        var histograms: [String: BucketCounts] = [:]
        for (key, parts) in parts { histograms[key] = try BucketCounts(parts, family: family) }
        return histograms
    }
}

/// A page that is not in Prometheus' text format, and where. Nothing of the page stands in the text: it may have
/// anything in it.
public struct MalformedMetrics: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public let description: String

    init(line: Int?, _ reason: String) {
        self.description = (line.map { "line \($0): " } ?? "") + reason
    }
}
