// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import Foundation
import LoadGenerator

/// `martlet bench run`.
struct BenchRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a workload from a YAML file.",
        discussion: """
            The keys are those of OpenMessaging Benchmark's workloads, and some more; benchmarks/workloads has some to \
            begin with, docs/BENCH.md explains them all.
            """)

    @Argument(help: ArgumentHelp("The workload.", valueName: "file"), completion: .file())
    var file: String

    @Option(name: .long, help: ArgumentHelp("How long is measured, whatever the file says.", valueName: "seconds"))
    var seconds: Double?

    @Option(
        name: .long, help: ArgumentHelp("How long the warm-up takes, whatever the file says.", valueName: "seconds"))
    var warmUp: Double?

    @OptionGroup var names: BenchNameOptions

    @Option(name: .long, help: ArgumentHelp("Where chance begins. (default: any)", valueName: "number"))
    var seed: UInt64?

    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var admin: BenchAdminOptions
    @OptionGroup var connection: ConnectionOptions

    /// The largest file of a payload, in bytes.
    private static let payloadBytesMax = 64 << 20

    func run() async throws {
        var workload = try self.workload()
        if let seconds { workload.limit = .seconds(seconds) }
        if let warmUp { workload.warmUp = warmUp }
        do {
            try workload.validate()
        } catch {
            throw CommandFailure("the workload cannot be run: \(error)")
        }
        try await BenchSession(self.names, self.output, self.admin, self.seed).run(workload, self.connection)
    }

    private func workload() throws -> Workload {
        let bytes = try BenchFiles.read(self.file, bytesMax: WorkloadFile.bytesMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(self.file) is not UTF-8 text")
        }
        let folder = URL(fileURLWithPath: self.file).deletingLastPathComponent()
        do {
            return try WorkloadFile.parse(text, path: self.file) { name in
                let path = URL(fileURLWithPath: name, relativeTo: folder).path
                return try BenchFiles.read(path, bytesMax: Self.payloadBytesMax)
            }
        } catch let error as InvalidWorkload {
            throw CommandFailure("\(error)")
        }
    }
}
