// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import Logging
import Synchronization

/// One data directory: a directory for each partition, and the files that tell how all of them were left.
///
/// It is locked against other processes while it is open. All functions may be called from any thread; those that
/// change names or checkpoints wait for one another.
///
/// Invariants:
/// - the marker of a clean shutdown is gone, durably, before the first log is opened.
/// - a checkpoint never names a partition that is not there: a partition made anew under an old name must not
///   inherit the old one's offsets.
public final class LogDirectory: Sendable {
    static let lockFileName = ".lock"
    /// There when the last shutdown was clean.
    static let cleanShutdownFileName = ".kafka_cleanshutdown"
    /// At the end of the name of a partition's directory that is being deleted.
    static let deleteSuffix = "-delete"
    /// At the end of the name of a directory whose partition belongs to no topic.
    static let straySuffix = "-stray"

    /// What lies in memory.
    struct State: Sendable {
        var logs: [TopicPartition: PartitionLog] = [:]
        var topicIDs: [TopicPartition: TopicID] = [:]
        /// What the checkpoints said when the directory was opened, for the partitions not opened yet.
        var checkpoints: [OffsetCheckpoint: [TopicPartition: Int64]] = [:]
        /// The checkpoints on disk name partitions that are not there.
        var checkpointsAreStale = false
        var lock: (any FileLock)?
        /// What the journal holds for logs that are not open yet; nil after a clean shutdown.
        var recovery: JournalRecovery?
        /// Numbers of the journal files that were there.
        var journalFiles: [Int] = []
    }

    /// The path of the data directory.
    public let path: String
    /// The last shutdown was clean, so that logs open without a look at their batches.
    public let wasCleanShutdown: Bool
    /// Where many partitions become durable with one sync. Not in use before `startJournal`.
    public let journal: Journal
    let fileSystem: any FileSystem
    let logger: Logger?
    let state: Mutex<State>
    /// Held while names and checkpoints are changed on disk.
    let changes = Mutex<Void>(())

    /// Opens a data directory, which is made when missing, and takes its lock.
    ///
    /// Throws `directoryLocked` when another process has it, and `storage` when the disk fails. Checkpoints that cannot
    /// be read are taken for empty, with a warning: then more is scanned.
    public static func open(
        fileSystem: any FileSystem, path: String, journal: Journal.Options = Journal.Options(), logger: Logger? = nil
    ) throws(LogError) -> LogDirectory {
        let lock = try disk { () throws(FileSystemError) -> (any FileLock)? in
            try self.makeDirectories(path, on: fileSystem)
            return try fileSystem.lock(path + "/" + self.lockFileName)
        }
        guard let lock else { throw .directoryLocked(path: path) }
        let marker = path + "/" + self.cleanShutdownFileName
        let wasClean = try disk { () throws(FileSystemError) in
            guard try fileSystem.status(marker) != nil else { return false }
            try fileSystem.removeFile(marker)
            try fileSystem.syncDirectory(path)
            return true
        }
        var state = State(lock: lock)
        let names = try disk { () throws(FileSystemError) in try fileSystem.list(path) }
        let partitions = Set(names.compactMap { Self.partition(ofDirectory: $0) })
        for checkpoint in OffsetCheckpoint.allCases {
            do throws(LogError) {
                let offsets = try checkpoint.read(in: path, from: fileSystem)
                let present = offsets.filter { partitions.contains($0.key) }
                state.checkpoints[checkpoint] = present
                if present.count < offsets.count { state.checkpointsAreStale = true }
            } catch {
                guard case .malformed = error else { throw error }
                logger?.error("a checkpoint cannot be read and is ignored", metadata: ["error": "\(error)"])
            }
        }
        let journalFiles = names.compactMap { JournalFormat.number(ofFile: $0) }.sorted()
        state.journalFiles = journalFiles
        if !wasClean {
            // Files of any size count: the limit may have been another one when they were made.
            state.recovery = try disk { () throws(FileSystemError) in
                try JournalRecovery(
                    journalFiles.map { path + "/" + JournalFormat.fileName($0) }, from: fileSystem, logger: logger)
            }
        }
        return LogDirectory(
            path: path, wasClean: wasClean, fileSystem: fileSystem,
            journal: Journal(fileSystem: fileSystem, directory: path, options: journal, logger: logger),
            logger: logger, state: state)
    }

