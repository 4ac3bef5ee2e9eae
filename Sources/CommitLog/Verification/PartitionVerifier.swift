// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// Verifies the directory of one partition; see `LogVerifier`.
struct PartitionVerifier {
    /// What the checkpoints say of the partition.
    struct Points {
        var recoveryPoint: Int64
        var logStartOffset: Int64
        var highWatermark: Int64
        /// Then everything that should be there has been synced.
        var wasCleanShutdown = false
        /// A journal is in use, from which the next start takes what the segments lack.
        var hasJournal = false
    }

    private let fileSystem: any FileSystem
    /// As findings name it.
    private let name: String
    private let directory: String
    private let points: Points
    private let isDeep: Bool
    private let report: (VerificationFinding) -> Void
    private(set) var summary: VerificationSummary
    /// Told with every batch how many bytes of segments lie before it.
    var progress: ((Int64) -> Void)?
    private let window = ScanWindow(byteCount: BatchScanner.fullWindow)

    /// The offset that should come next.
    private var expected: Int64 = 0
    private var epochs = EpochHistory()
    private var knownDamage: [DamagedRange] = []
    private var metDamage: [DamagedRange] = []
    /// Offsets before it may be missing because of a cleaning.
    private var gapsBefore: Int64 = 0
    /// Recovery would cut the log: what comes behind is not looked at.
    private var isCut = false

    init(
        fileSystem: any FileSystem, dataDirectory: String, partition: TopicPartition, points: Points, isDeep: Bool,
        summary: VerificationSummary, report: @escaping (VerificationFinding) -> Void
    ) {
        self.fileSystem = fileSystem
        self.name = "\(partition)"
        self.directory = "\(dataDirectory)/\(partition)"
        self.points = points
        self.isDeep = isDeep
        self.summary = summary
        self.report = report
    }

    mutating func run() {
        let names: [String]
        do {
            names = try self.fileSystem.list(self.directory).sorted()
        } catch {
            return self.find(.error, nil, "it cannot be read: \(error)", advice: "check the disk")
        }
        let files = names.compactMap { SegmentFileName(parsing: $0) }
        let bases = files.filter { $0.kind == .log }.map(\.offset).sorted()
        self.readKnownDamage(names)
        self.readCompaction(names)
        self.expected = bases.first ?? 0
        for (index, base) in bases.enumerated() where !self.isCut {
            self.verifySegment(base, next: bases[(index + 1)...])
        }
        for range in self.knownDamage where !self.metDamage.contains(where: { $0.overlaps(range) }) {
            self.find(
                .error, DamagedRangesFile.name, "offsets noted as damaged or missing", from: range.startOffset,
                to: range.endOffset, advice: Self.damageAdvice(range))
        }
        self.verifyPoints(bases)
        for file in files where file.kind == .snapshot { self.verifySnapshot(file) }
        self.verifyEpochs(names)
        self.verifyMetadata(names)
        for name in names { self.judge(name, bases: Set(bases)) }
    }

    private mutating func find(
        _ severity: VerificationSeverity, _ file: String?, _ what: String, at position: Int64? = nil,
        from startOffset: Int64? = nil, to endOffset: Int64? = nil, advice: String
    ) {
        self.summary.count(severity)
        self.report(
            VerificationFinding(
                severity: severity, file: file.map { "\(self.name)/\($0)" } ?? self.name, position: position,
                startOffset: startOffset, endOffset: endOffset, what: what, advice: advice))
    }

    private static func damageAdvice(_ range: DamagedRange) -> String {
        "these records are lost: consumers get CORRUPT_MESSAGE and go on at offset \(range.endOffset); "
            + "DeleteRecords up to there ends the errors"
    }
}

// MARK: - Segments

