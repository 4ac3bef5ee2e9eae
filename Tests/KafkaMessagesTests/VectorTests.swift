// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaMessages
import KafkaWire
import NIOCore
import Testing

@Suite("Vectors made by the Java client")
struct VectorTests {
    @Test("all 1,208 of them are there, and every one has its message")
    func count() {
        #expect(Vector.all.count == 1_208)
        for vector in Vector.all { #expect(messageTypes[vector.kind] != nil, "\(vector.place)") }
    }

    @Test("bytes become a message and the message becomes the same bytes")
    func bytes() throws {
        for vector in Vector.all {
            let type = try #require(messageTypes[vector.kind])
            #expect(try type.recoded(vector.bytes, version: vector.version) == vector.bytes, "\(vector.place)")
        }
    }

    @Test("a message of which no field was set has Kafka's defaults")
    func defaults() throws {
        for vector in Vector.all where vector.isSparse {
            let type = try #require(messageTypes[vector.kind])
            #expect(try type.init().bytes(version: vector.version) == vector.bytes, "\(vector.place)")
        }
    }

    @Test("what was decoded is what the JSON says")
    func values() throws {
        for vector in Vector.all {
            let type = try #require(messageTypes[vector.kind])
            let message = try type.decode(ByteBuffer(bytes: vector.bytes), version: vector.version)
            let json = try JSONSerialization.jsonObject(with: Data(vector.json.utf8))
            var comparison = JSONComparison()
            comparison.compare(message, json, path: vector.place)
            #expect(comparison.differences.isEmpty)
        }
    }

    @Test("the vectors cover every version of every request and response")
    func coverage() {
        let covered = Set(Vector.all.map { "\($0.kind) \($0.version)" })
        for entry in messageTable where entry.kind != .data {
            for version in entry.versions {
                #expect(covered.contains("\(entry.kind) \(version)"), "\(entry) \(version)")
            }
        }
    }
}
