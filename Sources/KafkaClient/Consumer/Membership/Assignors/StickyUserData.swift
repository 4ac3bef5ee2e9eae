// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import NIOCore

/// What members with the assignor `sticky` tell the leader: what they were given last, and when. They have given it up by
/// then, since the assignor is not cooperative.
///
/// The bytes have no version in front. Version 0 is an array of topics with their partitions, version 1 adds the
/// generation behind it.
struct StickyUserData: Equatable {
    var partitions: [TopicPartition]
    /// -1 when it is not known.
    var generation: Int32

    init(partitions: [TopicPartition], generation: Int32) {
        self.partitions = partitions
        self.generation = generation
    }

    /// - Throws: for bytes of neither version. Partitions that cannot be are left out.
    init(_ bytes: ByteBuffer) throws(WireError) {
        var reader = WireReader(bytes)
        var partitions: Set<TopicPartition> = []
        // A name and an array of nothing take 6 bytes.
        for _ in 0..<(try reader.readArrayCount(compact: false, minimumElementBytes: 6) ?? 0) {
            let topic = try reader.readString(compact: false, field: "topic")
            for index in try reader.readIntegers(of: Int32.self, compact: false, field: "partitions") where index >= 0 {
                partitions.insert(TopicPartition(topic: topic, partition: PartitionIndex(index)))
            }
        }
        self.partitions = partitions.sorted()
        self.generation = reader.remaining >= 4 ? try reader.readInt32() : -1
    }

    /// Version 1.
    ///
    /// - Throws: for more than an array can have.
    func encoded() throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        let topics = self.partitions.groupedByTopic { ($0, $1.map(\.partition.rawValue)) }
        try writer.writeArrayCount(topics.count, compact: false)
        for (topic, indexes) in topics {
            try writer.writeString(topic, compact: false)
            try writer.writeIntegers(indexes, compact: false)
        }
        writer.writeInt32(self.generation)
        return writer.buffer
    }
}
