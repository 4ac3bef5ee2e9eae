// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@Suite("WireWriter")
struct WireWriterTests {
    @Test("what is written is read back, in both forms", arguments: [false, true])
    func mirror(compact: Bool) throws {
        var writer = WireWriter()
        writer.writeInt8(-8)
        writer.writeInt16(-16)
        writer.writeInt32(-32)
        writer.writeInt64(-64)
        writer.writeUInt16(.max)
        writer.writeUInt32(.max)
        writer.writeBool(true)
        writer.writeFloat64(-0.5)
        writer.writeUUID(UUID128(high: 1, low: .max))
        try writer.writeNullableString("mañana", compact: compact)
        try writer.writeNullableString(nil, compact: compact)
        try writer.writeNullableBytes(ByteBuffer(bytes: [1, 2]), compact: compact)
        try writer.writeNullableBytes(nil, compact: compact)
        try writer.writeNullableRecords(.buffer(ByteBuffer(bytes: [3])), compact: compact)
        try writer.writeNullableRecords(nil, compact: compact)
        writer.writePresence(false)

        var reader = WireReader(writer.buffer)
        #expect(try reader.readInt8() == -8)
        #expect(try reader.readInt16() == -16)
        #expect(try reader.readInt32() == -32)
        #expect(try reader.readInt64() == -64)
        #expect(try reader.readUInt16() == .max)
        #expect(try reader.readUInt32() == .max)
        #expect(try reader.readBool())
        #expect(try reader.readFloat64() == -0.5)
        #expect(try reader.readUUID() == UUID128(high: 1, low: .max))
        #expect(try reader.readNullableString(compact: compact) == "mañana")
        #expect(try reader.readNullableString(compact: compact) == nil)
        #expect(try reader.readNullableBytes(compact: compact) == ByteBuffer(bytes: [1, 2]))
        #expect(try reader.readNullableBytes(compact: compact) == nil)
        #expect(try reader.readNullableRecords(compact: compact)?.buffer == ByteBuffer(bytes: [3]))
        #expect(try reader.readNullableRecords(compact: compact)?.byteCount == nil)
        #expect(try !reader.readPresence())
        try reader.finish()
    }

    @Test("a string that int16 cannot count is refused in both forms", arguments: [false, true])
    func longStrings(compact: Bool) throws {
        var writer = WireWriter()
        try writer.writeString(String(repeating: "a", count: 32_767), compact: compact)
        let long = String(repeating: "é", count: 16_384)
        #expect(throws: WireError.valueTooLong(length: 32_768, limit: 32_767)) {
            try writer.writeString(long, compact: compact)
        }
    }

    @Test("records that are elsewhere leave their length and a splice, and count in the size of the frame")
    func splices() throws {
        var writer = WireWriter()
        let frame = writer.beginFrame()
        writer.writeInt16(7)
        try writer.writeRecords(.external(token: 5, byteCount: 1_000), compact: true)
        writer.writeInt16(8)
        try writer.writeNullableRecords(.external(token: 6, byteCount: 0), compact: false)
        try writer.endFrame(frame)

        // Frame size, int16, varint 1001, int16, int32.
        #expect(writer.buffer.readableBytes == 4 + 2 + 2 + 2 + 4)
        #expect(
            writer.splices == [
                Splice(position: 8, token: 5, byteCount: 1_000), Splice(position: 14, token: 6, byteCount: 0),
            ]
        )
        #expect(writer.byteCount == 14 + 1_000)
        #expect(writer.buffer.getInteger(at: 0, as: Int32.self) == 1_010)
    }

    @Test("two frames in one buffer have a size each")
    func frames() throws {
        var writer = WireWriter(ByteBuffer(bytes: [1]))
        for token in 0..<2 {
            let frame = writer.beginFrame()
            try writer.writeRecords(.external(token: token, byteCount: 10), compact: false)
            try writer.endFrame(frame)
        }
        #expect(writer.buffer.getInteger(at: 1, as: Int32.self) == 14)
        #expect(writer.buffer.getInteger(at: 9, as: Int32.self) == 14)
        #expect(writer.splices.map(\.position) == [9, 17])
    }

    @Test("a frame that int32 cannot count is refused")
    func hugeFrame() throws {
        var writer = WireWriter()
        let frame = writer.beginFrame()
        try writer.writeRecords(.external(token: 0, byteCount: Int(Int32.max)), compact: false)
        #expect(throws: WireError.valueTooLong(length: Int(Int32.max) + 4, limit: Int(Int32.max))) {
            try writer.endFrame(frame)
        }
        #expect(throws: WireError.valueTooLong(length: Int(Int32.max) + 1, limit: Int(Int32.max))) {
            try writer.writeRecords(.external(token: 0, byteCount: Int(Int32.max) + 1), compact: true)
        }
    }

    @Test("names, retriability and summaries come with the code")
    func errorCodes() {
        #expect(ErrorCode.none.rawValue == 0)
        #expect(ErrorCode.unknownServerError.rawValue == -1)
        #expect(ErrorCode.notLeaderOrFollower.name == "NOT_LEADER_OR_FOLLOWER")
        #expect(ErrorCode.notLeaderOrFollower.isRetriable)
        #expect(!ErrorCode.messageTooLarge.isRetriable)
        #expect(ErrorCode.unknownTopicID.description == "UNKNOWN_TOPIC_ID (100)")
        #expect(ErrorCode(9_999).description == "UNKNOWN_ERROR_CODE (9999)")
        for code in Int16(-1)...133 { #expect(ErrorCode(code).summary.hasSuffix(".")) }
        #expect(APIKey.produce.description == "Produce (0)")
        #expect(APIKey(500).name == "Unknown")
    }
}
