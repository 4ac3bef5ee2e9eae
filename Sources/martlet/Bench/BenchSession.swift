// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Foundation
import LoadGenerator
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where results go.
struct BenchOutputOptions: ParsableArguments {
    @OptionGroup var shown: OutputOptions

    @Option(
        name: .long, help: ArgumentHelp("Write the result as JSON to this file, too.", valueName: "file"),
        completion: .file())
    var jsonFile: String?

    @Option(
        name: .long, help: ArgumentHelp("Write a page with plots to this file.", valueName: "file"),
        completion: .file())
    var html: String?

    @Flag(name: .shortAndLong, help: "Do not show what goes on while it runs.")
    var quiet = false

    func checkFiles() throws {
        for path in [self.jsonFile, self.html].compactMap(\.self) { try BenchFiles.checkWritable(path) }
    }
}

/// Runs a workload from the command line: shows what goes on, ends early when a signal says so, and writes the results.
struct BenchSession {
    private let names: BenchNameOptions
    private let output: BenchOutputOptions
    private let admin: BenchAdminOptions
    private let seed: UInt64

    init(_ names: BenchNameOptions, _ output: BenchOutputOptions, _ admin: BenchAdminOptions, _ seed: UInt64?) {
        self.names = names
        self.output = output
        self.admin = admin
        self.seed = seed ?? UInt64.random(in: 1...UInt64.max)
    }

    func run(_ workload: Workload, _ connection: ConnectionOptions) async throws {
        try self.output.checkFiles()
        let view = LiveView(workload, isShown: !self.output.quiet && isatty(STDERR_FILENO) == 1)
        var run = BenchRun(workload)
        run.topicPrefix = self.names.topic
        run.keepsTopics = self.names.keep
        run.admin = try self.admin.addresses()
        run.observer = { view.show($0) }
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let report = try await connection.withCluster(prepare: run.prepare) { [run] cluster in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    var isStopping = false
                    for await _ in signals {
                        // Whoever asks twice does not want to wait.
                        if isStopping { exit(ExitStatus.failure.rawValue) }
                        isStopping = true
                        run.end()
                    }
                }
                defer { tasks.cancelAll() }
                let startedAt = Date().formatted(.iso8601)
                return try await run.run(on: cluster, startedAt: startedAt, seed: self.seed)
            }
        }
        view.finish()
        try self.write(report)
        try Self.judge(report)
    }

    private func write(_ report: BenchReport) throws {
        let json = try report.json()
        if let path = self.output.jsonFile { try BenchFiles.write(json + "\n", to: path) }
        if let path = self.output.html { try BenchFiles.write(HTMLReport(report).text, to: path) }
        var standardOutput = StandardOutput()
        switch self.output.shown.output {
        case .json: standardOutput.print(json)
        case .table, .wide:
            let table = BenchTable(report, isWide: self.output.shown.isWide)
            for line in table.lines(terminal: self.output.shown.terminal) { standardOutput.print(line) }
        }
        try standardOutput.flush()
    }

    /// Throws unless everything that was sent is there, and the run came to its end.
    static func judge(_ report: BenchReport) throws {
        guard let problem = report.problem else { return }
        throw CommandFailure(
            problem,
            hint: report.errors.isEmpty
                ? nil : "the report has every kind of error; `martlet doctor` looks at the cluster for a cause")
    }
}
