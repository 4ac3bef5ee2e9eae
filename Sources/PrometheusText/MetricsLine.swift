// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One line of a page of metrics, taken apart from its start on.
struct MetricsLine {
    /// Digits of a value, with sign, point and exponent: the shortest text of any double has 24.
    private static let numberBytesMax = 64

    private var rest: ArraySlice<UInt8>
    private let number: Int
    private let byteCount: Int

    init(_ bytes: ArraySlice<UInt8>, number: Int) {
        self.rest = bytes
        self.number = number
        self.byteCount = bytes.count
    }

    /// The byte that comes next; nil at the end.
    var next: UInt8? { self.rest.first }

    private func fail(_ reason: String) -> MalformedMetrics { MalformedMetrics(line: self.number, reason) }

    mutating func skipBlanks() { self.rest = self.rest.drop { Self.isBlank($0) } }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// The family that a comment tells the type of; nil for other comments.
    var declared: ArraySlice<UInt8>? {
        let words = self.rest.split(maxSplits: 3, whereSeparator: Self.isBlank)
        guard words.count >= 3, words[0].elementsEqual("#".utf8), words[1].elementsEqual("TYPE".utf8) else {
            return nil
        }
        return words[2]
    }

    /// Takes the name of a metric. Throws when there is none.
    mutating func name() throws(MalformedMetrics) -> ArraySlice<UInt8> {
        let name = self.rest.prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard let first = name.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            throw self.fail("there is no name of a metric")
        }
        self.rest = self.rest[name.endIndex...]
        return name
    }

    /// Takes what stands behind the name: labels, the value, and a timestamp, which is not looked at further.
    mutating func sample(named name: String) throws(MalformedMetrics) -> ScrapedMetrics.Sample {
        guard self.byteCount <= ScrapedMetrics.lineBytesMax else {
            throw self.fail("it has more than \(ScrapedMetrics.lineBytesMax) bytes")
        }
        self.skipBlanks()
        let labels = self.next == UInt8(ascii: "{") ? try self.labels() : [:]
        let words = self.rest.split(whereSeparator: Self.isBlank)
        guard (1...2).contains(words.count) else { throw self.fail("there is not one value with or without its time") }
        guard let value = Self.value(words[0]) else { throw self.fail("the value is no number") }
        guard words.count == 1 || Self.text(words[1]).flatMap({ Int64($0) }) != nil else {
            throw self.fail("the time is no whole number")
        }
        return ScrapedMetrics.Sample(name: name, labels: labels, value: value)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        bytes.count <= Self.numberBytesMax ? String(validating: bytes, as: UTF8.self) : nil
    }

    /// A number as the format has it; nil for anything else.
    static func value(_ bytes: ArraySlice<UInt8>) -> Double? {
        guard let text = Self.text(bytes) else { return nil }
        switch text {
        case "+Inf", "Inf": return .infinity
        case "-Inf": return -.infinity
        case "NaN": return .nan
        default:
            guard let value = Double(text), value.isFinite else { return nil }
            return value
        }
    }

    private mutating func labels() throws(MalformedMetrics) -> [String: String] {
        var labels: [String: String] = [:]
        self.rest.removeFirst()
        while true {
            self.skipBlanks()
            if self.take(UInt8(ascii: "}")) { return labels }
            let name = String(decoding: try self.name(), as: UTF8.self)
            self.skipBlanks()
            guard self.take(UInt8(ascii: "=")) else { throw self.fail("a label has no value") }
            self.skipBlanks()
            guard labels.updateValue(try self.quoted(), forKey: name) == nil else {
                throw self.fail("a label comes twice")
            }
            guard labels.count <= ScrapedMetrics.labelsMax else {
                throw self.fail("there are more than \(ScrapedMetrics.labelsMax) labels")
            }
            self.skipBlanks()
            guard self.take(UInt8(ascii: ",")) || self.next == UInt8(ascii: "}") else {
                throw self.fail("the labels do not end")
            }
        }
    }

    /// Takes a byte, if it is the next one.
    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.next == byte else { return false }
        self.rest.removeFirst()
        return true
    }

    private mutating func quoted() throws(MalformedMetrics) -> String {
        guard self.take(UInt8(ascii: "\"")) else { throw self.fail("the value of a label is not in quotation marks") }
        var bytes: [UInt8] = []
        while let byte = self.rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    throw self.fail("the value of a label is no UTF-8")
                }
                return text
            case UInt8(ascii: "\\"):
                switch self.rest.popFirst() {
                case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
                case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
                case UInt8(ascii: "\""): bytes.append(UInt8(ascii: "\""))
                default: throw self.fail("a backslash in the value of a label stands for nothing")
                }
            default: bytes.append(byte)
            }
        }
        throw self.fail("the value of a label does not end")
    }
}
