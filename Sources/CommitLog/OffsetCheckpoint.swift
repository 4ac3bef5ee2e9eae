// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// A file of a data directory with one offset for each partition.
enum OffsetCheckpoint: String, CaseIterable {
    /// Up to here everything is on stable storage, indexes included: recovery begins here.
    case recoveryPoint = "recovery-point-offset-checkpoint"
    /// The first offset that has not been deleted.
    case logStartOffset = "log-start-offset-checkpoint"
    /// The high watermark.
    case highWatermark = "replication-offset-checkpoint"

    static func parse(_ text: String, path: String) throws(LogError) -> [TopicPartition: Int64] {
        var offsets: [TopicPartition: Int64] = [:]
        for line in try CheckpointText.lines(of: text, path: path) {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, let partition = Int32(parts[1]), partition >= 0, let offset = Int64(parts[2]),
                offset >= 0, offset < SegmentFileName.offsetLimit
            else { throw .malformed(path: path, reason: "\"\(line.prefix(80))\" is not topic, partition and offset") }
            offsets[TopicPartition(topic: String(parts[0]), partition: PartitionIndex(partition))] = offset
        }
        return offsets
    }

    static func text(_ offsets: [TopicPartition: Int64]) -> String {
        CheckpointText.text(
            offsets.sorted { $0.key < $1.key }.map { "\($0.key.topic) \($0.key.partition) \($0.value)" }
        )
    }

    func read(in directory: String, from fileSystem: any FileSystem) throws(LogError) -> [TopicPartition: Int64] {
        let path = directory + "/" + self.rawValue
        guard let text = try SmallFile.readText(path, from: fileSystem) else { return [:] }
        return try Self.parse(text, path: path)
    }

    func write(
        _ offsets: [TopicPartition: Int64], in directory: String, to fileSystem: any FileSystem
    ) throws(LogError) {
        try SmallFile.replace(self.rawValue, in: directory, with: Self.text(offsets), on: fileSystem)
    }
}
