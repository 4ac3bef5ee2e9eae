// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Logging
import Synchronization

/// The journal of a data directory: a few files, written by some lanes, that hold what is on stable storage there and
/// perhaps not yet in the segments.
///
/// A file goes round: free, open in a lane, full, and free again once the segments of every log in it have been synced
/// past what it holds. Logs and threads come and go without a trace in the layout: an entry says whose it is.
///
/// It is a way to be faster, never one that has to be there: while no file is free, and after a journal file has failed,
/// commits sync the segments.
///
/// Invariants:
/// - a file is used again only after everything in it is on stable storage in the segments.
/// - after a start no file counts as in use before the logs have taken what they lack from it, and have been flushed.
/// - a log is either in order up to the end of what was journaled for it, or fenced; then its files are kept.
///
/// Threads: all functions may be called from any thread; `maintain` by one at a time. A lane belongs to one thread.
public final class Journal: Sendable {
    /// Sizes, and the seed of the numbers of the files.
    public struct Options: Sendable, Hashable {
        /// Bytes of a file. Each time a file is freed, the segments of all logs in it are synced, so it should hold some
        /// commits of a thousand partitions.
        public var fileByteCount: Int64 = 64 << 20
        /// Files at the most: what they hold is what a start after a crash may have to write again.
        public var filesMax = 6
        /// Numbers of files are made from it. Nobody who may produce records should be able to guess it.
        public var seed: UInt64 = 0

        /// 6 files of 64 MiB.
        public init() {}

        /// A new file is made only while it is at most this part of what is free: a small disk does without.
        static let freeSpaceFactor: Int64 = 8
    }

    /// What a file holds of a log.
    struct Content: Sendable {
        /// Nil when the log was deleted: the journal must not keep its files open, and their room taken.
        weak let log: PartitionLog?
        /// Everything before it has to be synced before the file is used again.
        var endOffset: Int64
    }

    /// A file, and what was journaled in it.
    struct UsedFile: Sendable {
        var file: any LogFile
        var contents: [ObjectIdentifier: Content] = [:]
    }

    fileprivate struct State {
        var free: [any LogFile] = []
        var full: [UsedFile] = []
        /// Files that there are: free, full, in lanes, and being made.
        var fileCount = 0
        var numbers: Set<Int> = []
        var nonce: UInt64
        /// Commits may use it.
        var isOn = false
        var hasFailed = false
        /// Something is to be done that `maintain` has not begun.
        var isAsked = false
        var wake: (@Sendable () -> Void)?
    }

    let fileSystem: any FileSystem
    let directory: String
    let options: Options
    let logger: Logger?
    private let state: Mutex<State>