extension PartitionVerifier {
    private mutating func verifySegment(_ base: Int64, next: ArraySlice<Int64>) {
        let name = SegmentFileName(base, .log).name
        if base < self.expected {
            self.find(
                .error, name, "the segment before it has offsets up to \(self.expected)", from: base,
                to: self.expected, advice: "the log cannot be opened after a crash; move one of the two files away")
        } else if base > self.expected, base > self.gapsBefore,
            !self.knownDamage.contains(where: { $0.endOffset >= base })
        {
            self.find(
                .warning, name, "offsets before it are missing", from: self.expected, to: base,
                advice: "right if the topic is or was compacted; else a segment file is gone")
        }
        self.expected = base
        do throws(FileSystemError) {
            let file = try self.fileSystem.open(self.directory + "/" + name, .read)
            let size = try file.size()
            self.summary.segments += 1
            self.summary.bytes += size
            try self.scan(file, size: size, base: base, next: next)
        } catch {
            self.find(
                .error, name, "it cannot be read: \(error)", from: self.expected, to: next.first,
                advice: "check the disk")
        }
    }

    private mutating func scan(
        _ file: any LogFile, size: Int64, base: Int64, next: ArraySlice<Int64>
    ) throws(FileSystemError) {
        var audit = try self.audit(base)
        // Compaction leaves the last segment alone.
        var scan = CheckedScan(
            file: file, from: 0, to: size, expecting: base, upperOffset: next.first ?? .max,
            isGapless: next.isEmpty && self.knownDamage.isEmpty, window: self.window)
        let name = SegmentFileName(base, .log).name
        // The size of this file is in the sum already.
        let bytesBefore = self.summary.bytes - size
        walk: while true {
            switch try scan.next() {
            case .batch(let header, let position):
                self.progress?(bytesBefore + position)
                self.summary.batches += 1
                self.summary.records += Int(header.recordCount)
                self.epochs.see(header)
                try audit.see(header, at: position)
                if self.isDeep { self.verifyRecords(of: header, at: position, of: file, name) }
            case .damaged(let fault):
                guard let range = try self.judge(fault, file, size: size, base: base, next: next) else { break walk }
                try audit.see(range)
                scan.skip(range)
                self.metDamage.append(range)
            case .cutOff, .end:
                break walk
            }
        }
        self.expected = scan.expected
        if !self.isCut { try audit.finish() }
        for problem in audit.problems {
            self.find(
                .warning, SegmentFileName(base, problem.kind).name, problem.what, at: problem.position,
                advice:
                    "the broker does not believe it, reads on without it and makes it anew when it scrubs the segment")
        }
    }

    private func audit(_ base: Int64) throws(FileSystemError) -> IndexAudit {
        let offsets = try SegmentIndex<OffsetIndexEntry>.Stored.open(
            self.directory + "/" + SegmentFileName(base, .index).name, baseOffset: base, on: self.fileSystem)
        let times = try SegmentIndex<TimeIndexEntry>.Stored.open(
            self.directory + "/" + SegmentFileName(base, .timeindex).name, baseOffset: base, on: self.fileSystem)
        return IndexAudit(
            offsets: IndexCursor(offsets, baseOffset: base), times: IndexCursor(times, baseOffset: base))
    }

