// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet group reset-offsets`.
struct GroupResetOffsetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset-offsets",
        abstract: "Set where a group goes on reading.",
        discussion: """
            Without --execute nothing is changed: it shows what would be. The group must not have members. Offsets \
            that a partition does not have become the nearest that it has.

            TIME is in milliseconds since 1970, or ISO 8601 such as 2024-05-01T12:30:00Z; without a zone it is UTC. \
            DURATION is ISO 8601, such as PT1H, PT90S or P2DT12H.

            EXAMPLES
              martlet group reset-offsets payments --all-topics --to-earliest
              martlet group reset-offsets payments --topic orders:0,2-5 --to-offset 1500 --execute
              martlet group reset-offsets payments --topic orders --by-duration PT1H --execute
              martlet group reset-offsets payments --topic orders --shift-by -100
            """
    )

    @Argument(help: "The group.", completion: .names(of: .group))
    var group: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A topic, or some of its partitions; may be given several times.", valueName: "topic[:p,p-p]"))
    var topic: [PartitionSelection] = []

    @Flag(name: .long, help: "Every partition that the group has committed an offset of.")
    var allTopics = false

    @Flag(name: .long, help: "The first record that is still there.")
    var toEarliest = false

    @Flag(name: .long, help: "The end: only records that are written from now on.")
    var toLatest = false

    @Option(name: .long, help: ArgumentHelp("The record with this offset.", valueName: "offset"))
    var toOffset: Int64?

    @Option(name: .long, help: ArgumentHelp("The first record at or after this time.", valueName: "time"))
    var toDatetime: TimeArgument?

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("So many offsets forward from the committed one, or back if negative.", valueName: "count"))
    var shiftBy: Int64?

    @Option(name: .long, help: ArgumentHelp("The first record that is no older than this.", valueName: "duration"))
    var byDuration: ISODuration?

    @Flag(name: .long, help: "Do it; without this it is a dry run.")
    var execute = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// What was asked for; not exactly one is an error.
    func targets(now: Int64) -> [OffsetTarget] {
        var targets: [OffsetTarget] = []
        if self.toEarliest { targets.append(.earliest) }
        if self.toLatest { targets.append(.latest) }
        if let offset = self.toOffset { targets.append(.offset(offset)) }
        if let time = self.toDatetime { targets.append(.time(time.milliseconds)) }
        if let count = self.shiftBy { targets.append(.shift(count)) }
        if let duration = self.byDuration { targets.append(.time(max(now - duration.milliseconds, 0))) }
        return targets
    }

    func validate() throws {
        guard self.allTopics != !self.topic.isEmpty else {
            throw ValidationError("Say which partitions: either --topic or --all-topics.")
        }
        guard self.targets(now: 0).count == 1 else {
            throw ValidationError(
                "Say where to, with one of --to-earliest, --to-latest, --to-offset, --to-datetime, --shift-by and"
                    + " --by-duration.")
        }
        guard (self.toOffset ?? 0) >= 0 else { throw ValidationError("--to-offset must not be negative.") }
    }

    func run() async throws {
        guard let target = self.targets(now: ProcessEnvironment.wallMilliseconds()).first else { return }
        let (reset, failures) = try await self.connection.ask { cluster in
            let planner = OffsetResetPlanner(
                cluster: cluster, groupID: self.group, selections: self.allTopics ? nil : self.topic, target: target)
            let reset = try await planner.plan()
            guard self.execute, !reset.changes.isEmpty else { return (reset, [KafkaClientError]()) }
            let results = try await cluster.alterGroupOffsets(of: self.group, to: reset.changes)
            return (reset, results.sorted { $0.key < $1.key }.compactMap { $0.value.failure })
        }
        try self.format.print(reset.table) { json in
            reset.write(to: &json, group: self.group, isExecuted: self.execute && failures.isEmpty)
        }
        try failures.leave(of: reset.changes.count)
        StandardError.print(
            self.execute
                ? "\(reset.changes.count) of \(reset.rows.count) offsets were changed"
                : "dry run: nothing was changed; --execute does it")
    }
}

/// A moment on the command line.
struct TimeArgument: Hashable, Sendable, ExpressibleByArgument {
    /// Since 1970.
    var milliseconds: Int64

    init?(argument: String) {
        guard let milliseconds = Timestamp.milliseconds(argument), milliseconds >= 0 else { return nil }
        self.milliseconds = milliseconds
    }
}

extension Result {
    /// The error, if it is one.
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
