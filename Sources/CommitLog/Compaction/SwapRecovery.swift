// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import Logging

/// Puts the directory of a partition in order after a crash during a cleaning: finishes a swap that had been decided,
/// and takes back one that had not. Every step can be repeated.
///
/// A swap is decided when the compaction file names it:
///
/// | what is there | it is | and so |
/// | --- | --- | --- |
/// | `.cleaned`, not named | a cleaning that had not come to its end | removed |
/// | `.cleaned` or `.swap`, named | a swap | renamed; the files that it replaces are removed |
/// | `.swap`, not named | a swap of Kafka's | the same, for all segments up to its last offset |
/// | `.swap`, and a `.cleaned` at or before it | a split of Kafka's that was not finished | both are removed |
struct SwapRecovery {
    let fileSystem: any FileSystem
    let directory: String
    let logger: Logger?

    /// Whether a directory has anything to do with cleaning.
    static func concerns(_ names: [String]) -> Bool {
        names.contains { $0 == CompactionFile.name || self.isLeftOver($0) }
    }

    private static func isLeftOver(_ name: String) -> Bool {
        name.hasSuffix(SegmentFileName.cleanedSuffix) || name.hasSuffix(SegmentFileName.swapSuffix)
    }

    /// Puts the directory with these names in order and returns what the compaction file says then; nil without one.
    func run(_ names: [String]) throws(LogError) -> CompactionFile? {
        var file = names.contains(CompactionFile.name) ? try self.readFile(names) : nil
        var left = Set(names.filter { Self.isLeftOver($0) })
        if var found = file, found.hasSwap {
            try self.finish(found, &left)
            found.installs = []
            found.removals = []
            try found.write(in: self.directory, on: self.fileSystem)
            file = found
        }
        guard !left.isEmpty else { return file }
        try self.finishForeignSwaps(&left, names)
        try disk { () throws(FileSystemError) in
            for name in left { try SmallFile.remove(self.path(name), from: self.fileSystem) }
            try self.fileSystem.syncDirectory(self.directory)
        }
        return file
    }

    private func path(_ name: String) -> String { self.directory + "/" + name }

    /// A file that cannot be read says at least that the log was cleaned. Throws `malformed` when it may have named a
    /// swap.
    private func readFile(_ names: [String]) throws(LogError) -> CompactionFile? {
        do throws(LogError) {
            guard let text = try SmallFile.readText(self.path(CompactionFile.name), from: self.fileSystem) else {
                return nil
            }
            return try CompactionFile.parse(text, path: self.path(CompactionFile.name))
        } catch {
            guard case .malformed = error, !names.contains(where: { Self.isLeftOver($0) }) else { throw error }
            self.logger?.error("what is known of a log's cleaning cannot be read", metadata: ["error": "\(error)"])
            return CompactionFile(cleanedOffset: 0, gapsBefore: SegmentFileName.offsetLimit)
        }
    }

    private func finish(_ file: CompactionFile, _ left: inout Set<String>) throws(LogError) {
        self.logger?.notice(
            "finishing a swap of cleaned segments", metadata: ["directory": "\(self.directory)"])
        try disk { () throws(FileSystemError) in
            for name in file.removals { try SmallFile.remove(self.path(name.name), from: self.fileSystem) }
            for name in file.installs {
                for suffix in [SegmentFileName.swapSuffix, SegmentFileName.cleanedSuffix]
                where left.contains(name.name + suffix) {
                    try self.fileSystem.rename(self.path(name.name + suffix), to: self.path(name.name))
                    left.remove(name.name + suffix)
                    break
                }
            }
            try self.fileSystem.syncDirectory(self.directory)
        }
    }

    /// Does what Kafka does with its own: it knows from the last offset of a `.swap` file which segments it replaces.
    private func finishForeignSwaps(_ left: inout Set<String>, _ names: [String]) throws(LogError) {
        func bases(_ suffix: String) -> [Int64] {
            left.filter { $0.hasSuffix(suffix) }
                .compactMap { SegmentFileName(parsing: String($0.dropLast(suffix.count))) }
                .filter { $0.kind == .log }.map(\.offset).sorted()
        }
        let firstCleaned = bases(SegmentFileName.cleanedSuffix).first ?? .max
        for base in bases(SegmentFileName.swapSuffix) where base < firstCleaned {
            let swap = SegmentFileName(base, .log).name + SegmentFileName.swapSuffix
            let end = try disk { () throws(FileSystemError) in
                let file = try self.fileSystem.open(self.path(swap), .read)
                var scanner = BatchScanner(file: file, from: 0, to: try file.size())
                var end = base
                while case .batch(let header, _) = try scanner.next() { end = max(end, header.nextOffset) }
                return end
            }
            let files = names.compactMap { SegmentFileName(parsing: $0) }
            let replaced = files.filter { $0.kind != .snapshot && $0.offset > base && $0.offset < end }
            let kinds = SegmentFileName.Kind.allCases.filter {
                left.contains(SegmentFileName(base, $0).name + SegmentFileName.swapSuffix)
            }
            try self.finish(
                CompactionFile(installs: kinds.map { SegmentFileName(base, $0) }, removals: replaced), &left)
        }
    }
}
