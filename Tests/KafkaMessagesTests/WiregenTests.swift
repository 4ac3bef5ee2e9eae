// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

@testable import wiregen

@Suite("wiregen")
struct WiregenTests {
    @Test("the generated files are what the schemas say")
    func currency() throws {
        #expect(try Generator(root: packageRoot).staleFiles() == [])
    }

    private func parse(_ text: String) throws -> Message? {
        var parser = try SchemaParser(text: text, file: "x.kmsg", folder: "messages")
        switch try parser.parse() {
        case .api(let api): return api.request
        case .data(let message): return message
        }
    }

    @Test("every form of a field is understood")
    func fields() throws {
        let message = try #require(
            try self.parse(
                """
                # A comment.
                api 500 Test
                request 0-9 flexible 4+ latest-unstable
                  A: [Thing]?1+ @0-7
                    B: string? = null key ignorable
                  C: int32 = 0x7f @5+ tag 0
                  D: int64 = -1 tag 1 (6+)
                  E: string? flexible none
                  F: Shared @3
                  G: [int16]?
                  struct Shared
                    H: uuid
                """
            )
        )
        #expect(message.isLatestUnstable)
        #expect(message.flexible == VersionRange(low: 4, high: 9))
        let fields = Dictionary(uniqueKeysWithValues: message.fields.map { ($0.name, $0) })
        #expect(fields["A"]?.nullable == VersionRange(low: 1, high: 7))
        #expect(fields["C"]?.tag == 0)
        #expect(fields["D"]?.versions == VersionRange(low: 6, high: 9))
        #expect(fields["E"]?.isNeverCompact == true)
        #expect(fields["F"]?.versions == VersionRange(low: 3, high: 3))
        #expect(fields["G"]?.type == .array(.int16))
        #expect(message.structs.map(\.name) == ["Thing", "Shared"])
        #expect(message.structs[0].fields[0].defaultsToNull)
    }

    @Test("a mistake in a schema is reported with its line")
    func mistakes() {
        let mistakes: [(String, String)] = [
            ("data X 0\n  A: int33", "x.kmsg:2: int33 is not a type"),
            ("data X 0\n  A: int32?", "x.kmsg:2: a value of fixed width cannot be null"),
            ("data X 0\n  A: int32 = null", "x.kmsg:2: only a nullable field is null"),
            ("data X 0\n  A: int32 ignored", "x.kmsg:2: ignored is not an attribute"),
            ("data X 0\n  A: int32\n  A: int32", "x.kmsg:3: A is there twice"),
            ("data X 0\n  A: Missing", "x.kmsg:2: struct Missing is not defined"),
            ("data X 0-3\n  A: int32 @4+", "x.kmsg:2: no version has this field"),
            ("data X 0-3 flexible 2+\n  A: int32 tag 0", "x.kmsg:2: only flexible versions have tagged fields"),
            ("data X 0 flexible 0+\n  A: int32 tag 1", "x.kmsg:2: tags are numbered from 0 without a gap"),
            ("data X 0 flexible 0+\n  A: int32 tag 10001", "x.kmsg:2: tags are numbered from 10000 without a gap"),
            ("data X 0\n  A: [T]\n    B: [T]", "x.kmsg:3: struct T contains itself"),
            (
                "data X 0-1\n  A: [T]\n    B: int8 @1",
                "x.kmsg:2: an element of A may have no bytes, so its count cannot be checked"
            ),
            ("data X 0+\n  A: int32", "x.kmsg:1: a message has a closed range of versions, such as 0-3"),
            ("data X 0\n   A: int32", "x.kmsg:2: indentation goes in steps of two spaces"),
            ("data X 0\n      A: int32", "x.kmsg:2: this line belongs to nothing"),
        ]
        for (text, message) in mistakes {
            do {
                _ = try self.parse(text)
                Issue.record("was accepted: \(text)")
            } catch {
                #expect("\(error)" == message)
            }
        }
    }

    @Test("names become Swift's")
    func names() {
        #expect(SwiftName.member("TransactionalId") == "transactionalID")
        #expect(SwiftName.member("PartitionIds") == "partitionIDs")
        #expect(SwiftName.member("V3AndBelowTopics") == "v3AndBelowTopics")
        #expect(SwiftName.member("KRaftVersion") == "kRaftVersion")
        #expect(SwiftName.member("IsrNodes") == "isrNodes")
        #expect(SwiftName.member(upperCase: "UNKNOWN_TOPIC_ID") == "unknownTopicID")
        #expect(SwiftName.declared("protocol") == "`protocol`")
    }
}