    init(fileSystem: any FileSystem, directory: String, options: Options, logger: Logger?) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.options = options
        self.logger = logger
        self.state = Mutex(State(nonce: options.seed))
    }

    /// Names who is called, on any thread and at any time, when `maintain` should be. Without anybody, files
    /// that are full stay full.
    public func onWork(_ wake: @escaping @Sendable () -> Void) { self.state.withLock { $0.wake = wake } }

    /// Ends its use: commits sync the segments from now on, and nobody is called any more.
    public func stop() {
        self.state.withLock { state in
            state.isOn = false
            state.wake = nil
        }
    }

    /// A lane for a thread that commits.
    public func makeLane() -> JournalLane { JournalLane(self) }

    // MARK: - The start

    /// Takes over the files that are there, after nothing in them is needed any more, and marks them as not in use.
    /// Those that do not fit in are removed. From now on commits may use the journal.
    func begin(with numbers: [Int]) throws(FileSystemError) {
        var usable: [any LogFile] = []
        var kept: Set<Int> = []
        for number in numbers.sorted() {
            let path = self.path(number)
            let file = try self.fileSystem.open(path, .readWrite)
            guard try file.size() == self.options.fileByteCount, usable.count < self.options.filesMax else {
                try self.fileSystem.removeFile(path)
                continue
            }
            try Self.markUnused(file)
            usable.append(file)
            kept.insert(number)
        }
        self.state.withLock { state in
            state.free = usable
            state.fileCount = usable.count
            state.numbers = kept
            state.isOn = true
        }
    }

    /// Overwrites the header with zeros, durably, if it says that the file is in use.
    private static func markUnused(_ file: any LogFile) throws(FileSystemError) {
        var header = [UInt8](repeating: 0, count: 64)
        let count = try header.read(from: file, at: 0)
        let isUsed = header.withUnsafeBytes {
            JournalFileHeader(parsing: UnsafeRawBufferPointer(rebasing: $0[..<count]))
        }
        guard isUsed != nil else { return }
        try file.write([UInt8](repeating: 0, count: Int(JournalFormat.blockByteCount)), at: 0)
        try file.syncData()
    }

    func path(_ number: Int) -> String { self.directory + "/" + JournalFormat.fileName(number) }

    // MARK: - For lanes

    /// Gives a file that was written to back and takes one to write to, with a number for its header. Nil when the
    /// journal is off or no file is free; then one may be later.
    func exchange(_ used: UsedFile?) -> (file: any LogFile, nonce: UInt64)? {
        let (taken, wake) = self.state.withLock { state in
            if let used { state.full.append(used) }
            guard state.isOn, !state.hasFailed else {
                return (nil as (any LogFile, UInt64)?, nil as (@Sendable () -> Void)?)
            }
            let file = state.free.popLast()
            let needsWork = !state.full.isEmpty || state.free.isEmpty && state.fileCount < self.options.filesMax
            let wake = needsWork && !state.isAsked ? state.wake : nil
            if wake != nil { state.isAsked = true }
            return (file.map { ($0, Self.nextNonce(&state)) }, wake)
        }
        wake?()
        return taken
    }

    /// The splitmix64 sequence of the seed, without 0.
    private static func nextNonce(_ state: inout State) -> UInt64 {
        while true {
            state.nonce &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state.nonce
            mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            mixed ^= mixed >> 31
            if mixed != 0 { return mixed }
        }
    }

    /// Turns the journal off for good after a write or a sync of it failed. What it acknowledged before is synced in the
    /// segments as soon as can be, as nobody knows whether the disk still has it.
    func fail(_ used: UsedFile, _ error: FileSystemError) {
        let wake = self.state.withLock { state in
            state.hasFailed = true
            state.full.append(used)
            state.isAsked = true
            return state.wake
        }
        self.logger?.critical(
            "the journal failed and is not used any more; commits sync the segments of their partitions instead",
            metadata: ["error": "\(error)"])
        wake?()
    }

    // MARK: - Maintenance

    /// Syncs the logs of full files so that the files can be used again, and makes new files while too few are free.
    /// Waits for the disk, for up to seconds.
    public func maintain() {
        self.state.withLock { $0.isAsked = false }
        let full = self.state.withLock { state in
            let full = state.full
            state.full = []
            return full
        }
        for used in full {
            let isDone = self.syncLogs(of: used)
            self.state.withLock { state in
                if !isDone {
                    state.full.append(used)
                } else if !state.hasFailed {
                    state.free.insert(used.file, at: 0)
                }
            }
        }
        self.prepareFile()
    }

    /// To be called before so many logs are flushed.
    func prepareToFlush(_ count: Int) {
        // What goes wrong here, the syncs of the files tell.
        if count >= CommitCost.bulkCount { _ = try? self.fileSystem.syncEverything(self.directory) }
    }

    /// Syncs the segments of all logs with entries in a file; true when nothing in it is needed any more.
    private func syncLogs(of used: UsedFile) -> Bool {
        let behind = used.contents.values.compactMap { content in
            content.log.flatMap { $0.syncedOffset < content.endOffset ? $0 : nil }
        }
        self.prepareToFlush(behind.count)
        var isDone = true
        for log in behind {
            do throws(LogError) {
                try log.flush()
            } catch {
                // A deleted log needs nothing; one that is fenced needs the journal at the next start.
                if case .closed = error { continue }
                isDone = false
            }
        }
        return isDone
    }

    private func prepareFile() {
        let number: Int? = self.state.withLock { state in
            guard state.isOn, !state.hasFailed, state.free.isEmpty, state.fileCount < self.options.filesMax else {
                return nil
            }
            let number = (0...).first { !state.numbers.contains($0) } ?? 0
            state.numbers.insert(number)
            state.fileCount += 1
            return number
        }
        guard let number else { return }
        do throws(FileSystemError) {
            let file = try self.makeFile(number)
            self.state.withLock { state in
                if let file {
                    state.free.append(file)
                } else {
                    state.forget(number)
                }
            }
        } catch {
            // Removed so that it is not found half made; if that fails too, the next start does it.
            try? self.fileSystem.removeFile(self.path(number))
            self.state.withLock { $0.forget(number) }
            self.logger?.warning(
                "no journal file could be made; commits sync the segments of their partitions instead",
                metadata: ["path": "\(self.path(number))", "error": "\(error)"])
        }
    }

    /// A new file, filled with zeros, so that writing to it later changes nothing but its bytes. Nil on a small disk.
    private func makeFile(_ number: Int) throws(FileSystemError) -> (any LogFile)? {
        let size = self.options.fileByteCount
        guard try self.fileSystem.freeSpace(self.directory) / Options.freeSpaceFactor >= size else { return nil }
        let file = try self.fileSystem.open(self.path(number), .createEmpty)
        let zeros = [UInt8](repeating: 0, count: Int(min(size, 1 << 20)))
        var position: Int64 = 0
        while position < size {
            let count = Int(min(Int64(zeros.count), size - position))
            try file.write(count == zeros.count ? zeros : Array(zeros[..<count]), at: position)
            position += Int64(count)
        }
        try file.syncData()
        try self.fileSystem.syncDirectory(self.directory)
        return file
    }
}

extension Journal.State {
    /// A file is not there after all.
    mutating func forget(_ number: Int) {
        self.numbers.remove(number)
        self.fileCount -= 1
    }
}
