// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import CommitLog

/// `martlet log verify`.
struct LogVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read a data directory and report everything that is damaged.",
        discussion: """
            Checks every batch of every partition (checksum, length, offsets), indexes, snapshots and checkpoints. \
            Nothing is changed, and the broker may run meanwhile; what it is just writing may then look torn.

            One line for each finding: error for records that are lost or hidden, warning for what the broker makes \
            anew or cuts off, note for the rest. The exit code is 1 when there is an error, else 0.

            EXAMPLES
              martlet log verify /var/lib/martlet
              martlet log verify /var/lib/martlet --deep -o json
            """
    )

    @Argument(
        help: ArgumentHelp("The data directory: log.dirs of the broker.", valueName: "dir"), completion: .directory)
    var directory: String

    @Option(name: .shortAndLong, help: "How to show it: text or json.")
    var output: ReportFormat = .text

    @Flag(name: .long, help: "Decompress and read the records of every batch, too.")
    var deep = false

    func run() async throws {
        let fileSystem = POSIXFileSystem()
        if case .some(.none) = try? fileSystem.status(self.directory) {
            throw CommandFailure("\(self.directory) does not exist", status: .notFound)
        }
        // Sizes for the bar alone: whatever is wrong with the directory the verifier tells.
        let files = (try? DumpList.files(at: self.directory, fileSystem)) ?? []
        let total = files.reduce(Int64(0)) { $0 + ($1.file.kind == .log ? $1.size : 0) }
        let progress = ProgressBar("verify", unit: .bytes, total: total)
        defer { progress.clear() }
        let report = VerificationReport(directory: self.directory, format: self.output, progress: progress)
        let summary: VerificationSummary
        do {
            var verifier = LogVerifier(fileSystem: fileSystem, path: self.directory, isDeep: self.deep) {
                report.add($0)
            }
            verifier.progress = { progress.update($0) }
            summary = try verifier.run()
            progress.clear()
        } catch {
            throw CommandFailure("\(error)", hint: "give the data directory of a broker, log.dirs of its configs")
        }
        try report.finish(summary)
        if !summary.isSound { throw ExitCode.failure }
    }
}

/// How a command shows a report.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
    case text
    case json
}

/// Prints findings as they come and the summary at the end; as JSON it is one object.
final class VerificationReport {
    private let format: ReportFormat
    private let progress: ProgressBar?
    private var output = StandardOutput()
    private var json = JSONWriter()
    private var failure: (any Error)?

    init(directory: String, format: ReportFormat, progress: ProgressBar? = nil) {
        self.format = format
        self.progress = progress
        self.json.open(UInt8(ascii: "{"))
        self.json.name("directory")
        self.json.string(directory)
        self.json.name("findings")
        self.json.open(UInt8(ascii: "["))
    }

    func add(_ finding: VerificationFinding) {
        switch self.format {
        case .json:
            finding.write(to: &self.json)
        case .text:
            self.progress?.clear()
            self.output.print(finding.line)
            // Nobody reads any more: the summary would go nowhere either.
            do { try self.output.flush() } catch { self.failure = self.failure ?? error }
        }
    }

    func finish(_ summary: VerificationSummary) throws {
        if let failure { throw failure }
        switch self.format {
        case .json:
            self.json.close(UInt8(ascii: "]"))
            self.json.name("summary")
            summary.write(to: &self.json)
            self.json.close(UInt8(ascii: "}"))
            self.output.print(self.json.text)
        case .text:
            for line in summary.lines { self.output.print(line) }
        }
        try self.output.flush()
    }
}

extension VerificationFinding {
    /// `error: orders-0/00000000000000000000.log: byte 412: offsets 4 to 6: what; advice`
    var line: String {
        var parts = ["\(self.severity.rawValue)", self.file]
        if let position { parts.append("byte \(position)") }
        if let startOffset {
            if let endOffset {
                parts.append(
                    endOffset == startOffset + 1
                        ? "offset \(startOffset)" : "offsets \(startOffset) to \(endOffset - 1)")
            } else {
                parts.append("from offset \(startOffset)")
            }
        }
        parts.append(self.advice.isEmpty ? self.what : "\(self.what); \(self.advice)")
        return parts.joined(separator: ": ")
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("severity")
            json.string(self.severity.rawValue)
            json.name("file")
            json.string(self.file)
            json.name("position")
            json.integer(self.position)
            json.name("startOffset")
            json.integer(self.startOffset)
            json.name("endOffset")
            json.integer(self.endOffset)
            json.name("what")
            json.string(self.what)
            json.name("advice")
            json.string(self.advice)
        }
    }
}

extension VerificationSummary {
    var lines: [String] {
        var lines: [String] = []
        if self.isInUse {
            lines.append("a broker is running on this directory: what it was writing may look torn or unknown")
        }
        lines.append(
            "\(self.partitions) partitions, \(self.segments) segments, \(self.batches) good batches, "
                + "\(self.records) records, \(self.bytes) bytes; "
                + (self.wasCleanShutdown ? "shut down in order" : "not shut down in order"))
        lines.append(
            "\(self.isSound ? "sound" : "damaged"): \(self.errors) errors, \(self.warnings) warnings, "
                + "\(self.notes) notes")
        return lines
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("sound")
            json.bool(self.isSound)
            json.name("inUse")
            json.bool(self.isInUse)
            json.name("cleanShutdown")
            json.bool(self.wasCleanShutdown)
            json.name("partitions")
            json.integer(self.partitions)
            json.name("segments")
            json.integer(self.segments)
            json.name("batches")
            json.integer(self.batches)
            json.name("records")
            json.integer(self.records)
            json.name("bytes")
            json.integer(self.bytes)
            json.name("errors")
            json.integer(self.errors)
            json.name("warnings")
            json.integer(self.warnings)
            json.name("notes")
            json.integer(self.notes)
        }
    }
}
