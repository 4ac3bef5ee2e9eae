// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore
import Testing

@Suite("Hostile bytes")
struct HardeningTests {
    @Test("no vector can be cut anywhere without an error")
    func truncation() throws {
        for vector in Vector.all {
            let type = try #require(messageTypes[vector.kind])
            let whole = ByteBuffer(bytes: vector.bytes)
            for length in 0..<vector.bytes.count {
                let cut = try #require(whole.getSlice(at: 0, length: length))
                do throws(WireError) {
                    _ = try type.decode(cut, version: vector.version)
                    Issue.record("\(vector.place) cut to \(length) bytes was read")
                } catch {
                    // Which error depends on where the cut is.
                }
            }
        }
    }

    @Test("a byte after the message is an error")
    func trailing() throws {
        for vector in Vector.all {
            let type = try #require(messageTypes[vector.kind])
            #expect(throws: WireError.trailingBytes(1), "\(vector.place)") {
                try type.decode(ByteBuffer(bytes: vector.bytes + [0]), version: vector.version)
            }
        }
    }

    @Test("a vector with changed bytes is an error or another message that keeps its bytes")
    func flippedBytes() throws {
        var generator = SeededGenerator(seed: 0x4d61_7274_6c65_7402)
        var errors = 0
        for vector in Vector.all where !vector.bytes.isEmpty {
            let type = try #require(messageTypes[vector.kind])
            for _ in 0..<15 {
                var bytes = vector.bytes
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let index = Int.random(in: bytes.indices, using: &generator)
                    bytes[index] ^= UInt8.random(in: 1...255, using: &generator)
                }
                if try !isRefused(bytes, by: type, version: vector.version, place: vector.place) { continue }
                errors += 1
            }
        }
        #expect(errors > 2_000)
    }

    @Test("versions on either side of the schema are refused")
    func versions() throws {
        for entry in messageTable {
            let valid = entry.type.validVersions
            for version in [valid.lowerBound - 1, valid.upperBound + 1, .max, .min] {
                let error = WireError.unsupportedVersion(message: entry.name, version: version)
                #expect(throws: error) { try entry.type.decode(ByteBuffer(bytes: [0, 0, 0, 0]), version: version) }
                #expect(throws: error) { try entry.type.init().encoded(version: version) }
            }
        }
    }

    @Test("an array that claims more elements than its bytes can hold costs nothing")
    func hugeCounts() {
        func decode(_ bytes: [UInt8], version: Int16) -> WireError? {
            do throws(WireError) {
                _ = try MetadataRequest.decode(ByteBuffer(bytes: bytes), version: version)
                return nil
            } catch {
                return error
            }
        }
        #expect(decode([0x7f, 0xff, 0xff, 0xff], version: 1) == .tooManyElements(Int(Int32.max)))
        #expect(decode([0, 0x0f, 0x42, 0x41], version: 1) == .tooManyElements(1_000_001))
        // A topic is at least an empty string: two bytes.
        #expect(decode([0, 0, 0, 2, 0, 0, 0], version: 1) == .lengthBeyondFrame(length: 4, available: 3))
        #expect(decode([0xff, 0xff, 0xff, 0xfe], version: 1) == .negativeLength(-2))
        #expect(decode([0xff, 0xff, 0xff, 0xff, 0x0f], version: 12) == .tooManyElements(Int(UInt32.max) - 1))
        #expect(decode([0x80, 0x00], version: 12) == .overlongVarint)
    }

    @Test("null is read only in the versions that have it")
    func nulls() throws {
        #expect(throws: WireError.nonNullableIsNull(field: "topics")) {
            try MetadataRequest.decode(ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff]), version: 0)
        }
        #expect(try MetadataRequest.decode(ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff]), version: 1).topics == nil)
    }

    @Test("tagged fields that no schema knows are skipped, in the header, the body and inside of arrays")
    func unknownTags() throws {
        // Version 12 of Metadata: one topic with an unknown tag 7, then an unknown tag 0 and 300 of the body.
        var topic: [UInt8] = Array(repeating: 9, count: 16) + [2, 0x61, 1, 7, 2, 0xff, 0xff]
        topic = [2] + topic + [1, 0, 2, 0, 0, 0xac, 0x02, 1, 0xff]
        let request = try MetadataRequest.decode(ByteBuffer(bytes: topic), version: 12)
        #expect(request.topics?.map(\.name) == ["a"])
        let known: [UInt8] = [2] + Array(repeating: 9, count: 16) + [2, 0x61, 0, 1, 0, 0]
        #expect(try request.bytes(version: 12) == known)
        let header: [UInt8] = [0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 1, 4, 1, 0xff]
        #expect(try RequestHeader.decode(ByteBuffer(bytes: header), version: 2).clientID == nil)
    }
}

/// True when `bytes` are refused. When they are read, what is written back must be a form that stays as it is.
func isRefused(_ bytes: [UInt8], by type: any KafkaMessage.Type, version: Int16, place: String) throws -> Bool {
    let message: any KafkaMessage
    do throws(WireError) {
        message = try type.decode(ByteBuffer(bytes: bytes), version: version)
    } catch {
        return true
    }
    // Unknown tags are dropped and booleans become 0 or 1, so the first writing may differ from what was read.
    let written = try message.bytes(version: version)
    #expect(try type.recoded(written, version: version) == written, "\(place): \(bytes)")
    return false
}
