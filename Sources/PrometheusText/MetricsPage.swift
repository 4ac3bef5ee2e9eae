// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The page that a scrape reads, in Prometheus' text format 0.0.4.
///
/// Families are written one after the other, each once. The page checks nothing of what they mean.
public struct MetricsPage: Sendable {
    /// What HTTP calls this format.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text so far, in UTF-8. Every line ends with a newline.
    public private(set) var bytes: [UInt8] = []

    /// - Parameter byteCount: how large the page will probably be.
    public init(reserving byteCount: Int = 0) { self.bytes.reserveCapacity(byteCount) }

    /// Writes a family: its help, its type, and the samples that `body` gives. Without samples the first two lines are
    /// all, so that a reader learns of it nevertheless.
    public mutating func write(_ family: MetricFamily, _ body: (inout Samples) -> Void) {
        self.append("# HELP ")
        self.append(family.name)
        self.append(" ")
        self.appendEscaped(family.help, quotes: false)
        self.append("\n# TYPE ")
        self.append(family.name)
        self.append(" ")
        self.append(family.kind.rawValue)
        self.append("\n")
        var samples = Samples(family: family, page: MetricsPage())
        swap(&samples.page.bytes, &self.bytes)
        body(&samples)
        swap(&samples.page.bytes, &self.bytes)
    }

    /// Writes a family that has one sample without labels.
    public mutating func write(_ family: MetricFamily, _ value: Int) { self.write(family) { $0.add([], value) } }

    /// Writes a family that has one sample without labels.
    public mutating func write(_ family: MetricFamily, _ value: Double) { self.write(family) { $0.add([], value) } }

    /// The samples of one family.
    public struct Samples {
        fileprivate let family: MetricFamily
        fileprivate var page: MetricsPage

        /// Adds a sample; `labels` are the values of the family's labels, in their order. An empty value stands for a
        /// label that is not there.
        public mutating func add(_ labels: [String], _ value: Int) {
            self.page.begin(self.family.name, "", self.family.labels, labels, le: nil)
            self.page.append(value)
            self.page.append("\n")
        }

        /// Adds a sample with a value that need not be whole.
        public mutating func add(_ labels: [String], _ value: Double) {
            self.page.begin(self.family.name, "", self.family.labels, labels, le: nil)
            self.page.append(value)
            self.page.append("\n")
        }

        /// Adds the samples of a histogram: buckets, each with all below it, their sum and their count.
        public mutating func add(_ labels: [String], _ histogram: Histogram.Snapshot) {
            let (name, names) = (self.family.name, self.family.labels)
            var below = 0
            for (index, count) in histogram.counts.enumerated() {
                below &+= count
                let isLast = index == histogram.bounds.count
                let bound = isLast ? Double.infinity : Double(histogram.bounds[index]) * histogram.unit
                self.page.begin(name, "_bucket", names, labels, le: bound)
                self.page.append(below)
                self.page.append("\n")
            }
            self.page.begin(name, "_sum", names, labels, le: nil)
            if histogram.unit == 1 {
                self.page.append(histogram.sum)
            } else {
                self.page.append(Double(histogram.sum) * histogram.unit)
            }
            self.page.append("\n")
            self.page.begin(name, "_count", names, labels, le: nil)
            self.page.append(below)
            self.page.append("\n")
        }
    }
}

// MARK: - Text

extension MetricsPage {
    /// `name{label="value",le="0.5"} `.
    fileprivate mutating func begin(
        _ name: String, _ suffix: String, _ names: [String], _ values: [String], le: Double?
    ) {
        precondition(names.count == values.count, "\(name) has \(names.count) labels, not \(values.count)")
        self.append(name)
        self.append(suffix)
        var separator = "{"
        for (name, value) in zip(names, values) where !value.isEmpty {
            self.append(separator)
            self.append(name)
            self.append("=\"")
            self.appendEscaped(value, quotes: true)
            self.append("\"")
            separator = ","
        }
        if let le {
            self.append(separator)
            self.append("le=\"")
            self.append(le)
            self.append("\"")
            separator = ","
        }
        self.append(separator == "{" ? " " : "} ")
    }

    private mutating func append(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    fileprivate mutating func append(_ value: Int) { self.append(String(value)) }

    fileprivate mutating func append(_ value: Double) {
        if value.isNaN { return self.append("NaN") }
        if value.isInfinite { return self.append(value < 0 ? "-Inf" : "+Inf") }
        // The shortest text that reads as this number; bounds of nanoseconds are not exact in seconds.
        self.append("\(Self.rounded(value))")
    }

    /// To twelve digits: what differs from that is the error of the multiplication with a unit.
    private static func rounded(_ value: Double) -> Double {
        let whole = value.rounded()
        if whole == value { return value }
        var scale = 1.0
        while scale < 1e12, (value * scale).rounded() / scale != value { scale *= 10 }
        return (value * scale).rounded() / scale
    }

    /// Backslashes, newlines and, in values of labels, quotation marks.
    private mutating func appendEscaped(_ text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): self.append("\\\\")
            case UInt8(ascii: "\n"): self.append("\\n")
            case UInt8(ascii: "\"") where quotes: self.append("\\\"")
            default: self.bytes.append(byte)
            }
        }
    }
}
