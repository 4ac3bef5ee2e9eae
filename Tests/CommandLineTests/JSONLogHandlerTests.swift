// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import martlet

@Suite("The log as JSON")
struct JSONLogHandlerTests {
    private static func lines(_ body: (inout Logger) -> Void) throws -> [[String: String]] {
        let lines = Mutex<[String]>([])
        var logger = Logger(label: "martlet") { label in
            JSONLogHandler(
                label: label, write: { line in lines.withLock { $0.append(String(buffer: line)) } },
                now: { 1_714_566_600_123 })
        }
        body(&logger)
        return try lines.withLock { $0 }.map { line in
            #expect(line.hasSuffix("}\n") && line.filter { $0 == "\n" }.count == 1)
            return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        }
    }

    @Test("a line is one object: time, level, message, label, and the particulars as fields")
    func fields() throws {
        let lines = try Self.lines { logger in
            logger[metadataKey: "node"] = "1"
            logger.info("ready", metadata: ["topics": "3"])
            logger.debug("not this one")
        }
        #expect(
            lines == [
                [
                    "time": "2024-05-01T12:30:00.123Z", "level": "info", "message": "ready", "label": "martlet",
                    "node": "1", "topics": "3",
                ]
            ])
    }

    @Test("what clients call things cannot break a line, nor pass for one of its own fields")
    func rudeness() throws {
        let rude = "a\"b\\c\nd\u{1}\u{2028}ü🦅"
        let lines = try Self.lines { $0.error("\(rude)", metadata: ["level": "fake", rude: "\(rude)"]) }
        #expect(lines[0]["message"] == rude)
        #expect(lines[0]["level"] == "error")
        #expect(lines[0]["metadata.level"] == "fake")
        #expect(lines[0][rude] == rude)
    }

    @Test(
        "times are RFC 3339 in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_827_696_007, "2000-02-29T12:34:56.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
        ])
    func times(milliseconds: Int64, text: String) {
        #expect(JSONLogHandler.timestamp(milliseconds) == text)
    }
}
