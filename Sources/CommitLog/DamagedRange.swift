// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords

/// Offsets whose records are damaged on disk while valid ones follow. They stay where they are, and are never served.
public struct DamagedRange: Sendable, Hashable {
    /// The first offset that is lost.
    public var startOffset: Int64
    /// The offset after the last one that is lost: the next valid batch begins here, or the log goes on here.
    public var endOffset: Int64
    /// The segment that holds the damaged bytes.
    public var segmentBaseOffset: Int64
    /// Where the damage begins in the segment's file.
    public var startPosition: Int64
    /// Where it ends; equal to the start when the bytes are missing.
    public var endPosition: Int64

    /// A range; the start offset is before the end offset.
    public init(
        startOffset: Int64, endOffset: Int64, segmentBaseOffset: Int64, startPosition: Int64, endPosition: Int64
    ) {
        self.startOffset = startOffset
        self.endOffset = endOffset
        self.segmentBaseOffset = segmentBaseOffset
        self.startPosition = startPosition
        self.endPosition = endPosition
    }
}

/// The file `damaged-ranges` of a partition: what a recovery or a reader found, so that it is known after a restart too,
/// when not everything is scanned. A text file in the manner of the checkpoints, one line of five numbers and their
/// checksum for a range; no file when nothing is damaged. Kafka has no such file and ignores it.
enum DamagedRangesFile {
    static let name = "damaged-ranges"

    static func parse(_ text: String, path: String) throws(LogError) -> [DamagedRange] {
        var ranges: [DamagedRange] = []
        for line in try CheckpointText.lines(of: text, path: path) {
            let numbers = try CheckpointText.integers(in: line, count: 6, path: path)
            let range = DamagedRange(
                startOffset: numbers[0], endOffset: numbers[1], segmentBaseOffset: numbers[2],
                startPosition: numbers[3], endPosition: numbers[4]
            )
            guard range.startOffset >= 0, range.startOffset < range.endOffset, range.startPosition >= 0,
                range.startPosition <= range.endPosition, range.startOffset >= (ranges.last?.endOffset ?? 0),
                range.endOffset < SegmentFileName.offsetLimit
            else { throw .malformed(path: path, reason: "\"\(line)\" is no range after the one before") }
            guard Self.line(range) == line else {
                throw .malformed(path: path, reason: "the checksum of \"\(line)\" is wrong")
            }
            ranges.append(range)
        }
        return ranges
    }

    /// Replaces the file, or removes it when nothing is damaged.
    static func write(
        _ ranges: [DamagedRange], in directory: String, on fileSystem: any FileSystem
    ) throws(LogError) {
        if ranges.isEmpty {
            try disk { () throws(FileSystemError) in
                try SmallFile.remove(directory + "/" + self.name, from: fileSystem)
            }
        } else {
            try SmallFile.replace(self.name, in: directory, with: self.text(ranges), on: fileSystem)
        }
    }

    static func text(_ ranges: [DamagedRange]) -> String { CheckpointText.text(ranges.map { self.line($0) }) }

    private static func line(_ range: DamagedRange) -> String {
        let numbers =
            "\(range.startOffset) \(range.endOffset) \(range.segmentBaseOffset) \(range.startPosition) "
            + "\(range.endPosition)"
        return "\(numbers) \(Array(numbers.utf8).withUnsafeBytes { crc32c($0) })"
    }
}