    /// Reports bytes that are no batch, as damage or as a tail that a recovery cuts off. Returns how far the damage
    /// goes; nil when the log is cut.
    private mutating func judge(
        _ fault: BatchFault, _ file: any LogFile, size: Int64, base: Int64, next: ArraySlice<Int64>
    ) throws(FileSystemError) -> DamagedRange? {
        let name = SegmentFileName(base, .log).name
        if let range = self.knownDamage.first(where: {
            $0.segmentBaseOffset == base && $0.startPosition == fault.position && $0.endPosition <= size
                && $0.startOffset == fault.expectedOffset
        }) {
            self.report(fault, range, name, " (known to the broker)")
            return range
        }
        let scanner = BatchScanner(file: file, from: fault.position, to: size, window: self.window)
        let result = try scanner.follower(
            behind: fault.position, claimedEnd: fault.claimedEnd, minimumOffset: fault.expectedOffset + 1,
            upperOffset: next.first ?? .max)
        var follower: RecoveryDecision.Follower?
        if case .found(let header, let position) = result {
            follower = RecoveryDecision.Follower(offset: header.baseOffset, position: position)
        }
        let isShort = fault.isTruncated && follower == nil
        let looksUnwritten =
            isShort
            ? true
            : try scanner.looksUnwritten(
                from: fault.position, claimedEnd: fault.claimedEnd, to: follower?.position ?? size)
        let laterHasBatches = next.contains { self.size(of: $0) > 0 }
        let site = RecoveryDecision.Site(
            offset: fault.expectedOffset, recoveryPoint: self.points.recoveryPoint, follower: follower,
            nextSegmentBase: laterHasBatches ? next.first : nil, looksUnwritten: looksUnwritten, fileEnd: size)
        if !self.points.wasCleanShutdown, RecoveryDecision.decide(site) == .cut {
            self.isCut = true
            self.find(
                .warning, name, "a torn end of \(size - fault.position) bytes: \(fault.reason)", at: fault.position,
                from: fault.expectedOffset,
                advice: self.points.hasJournal
                    ? "the next start cuts it off, and takes what was acknowledged from the journal"
                    : "the next start cuts it off; nothing of it was acknowledged as durable")
            return nil
        }
        let known = max(self.points.recoveryPoint, self.points.highWatermark)
        let range = DamagedRange(
            startOffset: fault.expectedOffset,
            endOffset: follower?.offset ?? next.first ?? max(known, fault.expectedOffset + 1),
            segmentBaseOffset: base, startPosition: fault.position, endPosition: follower?.position ?? size)
        self.report(fault, range, name)
        return range
    }

    private mutating func report(_ fault: BatchFault, _ range: DamagedRange, _ name: String, _ remark: String = "") {
        self.find(
            .error, name, "damaged: \(fault.reason)\(remark)", at: fault.position, from: range.startOffset,
            to: range.endOffset, advice: Self.damageAdvice(range))
    }

    private func size(of base: Int64) -> Int64 {
        let path = self.directory + "/" + SegmentFileName(base, .log).name
        return (try? self.fileSystem.status(path))?.size ?? 0
    }

    /// Reads the records of a batch whose checksum is right, as a consumer would.
    private mutating func verifyRecords(
        of header: RecordBatchHeader, at position: Int64, of file: any LogFile, _ name: String
    ) {
        let slice = LogSlice(
            file: file, position: position, byteCount: header.sizeInBytes, startOffset: header.baseOffset)
        var problem: String?
        do throws(LogError) {
            let bytes = try slice.bytes()
            do throws(RecordError) {
                var records = try RecordBatch(parsing: bytes).records()
                var count = 0
                while let record = try records.next() {
                    count += 1
                    if record.offset < header.baseOffset || record.offset > header.lastOffset {
                        problem = "its record at offset \(record.offset) is not one of the batch"
                    }
                }
                if count != header.recordCount { problem = "it has \(count) records and says \(header.recordCount)" }
            } catch {
                problem = "its records cannot be read: \(error)"
            }
        } catch {
            problem = "\(error)"
        }
        guard let problem else { return }
        self.find(
            .error, name, problem, at: position, from: header.baseOffset, to: header.nextOffset,
            advice: "it was stored like this, since its checksum is right: consumers cannot read it and have to go on "
                + "at offset \(header.nextOffset)")
    }
}

// MARK: - The other files

extension PartitionVerifier {
    private mutating func readKnownDamage(_ names: [String]) {
        guard names.contains(DamagedRangesFile.name) else { return }
        let path = self.directory + "/" + DamagedRangesFile.name
        do {
            if let text = try SmallFile.readText(path, from: self.fileSystem) {
                self.knownDamage = try DamagedRangesFile.parse(text, path: path)
            }
        } catch {
            self.find(
                .warning, DamagedRangesFile.name, "\(error)",
                advice: "the broker forgets it and finds the damage again when it is read")
        }
    }

    private mutating func readCompaction(_ names: [String]) {
        guard names.contains(CompactionFile.name) else { return }
        let path = self.directory + "/" + CompactionFile.name
        do {
            if let text = try SmallFile.readText(path, from: self.fileSystem) {
                self.gapsBefore = try CompactionFile.parse(text, path: path).gapsBefore
            }
        } catch {
            self.gapsBefore = .max
            self.find(
                .warning, CompactionFile.name, "\(error)",
                advice: "the broker cleans the log once more, and takes no gap of it for damage")
        }
    }

