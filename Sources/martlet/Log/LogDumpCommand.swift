// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import CommitLog

/// `martlet log dump`.
struct LogDumpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Show what is in the files of a log.",
        discussion: """
            Takes segments (.log) and what lies beside them: .index, .timeindex, .txnindex, .snapshot, checkpoints and \
            properties; of a directory all of these, in it and in the partitions below it. Kafka's own files are the \
            same. Nothing is changed, and the broker may run meanwhile.

            A line is one batch, record or entry. What is damaged is shown as such, and behind it the next batch is \
            looked for; the exit code is 1 then. -o json writes an object per line, each with its "file" and "type": \
            batch, record, group, marker, offset, time, aborted, producer, epoch, partition, line, damage, unused, \
            summary.

            Records of __consumer_offsets are shown in words: by the name of their directory, or with --decode offsets.

            EXAMPLES
              martlet log dump /var/lib/martlet/orders-0 --records
              martlet log dump 00000000000000000000.log --from 1500 --until 1600 --records -o json
              martlet log dump /var/lib/martlet/__consumer_offsets-7 --records
            """
    )

    enum Decoding: String, CaseIterable, ExpressibleByArgument {
        /// By the name of the directory.
        case auto
        /// Those of the group coordinator.
        case offsets
        /// Keys and values as they are.
        case none
    }

    @Argument(help: ArgumentHelp("Files or directories of a log.", valueName: "path"), completion: .file())
    var paths: [String]

    @Option(name: .shortAndLong, help: "How to show it: text, or json for one object per line.")
    var output: ReportFormat = .text

    @Flag(name: .shortAndLong, help: "Show the records of each batch, too.")
    var records = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How records are read: auto (by the directory), offsets (those of __consumer_offsets; shows records) or none.",
            valueName: "name"))
    var decode: Decoding = .auto

    @Option(name: .long, help: ArgumentHelp("Only what has this offset, or comes after it.", valueName: "offset"))
    var from: Int64?

    @Option(name: .long, help: ArgumentHelp("Only what comes before this offset.", valueName: "offset"))
    var until: Int64?

    func validate() throws {
        guard !self.paths.isEmpty else { throw ValidationError("A file or a directory is missing.") }
        guard (self.from ?? 0) >= 0, (self.until ?? 0) >= 0 else {
            throw ValidationError("--from and --until must not be negative.")
        }
    }

    func run() async throws {
        let fileSystem = POSIXFileSystem()
        let files = try self.paths.flatMap { try DumpList.files(at: $0, fileSystem) }
        let total = files.reduce(Int64(0)) { $0 + $1.size }
        let progress = ProgressBar("dump", unit: .bytes, total: total, sharesTerminal: true)
        defer { progress.clear() }
        var options = LogDumper.Options()
        options.showsRecords = self.records || self.decode == .offsets
        options.offsets = (self.from ?? 0)..<max(self.until ?? .max, self.from ?? 0)
        var dumper = LogDumper(options, fileSystem: fileSystem, format: self.output, progress: progress)
        for (file, _) in files {
            try dumper.dump(file, isOfGroups: self.decode == .offsets || (self.decode == .auto && file.isOfGroups))
        }
        try dumper.finish()
        if dumper.damageCount > 0 { try ExitStatus.failure.leave() }
    }
}

/// Finds the files to be shown.
enum DumpList {
    /// A file, or all that a log has in a directory and in those directly below it, with their sizes in bytes. Throws
    /// `CommandFailure` for what is not there or is no file of a log.
    static func files(at path: String, _ fileSystem: any FileSystem) throws -> [(file: DumpFile, size: Int64)] {
        do {
            guard let status = try fileSystem.status(path) else {
                throw CommandFailure("\(path) does not exist", status: .notFound)
            }
            if status.isDirectory {
                let found = try self.files(in: path, fileSystem, isTop: true)
                guard !found.isEmpty else {
                    throw CommandFailure(
                        "there is nothing of a log in \(path)",
                        hint: "give a data directory (log.dirs), the directory of a partition, or a file")
                }
                return found
            }
            guard let file = DumpFile(path: path) else {
                throw CommandFailure(
                    "\(path) has no name of a log's file",
                    hint: "such as 00000000000000000000.log, .index, .timeindex, .txnindex, .snapshot, or a checkpoint")
            }
            return [(file, status.size)]
        } catch let error as FileSystemError {
            throw CommandFailure("\(error)")
        }
    }

    private static func files(
        in directory: String, _ fileSystem: any FileSystem, isTop: Bool
    ) throws -> [(file: DumpFile, size: Int64)] {
        var files: [(file: DumpFile, size: Int64)] = []
        var below: [String] = []
        for name in try fileSystem.list(directory).sorted() {
            let path = "\(directory)/\(name)"
            // What a running broker removes meanwhile is not there any more.
            guard let status = try fileSystem.status(path) else { continue }
            if status.isDirectory {
                below.append(path)
            } else if let file = DumpFile(path: path) {
                files.append((file, status.size))
            }
        }
        files.sort { DumpFile.isBefore($0.file, $1.file) }
        guard isTop else { return files }
        for path in below { files += try self.files(in: path, fileSystem, isTop: false) }
        return files
    }
}
