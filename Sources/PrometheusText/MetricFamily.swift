// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What all samples of one name have in common.
public struct MetricFamily: Sendable, Hashable {
    /// How values of the family move.
    public enum Kind: String, Sendable, Hashable {
        /// Only grows, but for restarts.
        case counter
        /// Goes up and down.
        case gauge
        /// Counts by size.
        case histogram
    }

    /// Its name, with its unit at the end, and `_total` for counters.
    public let name: String
    /// How its values move.
    public let kind: Kind
    /// One sentence, for people.
    public let help: String
    /// The names of its labels, in the order in which samples give their values.
    public let labels: [String]

    /// A family. The name and labels have to be ones that Prometheus takes; see `isWellNamed`.
    public init(_ name: String, _ kind: Kind, _ help: String, labels: [String] = []) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
    }

    /// Name and labels are of letters, digits and underscores, do not begin with a digit, and `le` is left to histograms.
    public var isWellNamed: Bool {
        func isName(_ text: String) -> Bool {
            guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
            return text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || byte == UInt8(ascii: "_")
            }
        }
        return isName(self.name) && self.labels.allSatisfy { isName($0) && $0 != "le" && !$0.hasPrefix("__") }
            && Set(self.labels).count == self.labels.count
    }
}
