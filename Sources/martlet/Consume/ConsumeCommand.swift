// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet consume`.
struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Read records of a topic, alone or as a member of a group.",
        discussion: """
            It begins with the first record and waits for new ones until it is stopped, unless told otherwise. The \
            records of one partition come in their order; the partitions are read at the same time.

            --from takes
              beginning      the first record that is still there
              end            only records that are written from now on
              N              the record with offset N
              -N             the last N records of each partition
              @TIME          the first record at or after a time
              -DURATION      the first record of the last so long, by this machine's clock: -15m, -1h30m, -7d

            TIME is in milliseconds since 1970, or ISO 8601 such as 2024-05-01T12:30:00Z; without a zone it is UTC. \
            --until takes N, @TIME, -DURATION and end: the first record that is not read any more. N is waited for.

            --template (-f) writes records as kcat's -f does: --template '%p %o %k %s\\n'.

            -o json writes one object per line:
              {"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
               "key":"k","value":"v","headers":{"name":"v"}}

            Keys and values that are not UTF-8 are written in base64, and "keyEncoding":"base64" or \
            "valueEncoding":"base64" says so; --bytes base64 does that to all of them. The values of a header that \
            occurs several times are an array.

            With --group, topics are shared with the other members of the group (KIP-848: Kafka 4.0 or newer, or \
            Martlet). It goes on where the group has come to; --from says where to begin when that is nowhere. What \
            has been printed is committed every few seconds, and when SIGINT or SIGTERM ends it: every record is \
            printed at least once. A second signal does not wait for the commit.

            EXAMPLES
              martlet consume orders
              martlet consume orders --from -10 --until-end --print-key
              martlet consume orders --from @2024-05-01 -n 100 -o json
              martlet consume orders --from -1h --until -30m -f '%T %k %s\\n'
              martlet consume orders --partition 3 --from 1500 -n 1
              martlet consume orders refunds --group payments --instance-id payments-0
              martlet consume --group audit --regex 'orders\\..*' -o json
            """
    )

    @Argument(
        help: ArgumentHelp("The topic; several with --group.", valueName: "topic"), completion: .names(of: .topic))
    var topics: [String]

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("Where to begin: beginning, end, N, -N, @TIME or -DURATION.", valueName: "position"))
    var from: StartPosition = .beginning

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("Where to stop: end, N, @TIME or -DURATION.", valueName: "position"))
    var until: StopPosition?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Only this partition; may be given several times.", valueName: "number"))
    var partition: [Int32] = []

    @Flag(name: [.customShort("e"), .long], help: "Stop after the records that are there now.")
    var untilEnd = false

    @Flag(name: .long, help: "Wait for new records, which it does unless told otherwise.")
    var follow = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Which records of transactions to read: read_uncommitted (all) or read_committed. (default:"
                + " read_uncommitted)", valueName: "name"),
        completion: .list(["read_uncommitted", "read_committed"]),
        transform: ConsumeCommand.isolation)
    var isolation: ReadIsolation = .readUncommitted

    @Option(name: [.customShort("n"), .customLong("count")], help: "Stop after so many records.")
    var count: Int64?

    @OptionGroup(title: "Group") var groupOptions: GroupOptions
    @OptionGroup(title: "Output") var printing: PrintOptions
    @OptionGroup var connection: ConnectionOptions

    /// How often a broker that went away is tried again: about once a second.
    private static let patience = 60

    func validate() throws {
        guard (self.count ?? 1) > 0 else { throw ValidationError("--count must be at least 1.") }
        guard self.partition.allSatisfy({ $0 >= 0 }) else {
            throw ValidationError("--partition must not be negative.")
        }
        guard !self.follow || (self.until == nil && !self.untilEnd) else {
            throw ValidationError("--follow waits without end: it does not go with --until and --until-end.")
        }
        guard let group = self.groupOptions.group else {
            guard self.topics.count == 1 else {
                throw ValidationError("Several topics are read with --group only.")
            }
            guard !self.groupOptions.isGiven else {
                throw ValidationError("--regex, --instance-id, --assignor, --weight and --verbose go with --group.")
            }
            return
        }
        guard self.partition.isEmpty, !self.untilEnd, self.until == nil else {
            throw ValidationError("--partition, --until and --until-end do not go with --group.")
        }
        _ = try self.groupOptions.configuration(group: group, topics: self.topics, from: self.from)
    }

    func run() async throws {
        if let group = self.groupOptions.group {
            var configuration = try self.groupOptions.configuration(
                group: group, topics: self.topics, from: self.from)
            configuration.isolation = self.isolation
            let printer = GroupPrinter(
                configuration: configuration,
                printer: RecordPrinter(try self.printing.format, countMax: self.count),
                isVerbose: self.groupOptions.verbose)
            try await self.connection.withCluster { try await printer.run($0) }
        } else {
            try await self.readAlone(self.topics[0])
        }
    }

    private func readAlone(_ topic: String) async throws {
        var request = ReadPlan.Request(topic: topic, now: ProcessEnvironment.wallMilliseconds())
        request.partitions = self.partition
        request.from = self.from
        request.until = self.until
        request.isUntilEnd = self.untilEnd
        request.isolation = self.isolation
        let format = try self.printing.format
        try await self.connection.withCluster(patience: Self.patience) { [request] cluster in
            let plan = try await ReadPlan.make(request, cluster: cluster)
            for warning in plan.warnings { StandardError.print("warning: \(warning)") }
            var configuration = ReadConfiguration()
            configuration.isolation = request.isolation
            configuration.outOfRangePolicy = request.from == .beginning ? .skipToEarliest : .fail
            let total = plan.offsetCount.map { min($0, self.count ?? .max) } ?? self.count
            let progress = total.map { ProgressBar("consume", unit: .records, total: $0, sharesTerminal: true) }
            defer { progress?.clear() }
            let printer = RecordPrinter(format, countMax: self.count, progress: progress)
            try await cluster.read(plan.ranges, configuration: configuration) { batch in
                try printer.print(batch)
            }
            try printer.flush()
        }
    }

    /// Kafka's names, or the short ones.
    private static func isolation(_ argument: String) throws -> ReadIsolation {
        switch argument {
        case "read_uncommitted", "uncommitted": .readUncommitted
        case "read_committed", "committed": .readCommitted
        default: throw ValidationError("'\(argument)' is neither read_uncommitted nor read_committed.")
        }
    }
}
