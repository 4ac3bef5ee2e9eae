// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A page of Prometheus' text format, read by the letter of its description: what is not exactly as it says there is
/// refused. Written without looking at the encoder.
struct StrictPage {
    struct Family {
        var name: String
        var type: String
        var help: String
        var samples: [Sample] = []
    }

    struct Sample: Equatable {
        var name: String
        var labels: [String: String] = [:]
        var value: Double
    }

    struct Problem: Error, CustomStringConvertible {
        let line: Int
        let text: String
        var description: String { "line \(self.line): \(self.text)" }
    }

    private(set) var families: [Family] = []

    init(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.isEmpty || text.hasSuffix("\n") else { throw Problem(line: 0, text: "no newline at the end") }
        var help: (name: String, text: String)?
        var seen: Set<String> = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().enumerated() {
            func fail(_ reason: String) -> Problem { Problem(line: index + 1, text: "\(reason): \(line)") }
            if line.hasPrefix("# HELP ") {
                let words = line.dropFirst(7).split(separator: " ", maxSplits: 1)
                guard words.count == 2 else { throw fail("HELP without text") }
                help = (String(words[0]), String(words[1]))
            } else if line.hasPrefix("# TYPE ") {
                let words = line.dropFirst(7).split(separator: " ").map(String.init)
                guard words.count == 2, ["counter", "gauge", "histogram"].contains(words[1]) else {
                    throw fail("TYPE is wrong")
                }
                guard help?.name == words[0] else { throw fail("TYPE does not follow HELP") }
                guard seen.insert(words[0]).inserted else { throw fail("a family comes twice") }
                self.families.append(Family(name: words[0], type: words[1], help: help?.text ?? ""))
            } else {
                guard !line.isEmpty, !line.hasPrefix("#") else { throw fail("neither sample nor comment") }
                guard let sample = Self.sample(line) else { throw fail("not a sample") }
                guard let family = self.families.last else { throw fail("a sample before any family") }
                let suffixes = family.type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                guard suffixes.contains(where: { sample.name == family.name + $0 }) else {
                    throw fail("a sample in the family \(family.name)")
                }
                self.families[self.families.count - 1].samples.append(sample)
            }
        }
    }

    subscript(name: String) -> Family? { self.families.first { $0.name == name } }

    /// The value of the one sample with that name and these labels.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = self.families.flatMap(\.samples).filter { $0.name == name && $0.labels == labels }
        return found.count == 1 ? found[0].value : nil
    }

    private static func sample(_ line: Substring) -> Sample? {
        var rest = line[...]
        let name = Self.name(&rest)
        guard let name else { return nil }
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest.removeFirst()
            while rest.first != "}" {
                guard let label = Self.name(&rest), rest.hasPrefix("=\"") else { return nil }
                rest.removeFirst(2)
                guard let value = Self.quoted(&rest), labels.updateValue(value, forKey: label) == nil else {
                    return nil
                }
                if rest.first == "," { rest.removeFirst() } else if rest.first != "}" { return nil }
            }
            rest.removeFirst()
        }
        guard rest.first == " " else { return nil }
        rest.removeFirst()
        let special = ["+Inf": Double.infinity, "-Inf": -Double.infinity, "NaN": Double.nan]
        guard let value = special[String(rest)] ?? Double(rest) else { return nil }
        return Sample(name: name, labels: labels, value: value)
    }

    private static func name(_ rest: inout Substring) -> String? {
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        guard let first = name.first, !first.isNumber else { return nil }
        rest.removeFirst(name.count)
        return String(name)
    }

    private static func quoted(_ rest: inout Substring) -> String? {
        var value = ""
        while let next = rest.popFirst() {
            switch next {
            case "\"": return value
            case "\\":
                switch rest.popFirst() {
                case "n": value += "\n"
                case "\\": value += "\\"
                case "\"": value += "\""
                default: return nil
                }
            default: value.append(next)
            }
        }
        return nil
    }
}