    /// The end of the log against what the checkpoints say must be there.
    private mutating func verifyPoints(_ bases: [Int64]) {
        let end = max(self.expected, self.knownDamage.last?.endOffset ?? 0)
        let points: [(OffsetCheckpoint, Int64)] = [
            (.recoveryPoint, self.points.recoveryPoint), (.highWatermark, self.points.highWatermark),
            (.logStartOffset, self.points.logStartOffset),
        ]
        for (checkpoint, offset) in points where offset > end && !(bases.isEmpty && offset == 0) {
            // Behind the recovery point the journal may have what the segments lost.
            let isInJournal = self.points.hasJournal && checkpoint != .recoveryPoint
            self.find(
                isInJournal ? .warning : .error, nil,
                "the log ends at offset \(end), and \(checkpoint.rawValue) says \(offset)", from: end, to: offset,
                advice: isInJournal
                    ? "the next start takes what is missing from the journal"
                    : "records at the end of the log are gone, or the checkpoint is wrong")
        }
    }

    private mutating func verifySnapshot(_ file: SegmentFileName) {
        let path = self.directory + "/" + file.name
        do {
            if let bytes = try SmallFile.read(path, from: self.fileSystem) {
                _ = try ProducerState(snapshot: bytes, path: path, now: 0)
            }
        } catch {
            self.find(
                .warning, file.name, "\(error)",
                advice: "the broker takes an older snapshot and reads the batches since then")
        }
    }

    private mutating func verifyEpochs(_ names: [String]) {
        guard names.contains(LeaderEpochCache.fileName) else { return }
        let path = self.directory + "/" + LeaderEpochCache.fileName
        do throws(LogError) {
            guard let text = try SmallFile.readText(path, from: self.fileSystem) else { return }
            let said = try LeaderEpochCache.parse(text, path: path)
            // The file lags behind the log of a broker that runs or was killed.
            let found = self.epochs.cache.entries
            let isTrue = said.entries.allSatisfy { entry in
                entry.startOffset >= self.expected
                    || found.last { $0.startOffset <= entry.startOffset }?.epoch == entry.epoch
            }
            if !isTrue {
                self.find(
                    .warning, LeaderEpochCache.fileName, "it says other leader epochs than the batches",
                    advice: "the broker reads them from the batches at its next start")
            }
        } catch {
            self.find(
                .warning, LeaderEpochCache.fileName, "\(error)",
                advice: "the broker reads the leader epochs from the batches at its next start")
        }
    }

    private mutating func verifyMetadata(_ names: [String]) {
        guard names.contains(PartitionMetadataFile.name) else { return }
        let path = self.directory + "/" + PartitionMetadataFile.name
        do {
            if let text = try SmallFile.readText(path, from: self.fileSystem) {
                _ = try PartitionMetadataFile.parse(text, path: path)
            }
        } catch {
            self.find(
                .warning, PartitionMetadataFile.name, "\(error)",
                advice: "it says which topic the partition belongs to; the metadata store knows it, too")
        }
    }

    private mutating func judge(_ name: String, bases: Set<Int64>) {
        if let file = SegmentFileName(parsing: name) {
            guard file.kind != .log, file.kind != .snapshot, !bases.contains(file.offset) else { return }
            self.find(.note, name, "an index without a segment", advice: "the broker removes it at its next start")
        } else if [
            SegmentFileName.deletedSuffix, SmallFile.temporarySuffix, SegmentFileName.cleanedSuffix,
            SegmentFileName.swapSuffix,
        ].contains(where: name.hasSuffix) {
            self.find(
                .note, name, "a file of a change that was under way",
                advice: "the broker removes it or puts it in place at its next start")
        } else if ![
            LeaderEpochCache.fileName, DamagedRangesFile.name, PartitionMetadataFile.name, CompactionFile.name,
        ].contains(name) {
            self.find(.note, name, "not a name that the broker uses", advice: "the broker leaves it alone")
        }
    }
}
