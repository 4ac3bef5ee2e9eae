// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes

/// Goes over a data directory and tells of everything in it that is not as it should be. Changes nothing, and needs
/// neither the lock nor a broker that stands still; what a running broker is writing may look torn.
///
/// Reads everything once; memory is a window and a block of each index, whatever the size of the directory.
public struct LogVerifier {
    private let fileSystem: any FileSystem
    private let path: String
    private let isDeep: Bool
    private let report: (VerificationFinding) -> Void
    private var summary = VerificationSummary()
    /// Told now and then how many bytes of segments have been gone over.
    public var progress: ((Int64) -> Void)?

    /// A verifier of the data directory at `path`; every finding is told to `report` when it is made.
    ///
    /// - Parameter isDeep: also decompress and count the records of every batch.
    public init(
        fileSystem: any FileSystem, path: String, isDeep: Bool = false,
        report: @escaping (VerificationFinding) -> Void
    ) {
        self.fileSystem = fileSystem
        self.path = path
        self.isDeep = isDeep
        self.report = report
    }

    /// Verifies everything and returns what it went over. Throws `storage` when the directory itself cannot be read;
    /// what cannot be read inside of it is a finding.
    public mutating func run() throws(LogError) -> VerificationSummary {
        let names = try disk { () throws(FileSystemError) in try self.fileSystem.list(self.path) }.sorted()
        self.summary = VerificationSummary()
        self.summary.wasCleanShutdown = names.contains(LogDirectory.cleanShutdownFileName)
        self.summary.isInUse = names.contains(LogDirectory.lockFileName) && self.isLocked()
        // The name of a file may look like that of a partition.
        let directories = names.filter { (try? self.fileSystem.status(self.path + "/" + $0))?.isDirectory == true }
        let partitions = directories.compactMap { LogDirectory.partition(ofDirectory: $0) }.sorted()
        let checkpoints = self.checkpoints(partitions: Set(partitions))
        self.verifyMetaProperties(names)
        let hasJournal = self.verifyJournals(names)
        let partitionNames = Set(partitions.map { "\($0)" })
        for name in names where !partitionNames.contains(name) { self.judge(name) }
        for partition in partitions {
            var points = PartitionVerifier.Points(
                recoveryPoint: checkpoints[.recoveryPoint]?[partition] ?? 0,
                logStartOffset: checkpoints[.logStartOffset]?[partition] ?? 0,
                highWatermark: checkpoints[.highWatermark]?[partition] ?? 0)
            points.hasJournal = hasJournal && !self.summary.wasCleanShutdown
            points.wasCleanShutdown = self.summary.wasCleanShutdown && !self.summary.isInUse
            var verifier = PartitionVerifier(
                fileSystem: self.fileSystem, dataDirectory: self.path, partition: partition, points: points,
                isDeep: self.isDeep, summary: self.summary, report: self.report)
            verifier.progress = self.progress
            verifier.run()
            self.summary = verifier.summary
            self.summary.partitions += 1
        }
        return self.summary
    }

    private mutating func find(
        _ severity: VerificationSeverity, _ file: String, _ what: String, advice: String = ""
    ) {
        self.summary.count(severity)
        self.report(
            VerificationFinding(severity: severity, file: file, what: what, advice: advice))
    }

    /// Whether a broker holds the lock. It is tried for a moment; a broker that starts in that moment says that the
    /// directory is in use.
    private func isLocked() -> Bool {
        do {
            return try self.fileSystem.lock(self.path + "/" + LogDirectory.lockFileName) == nil
        } catch {
            // Without the right to write the lock says nothing; nor is it needed.
            return false
        }
    }

    // MARK: - Files of the data directory

