// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Tracing

/// Where a trace stands, in the form that travels: W3C's `traceparent`, for example
/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
struct Traceparent: Hashable, Sendable, CustomStringConvertible {
    /// The name of the header, in HTTP and in records.
    static let header = "traceparent"

    /// The whole trace: 32 hexadecimal digits in lower case.
    var traceID: String
    /// The span that this one is under: 16 hexadecimal digits.
    var spanID: String
    /// Bit 0: the trace is recorded.
    var flags: String

    init(traceID: String, spanID: String, flags: String = "01") {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
    }

    /// Reads the text of a header; nil when it is not what W3C says.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].count == 2, parts[0] != "ff", parts[0] != "00" || parts.count == 4 else {
            return nil
        }
        let isValid = zip(parts, [2, 32, 16, 2]).allSatisfy { part, length in
            part.utf8.count == length && part.utf8.allSatisfy(Self.isLowerHex)
        }
        guard isValid, parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" }) else {
            return nil
        }
        self.init(traceID: String(parts[1]), spanID: String(parts[2]), flags: String(parts[3]))
    }

    var description: String { "00-\(self.traceID)-\(self.spanID)-\(self.flags)" }

    /// The trace of the task, as the tracer in use would write it into a header; nil without one.
    static var current: String? {
        guard let context = InstrumentationContext.current else { return nil }
        var carrier: [String: String] = [:]
        InstrumentationSystem.instrument.inject(context, into: &carrier, using: DictionaryCarrier())
        return carrier[Self.header]
    }

    /// The context of the span that wrote this header.
    static func context(_ header: String?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        guard let header else { return context }
        InstrumentationSystem.instrument.extract([Self.header: header], into: &context, using: DictionaryCarrier())
        return context
    }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// Headers as a dictionary.
private struct DictionaryCarrier: Injector, Extractor {
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
}
