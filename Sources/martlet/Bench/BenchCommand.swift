// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import LoadGenerator

/// `martlet bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put load on a cluster and measure it.",
        discussion: """
            Topics are made for the run and deleted after it. Figures are of the time after the warm-up. With a rate, \
            the latency of a record counts from the moment at which it was due, whether the client came to send it \
            then or not: a stall counts for every record that it held up.

            On a terminal the standard error shows what goes on; the result is a table, or JSON with -o json. \
            docs/BENCH.md explains every figure.

            EXAMPLES
              martlet bench produce --size 1024 --seconds 30
              martlet bench produce --rate 50000 --keys random:10000 --html report.html
              martlet bench consume --backlog 1GB
              martlet bench end-to-end --rate 1000 --size 100
              martlet bench produce --rate 1000 --admin localhost:9644
              martlet bench mixed --producers 4 --consumers 4 --codec lz4
              martlet bench run benchmarks/workloads/1-topic-1kb.yaml --json-file a.json
              martlet bench compare a.json b.json --html compare.html

            EXIT CODES
              1 also when records failed or were lost, or the run was interrupted.
            """,
        subcommands: [
            BenchProduceCommand.self, BenchConsumeCommand.self, BenchBothCommand<BenchEndToEnd>.self,
            BenchBothCommand<BenchMixed>.self,
            BenchRunCommand.self, BenchCompareCommand.self,
        ])
}

/// What all runs have in common: everything writes records. The groups of options are those of each command itself, as
/// ArgumentParser takes twice as long for each group that stands in another one.
protocol BenchLoad {
    var topics: BenchTopicOptions { get }
    var names: BenchNameOptions { get }
    var records: BenchRecordOptions { get }
    var producers: BenchProducerOptions { get }
    var time: BenchTimeOptions { get }
    var output: BenchOutputOptions { get }
    var admin: BenchAdminOptions { get }
    var connection: ConnectionOptions { get }
}

extension BenchLoad {
    /// What is to be run, with what `more` makes of it. Throws `ValidationError` when it cannot be.
    func workload(
        _ mode: Workload.Mode, _ more: (inout Workload) throws -> Void = { _ in }
    ) throws -> Workload {
        var workload = Workload(mode: mode)
        self.topics.apply(to: &workload)
        try self.records.apply(to: &workload)
        self.producers.apply(to: &workload)
        try self.time.apply(to: &workload)
        try more(&workload)
        do throws(InvalidWorkload) {
            try workload.validate()
            return workload
        } catch {
            throw ValidationError("The workload cannot be run: \(error).")
        }
    }

    func run(_ workload: Workload) async throws {
        try await BenchSession(self.names, self.output, self.admin, self.time.seed).run(workload, self.connection)
    }
}

/// `martlet bench produce`.
struct BenchProduceCommand: AsyncParsableCommand, BenchLoad {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write records: how many there can be, or how long each takes at a rate.")

    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Topics") var names: BenchNameOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var admin: BenchAdminOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try self.workload(.produce) }

    func run() async throws { try await self.run(try self.workload(.produce)) }
}

/// `martlet bench consume`.
struct BenchConsumeCommand: AsyncParsableCommand, BenchLoad {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Write records, then read them, over and over until the time is over.")

    @Flag(name: .long, help: "End when everything has been read once, without a warm-up.")
    var once = false

    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Topics") var names: BenchNameOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Consumers") var consumers: BenchConsumerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var admin: BenchAdminOptions
    @OptionGroup var connection: ConnectionOptions

    func workload() throws -> Workload {
        guard self.producers.rate == nil else {
            throw ValidationError("--rate says how fast records are written, and here that is not measured.")
        }
        guard !self.once || self.time.seconds == nil else {
            throw ValidationError("--once and --seconds both say when it ends.")
        }
        return try self.workload(.consume) { workload in
            try self.consumers.apply(to: &workload)
            if self.once { workload.limit = .backlog }
        }
    }

    func validate() throws { _ = try self.workload() }

    func run() async throws { try await self.run(try self.workload()) }
}

/// `martlet bench end-to-end`.
enum BenchEndToEnd: BenchBoth {
    static let mode = Workload.Mode.endToEnd
    static let configuration = CommandConfiguration(
        commandName: "end-to-end",
        abstract: "Write at a rate and read at the same time: how long until a record is with its reader.")
}

/// `martlet bench mixed`.
enum BenchMixed: BenchBoth {
    static let mode = Workload.Mode.mixed
    static let configuration = CommandConfiguration(
        commandName: "mixed",
        abstract: "Write and read at the same time, as fast as it goes; with a backlog, readers begin with it.")
}

/// What tells apart the runs that write and read at the same time.
protocol BenchBoth {
    static var mode: Workload.Mode { get }
    static var configuration: CommandConfiguration { get }
}

/// A run that writes and reads at the same time.
struct BenchBothCommand<Kind: BenchBoth>: AsyncParsableCommand, BenchLoad {
    static var configuration: CommandConfiguration { Kind.configuration }

    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Topics") var names: BenchNameOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Consumers") var consumers: BenchConsumerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var admin: BenchAdminOptions
    @OptionGroup var connection: ConnectionOptions

    func workload() throws -> Workload { try self.workload(Kind.mode) { try self.consumers.apply(to: &$0) } }

    func validate() throws { _ = try self.workload() }

    func run() async throws { try await self.run(try self.workload()) }
}
