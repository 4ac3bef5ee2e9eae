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
              martlet bench mixed --producers 4 --consumers 4 --codec lz4
              martlet bench run benchmarks/workloads/1-topic-1kb.yaml --json-file a.json
              martlet bench compare a.json b.json --html compare.html

            EXIT CODES
              1 also when records failed or were lost, or the run was interrupted.
            """,
        subcommands: [
            BenchProduceCommand.self, BenchConsumeCommand.self, BenchEndToEndCommand.self, BenchMixedCommand.self,
            BenchRunCommand.self, BenchCompareCommand.self,
        ])
}

/// `martlet bench produce`.
struct BenchProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write records: how many there can be, or how long each takes at a rate.")

    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func workload() throws -> Workload {
        var workload = Workload(mode: .produce)
        self.topics.apply(to: &workload)
        try self.records.apply(to: &workload)
        self.producers.apply(to: &workload)
        try self.time.apply(to: &workload)
        return try workload.checked()
    }

    func validate() throws { _ = try self.workload() }

    func run() async throws {
        try await BenchSession(self.topics, self.output, self.time.seed).run(
            try self.workload(), self.connection)
    }
}

/// `martlet bench consume`.
struct BenchConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Write records, then read them, over and over until the time is over.")

    @Flag(name: .long, help: "End when everything has been read once, without a warm-up.")
    var once = false

    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Consumers") var consumers: BenchConsumerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func workload() throws -> Workload {
        var workload = Workload(mode: .consume)
        self.topics.apply(to: &workload)
        try self.records.apply(to: &workload)
        self.producers.apply(to: &workload)
        try self.consumers.apply(to: &workload)
        try self.time.apply(to: &workload)
        guard self.producers.rate == nil else {
            throw ValidationError("--rate says how fast records are written, and here that is not measured.")
        }
        guard !self.once || self.time.seconds == nil else {
            throw ValidationError("--once and --seconds both say when it ends.")
        }
        if self.once { workload.limit = .backlog }
        return try workload.checked()
    }

    func validate() throws { _ = try self.workload() }

    func run() async throws {
        try await BenchSession(self.topics, self.output, self.time.seed).run(
            try self.workload(), self.connection)
    }
}

/// `martlet bench end-to-end`.
struct BenchEndToEndCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "end-to-end",
        abstract: "Write at a rate and read at the same time: how long until a record is with its reader.")

    @OptionGroup var both: BenchBothOptions

    func validate() throws { _ = try self.both.workload(.endToEnd) }

    func run() async throws { try await self.both.run(.endToEnd) }
}

/// `martlet bench mixed`.
struct BenchMixedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed",
        abstract: "Write and read at the same time, as fast as it goes; with a backlog, readers begin with it.")

    @OptionGroup var both: BenchBothOptions

    func validate() throws { _ = try self.both.workload(.mixed) }

    func run() async throws { try await self.both.run(.mixed) }
}

/// The options of runs that write and read at the same time.
struct BenchBothOptions: ParsableArguments {
    @OptionGroup(title: "Topics") var topics: BenchTopicOptions
    @OptionGroup(title: "Records") var records: BenchRecordOptions
    @OptionGroup(title: "Producers") var producers: BenchProducerOptions
    @OptionGroup(title: "Consumers") var consumers: BenchConsumerOptions
    @OptionGroup(title: "Time") var time: BenchTimeOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions
    @OptionGroup var connection: ConnectionOptions

    func workload(_ mode: Workload.Mode) throws -> Workload {
        var workload = Workload(mode: mode)
        self.topics.apply(to: &workload)
        try self.records.apply(to: &workload)
        self.producers.apply(to: &workload)
        try self.consumers.apply(to: &workload)
        try self.time.apply(to: &workload)
        return try workload.checked()
    }

    func run(_ mode: Workload.Mode) async throws {
        try await BenchSession(self.topics, self.output, self.time.seed).run(
            try self.workload(mode), self.connection)
    }
}

extension Workload {
    /// The workload, if it can be run. Throws `ValidationError`.
    func checked() throws -> Workload {
        do throws(InvalidWorkload) {
            try self.validate()
            return self
        } catch {
            throw ValidationError("The workload cannot be run: \(error).")
        }
    }
}
