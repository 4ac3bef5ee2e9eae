// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// The file `compaction` of a partition that was ever cleaned: how far it is clean, where offsets may be missing, and
/// which swap of files is under way. A text file in the manner of the checkpoints, replaced as a whole.
///
/// Kafka keeps the first of these in one file for all partitions, `cleaner-offset-checkpoint`, and does not know the
/// others. Here they are one file, as the first two must be on stable storage together with the swap, whose commit is
/// that this file names it; and it goes with the directory of its partition. Kafka ignores it and cleans again.
struct CompactionFile: Sendable, Hashable {
    static let name = "compaction"

    /// The log was cleaned up to here; 0 before the first cleaning.
    var cleanedOffset: Int64 = 0
    /// Offsets before it may be missing because of a cleaning, whatever `cleanup.policy` says today.
    var gapsBefore: Int64 = 0
    /// When the last batch of a cleaned segment was appended, in wall-clock milliseconds, by the base of the segment:
    /// the modification times of its files tell when it was cleaned.
    var appended: [Int64: Int64] = [:]
    /// Files that replace those of their name: they wait under the name with `.swap` or `.cleaned` at the end.
    var installs: [SegmentFileName] = []
    /// Files that are gone once the others are in place.
    var removals: [SegmentFileName] = []

    /// A swap has begun, and may have been done in part.
    var hasSwap: Bool { !self.installs.isEmpty || !self.removals.isEmpty }

    var text: String {
        CheckpointText.text(
            ["cleaned \(self.cleanedOffset)", "gaps \(self.gapsBefore)"]
                + self.appended.sorted { $0.key < $1.key }.map { "appended \($0.key) \($0.value)" }
                + self.installs.map { "install \($0.name)" }
                + self.removals.map { "remove \($0.name)" })
    }

    /// Throws `malformed` for anything that `text` does not write.
    static func parse(_ text: String, path: String) throws(LogError) -> Self {
        var file = Self()
        for line in try CheckpointText.lines(of: text, path: path) {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard words.count == (words.first == "appended" ? 3 : 2) else { throw Self.malformed(line, path) }
            switch words[0] {
            case "appended":
                file.appended[try Self.offset(words[1], line, path)] = try Self.offset(words[2], line, path)
            case "cleaned": file.cleanedOffset = try Self.offset(words[1], line, path)
            case "gaps": file.gapsBefore = try Self.offset(words[1], line, path)
            case "install": file.installs.append(try Self.fileName(words[1], line, path))
            case "remove": file.removals.append(try Self.fileName(words[1], line, path))
            default: throw Self.malformed(line, path)
            }
        }
        return file
    }

    private static func offset(_ word: String, _ line: Substring, _ path: String) throws(LogError) -> Int64 {
        guard let offset = Int64(word), offset >= 0 else { throw Self.malformed(line, path) }
        return offset
    }

    private static func fileName(
        _ word: String, _ line: Substring, _ path: String
    ) throws(LogError) -> SegmentFileName {
        guard let name = SegmentFileName(parsing: word) else { throw Self.malformed(line, path) }
        return name
    }

    private static func malformed(_ line: Substring, _ path: String) -> LogError {
        .malformed(path: path, reason: "\"\(line.prefix(80))\" is no line of a compaction file")
    }

    /// Replaces the file of a partition.
    func write(in directory: String, on fileSystem: any FileSystem) throws(LogError) {
        try SmallFile.replace(Self.name, in: directory, with: self.text, on: fileSystem)
    }
}