    private init(
        path: String, wasClean: Bool, fileSystem: any FileSystem, journal: Journal, logger: Logger?, state: State
    ) {
        self.journal = journal
        self.path = path
        self.wasCleanShutdown = wasClean
        self.fileSystem = fileSystem
        self.logger = logger
        self.state = Mutex(state)
    }

    private static func makeDirectories(_ path: String, on fileSystem: any FileSystem) throws(FileSystemError) {
        if try fileSystem.status(path) != nil { return }
        var parent = "."
        if let slash = path.lastIndex(of: "/") {
            parent = slash > path.startIndex ? String(path[..<slash]) : "/"
            try self.makeDirectories(parent, on: fileSystem)
        }
        try fileSystem.createDirectory(path)
        // Without its own name everything in it would be gone after a power cut, however well that was synced.
        try fileSystem.syncDirectory(parent)
    }

    /// Lets commits use the journal. To be called once, when every log has been opened: what the journal held is not
    /// kept after this, so that a log that could not be opened would lose it. Therefore nothing happens, and the journal
    /// stays off, while a partition is not open.
    public func startJournal() throws(LogError) {
        let open = self.logs
        if let missing = try self.partitions().first(where: { open[$0] == nil }) {
            self.logger?.warning(
                "the journal is not used, as a log is not open", metadata: ["partition": "\(missing)"])
            return
        }
        let numbers = self.state.withLock { state in
            state.recovery = nil
            return state.journalFiles
        }
        try disk { () throws(FileSystemError) in try self.journal.begin(with: numbers) }
    }

    // MARK: - Whose it is

    /// Reads `meta.properties`; nil in a new directory.
    public func metaProperties() throws(LogError) -> MetaProperties? {
        try MetaProperties.read(in: self.path, from: self.fileSystem)
    }

    /// Writes `meta.properties`, atomically and durably.
    public func writeMetaProperties(_ properties: MetaProperties) throws(LogError) {
        try SmallFile.replace(MetaProperties.fileName, in: self.path, with: properties.text, on: self.fileSystem)
    }

    // MARK: - Its logs

    /// The logs that are open.
    public var logs: [TopicPartition: PartitionLog] { self.state.withLock { $0.logs } }

    /// The open log of a partition, or nil.
    public func log(_ partition: TopicPartition) -> PartitionLog? { self.state.withLock { $0.logs[partition] } }

    /// The topic that an open log belongs to; nil when its directory does not say.
    public func topicID(of partition: TopicPartition) -> TopicID? { self.state.withLock { $0.topicIDs[partition] } }

    /// Bytes that may still be written to its file system.
    public func freeSpace() throws(LogError) -> Int64 {
        try disk { () throws(FileSystemError) in try self.fileSystem.freeSpace(self.path) }
    }

    /// The partitions that have a directory, in order, open or not.
    public func partitions() throws(LogError) -> [TopicPartition] {
        let names = try disk { () throws(FileSystemError) in try self.fileSystem.list(self.path) }
        return names.compactMap { Self.partition(ofDirectory: $0) }.sorted()
    }

    func directory(of partition: TopicPartition) -> String { "\(self.path)/\(partition)" }

    /// The partition that a directory name stands for, or nil for names of other things.
    static func partition(ofDirectory name: String) -> TopicPartition? {
        guard let dash = name.lastIndex(of: "-"), dash > name.startIndex else { return nil }
        let digits = name[name.index(after: dash)...]
        // One spelling for one partition: no signs, no leading zeros.
        guard let number = Int32(digits), number >= 0, String(number) == digits else { return nil }
        let topic = name[..<dash]
        let isTopicName = topic.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default:
                false
            }
        }
        guard isTopicName, topic.utf8.count <= 249 else { return nil }
        return TopicPartition(topic: String(topic), partition: PartitionIndex(number))
    }
}
