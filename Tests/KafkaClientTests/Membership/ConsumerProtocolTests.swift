// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Testing

@testable import KafkaClient

@Suite struct ConsumerProtocolTests {
    private static let owned = [0, 3].map { TopicPartition(topic: "b", partition: PartitionIndex(Int32($0))) }

    /// A subscription as another member would have sent it.
    private static func member(_ bytes: [UInt8]) throws(WireError) -> (version: Int16, ClassicGroupMember) {
        var member = JoinGroupResponse.JoinGroupResponseMember()
        member.memberID = "m"
        member.metadata = ByteBuffer(bytes: bytes)
        return try ConsumerProtocol.member(member)
    }

    @Test("a subscription is written in version 3, with everything in its place")
    func subscription() throws {
        let bytes = try ConsumerProtocol.subscription(
            topics: ["a", "b"], owned: Self.owned, generation: 5, rackID: "r", userData: ByteBuffer(bytes: [7]))
        let expected: [UInt8] =
            [0, 3] + [0, 0, 0, 2, 0, 1, 97, 0, 1, 98] + [0, 0, 0, 1, 7]
            + [0, 0, 0, 1, 0, 1, 98, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3] + [0, 0, 0, 5] + [0, 1, 114]
        #expect(Array(bytes.readableBytesView) == expected)
        let (version, member) = try Self.member(expected)
        #expect(version == 3)
        #expect(member.topics == ["a", "b"])
        #expect(member.owned == Self.owned)
        #expect(member.generation == 5)
        #expect(member.rackID == "r")
        #expect(member.userData == ByteBuffer(bytes: [7]))
    }

    @Test("older subscriptions say less, and newer ones are read as far as they are known")
    func versions() throws {
        let body: [UInt8] = [0, 0, 0, 1, 0, 1, 97] + [255, 255, 255, 255]
        let owned: [UInt8] = [0, 0, 0, 1, 0, 1, 97, 0, 0, 0, 1, 0, 0, 0, 2]
        let oldest = try Self.member([0, 0] + body)
        #expect(oldest.0 == 0)
        #expect(oldest.1.topics == ["a"])
        #expect(oldest.1.generation == nil)
        #expect(oldest.1.userData == nil)
        let first = try Self.member([0, 1] + body + owned)
        #expect(first.1.owned == [TopicPartition(topic: "a", partition: 2)])
        let newer = try Self.member([0, 9] + body + owned + [0, 0, 0, 4] + [255, 255] + [1, 2, 3])
        #expect(newer.0 == 3)
        #expect(newer.1.generation == 4)
        #expect(newer.1.rackID == nil)
    }

    @Test("what another member makes up is an error, or left out, and never a trap")
    func hostile() throws {
        for bytes: [UInt8] in [
            [], [0], [0, 0], [255, 255, 0, 0, 0, 0], [0, 0, 127, 255, 255, 255], [0, 0, 0, 0, 0, 1, 0, 9, 97],
            [0, 0, 0, 0, 0, 1, 0, 1, 200, 255, 255, 255, 255],
        ] {
            #expect(throws: WireError.self, "\(bytes)") { _ = try Self.member(bytes) }
        }
        // Twice the same topic and partition, and one that cannot be.
        let twice: [UInt8] = [0, 0, 0, 2, 0, 1, 97, 0, 1, 97, 255, 255, 255, 255]
        let owned: [UInt8] = [0, 0, 0, 1, 0, 1, 97, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 255, 255, 255, 254]
        let member = try Self.member([0, 1] + twice + owned).1
        #expect(member.topics == ["a"])
        #expect(member.owned == [TopicPartition(topic: "a", partition: 2)])
    }

    @Test("an assignment is written in the version that its member speaks, and read again")
    func assignment() throws {
        let bytes = try ConsumerProtocol.assignment(Self.owned.reversed(), version: 1)
        let expected: [UInt8] =
            [0, 1, 0, 0, 0, 1, 0, 1, 98, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3] + [255, 255, 255, 255]
        #expect(Array(bytes.readableBytesView) == expected)
        #expect(try ConsumerProtocol.partitions(bytes) == Set(Self.owned))
        #expect(try ConsumerProtocol.partitions(ByteBuffer()).isEmpty)
        #expect(try ConsumerProtocol.partitions(ByteBuffer(bytes: [0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5])).isEmpty)
    }

    @Test("an assignment of what cannot be is an error")
    func hostileAssignment() {
        for bytes: [UInt8] in [
            [0], [255, 254, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0, 1, 98, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0],
        ] {
            #expect(throws: WireError.self, "\(bytes)") {
                _ = try ConsumerProtocol.partitions(ByteBuffer(bytes: bytes))
            }
        }
    }

    @Test("what sticky members say is Java's: topics with partitions, and from version 1 on the generation")
    func stickyUserData() throws {
        let data = StickyUserData(partitions: Self.owned, generation: 6)
        let expected: [UInt8] = [0, 0, 0, 1, 0, 1, 98, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 6]
        #expect(Array(try data.encoded().readableBytesView) == expected)
        #expect(try StickyUserData(ByteBuffer(bytes: expected)) == data)
        let old = try StickyUserData(ByteBuffer(bytes: expected.dropLast(4)))
        #expect(old == StickyUserData(partitions: Self.owned, generation: -1))
        #expect(throws: WireError.self) { try StickyUserData(ByteBuffer(bytes: expected.dropLast(9))) }
    }
}