    private mutating func checkpoints(
        partitions: Set<TopicPartition>
    ) -> [OffsetCheckpoint: [TopicPartition: Int64]] {
        var checkpoints: [OffsetCheckpoint: [TopicPartition: Int64]] = [:]
        for checkpoint in OffsetCheckpoint.allCases {
            do {
                let offsets = try checkpoint.read(in: self.path, from: self.fileSystem)
                checkpoints[checkpoint] = offsets
                for partition in offsets.keys.sorted() where !partitions.contains(partition) {
                    self.find(
                        .note, checkpoint.rawValue, "it names \(partition), which is not there",
                        advice: "the broker leaves it out the next time that it writes the file")
                }
            } catch {
                let advice =
                    switch checkpoint {
                    case .recoveryPoint: "the next start after a crash reads all of every log"
                    case .logStartOffset: "records that were deleted come back, up to the beginnings of segments"
                    case .highWatermark: "the broker finds it again from what is on disk"
                    }
                self.find(.error, checkpoint.rawValue, "\(error)", advice: advice)
            }
        }
        return checkpoints
    }

    private mutating func verifyMetaProperties(_ names: [String]) {
        guard names.contains(MetaProperties.fileName) else { return }
        let path = self.path + "/" + MetaProperties.fileName
        do {
            if let text = try SmallFile.readText(path, from: self.fileSystem) {
                _ = try MetaProperties.parse(text, path: path)
            }
        } catch {
            self.find(
                .error, MetaProperties.fileName, "\(error)",
                advice: "the broker does not start on it; restore it, or remove it if the directory is the right one")
        }
    }

    /// Names of the data directory that are no partition's.
    private mutating func judge(_ name: String) {
        if self.isKnown(name) { return }
        if LogDirectory.isDeletedName(name) {
            self.find(.note, name, "a partition that was deleted", advice: "the broker removes it when it runs")
        } else if name.hasSuffix(LogDirectory.straySuffix) {
            self.find(
                .note, name, "a partition of no topic, set aside",
                advice: "nobody reads it: look at it or delete it by hand")
        } else if name.hasSuffix(SmallFile.temporarySuffix) {
            self.find(.note, name, "left over from a write that a crash ended", advice: "it may be deleted")
        } else {
            self.find(.note, name, "not a name that the broker uses")
        }
    }

    /// Files that are not the log's, or are verified elsewhere. Here is the place for what comes to lie beside the
    /// partitions: verify it, then name it.
    private func isKnown(_ name: String) -> Bool {
        let names: Set<String> = [
            LogDirectory.lockFileName, LogDirectory.cleanShutdownFileName, MetaProperties.fileName,
            DiskReserve.fileName,
            "lost+found",
        ]
        // The metadata store and the files that SQLite has beside it check themselves.
        return names.contains(name) || OffsetCheckpoint(rawValue: name) != nil || name.hasPrefix("metadata.sqlite")
            || JournalFormat.number(ofFile: name) != nil
    }

    private enum FirstBlock { case inUse, unused, unknown }

    private func firstBlock(of name: String) throws(FileSystemError) -> FirstBlock {
        let file = try self.fileSystem.open(self.path + "/" + name, .read)
        let count = Int(JournalFormat.blockByteCount)
        return try withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { (bytes) throws(FileSystemError) in
            let block = UnsafeRawBufferPointer(rebasing: bytes[..<(try file.read(into: bytes, at: 0))])
            if JournalFileHeader(parsing: block) != nil { return .inUse }
            return block.allSatisfy { $0 == 0 } ? .unused : .unknown
        }
    }

    /// Whether a journal is in use. What is in it the next start judges entry by entry, by their checksums: the end of
    /// it is torn after every crash, and what an earlier use has left is no damage.
    private mutating func verifyJournals(_ names: [String]) -> Bool {
        var isInUse = false
        for name in names where JournalFormat.number(ofFile: name) != nil {
            do throws(LogError) {
                switch try disk({ () throws(FileSystemError) in try self.firstBlock(of: name) }) {
                case .inUse: isInUse = true
                case .unused: break
                case .unknown:
                    self.find(
                        .warning, name, "its first block says neither that it is in use nor that it is not",
                        advice: "right if a crash tore that very write; else acknowledged records may be lost with it")
                }
            } catch {
                self.find(.error, name, "it cannot be read: \(error)", advice: "check the disk")
            }
        }
        return isInUse
    }
}
