// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// `martlet consume`.
struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Read records of a topic.",
        discussion: """
            It begins with the first record and waits for new ones until it is stopped, unless told otherwise. The \
            records of one partition come in their order; the partitions are read at the same time.

            --from takes
              beginning      the first record that is still there
              end            only records that are written from now on
              N              the record with offset N
              -N             the last N records of each partition
              @TIME          the first record at or after a time

            TIME is in milliseconds since 1970, or ISO 8601 such as 2024-05-01T12:30:00Z; without a zone it is UTC.

            -o json writes one object per line:
              {"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
               "key":"k","value":"v","headers":{"name":"v"}}

            Keys and values that are not UTF-8 are written in base64, and "keyEncoding":"base64" or \
            "valueEncoding":"base64" says so. The values of a header that occurs several times are an array.

            EXAMPLES
              martlet consume orders
              martlet consume orders --from -10 --until-end --print-key
              martlet consume orders --from @2024-05-01 -n 100 -o json
              martlet consume orders --partition 3 --from 1500 -n 1
            """
    )

    @Argument(help: "The topic.")
    var topic: String

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("Where to begin: beginning, end, N, -N or @TIME.", valueName: "position"))
    var from: StartPosition = .beginning

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Only this partition; may be given several times.", valueName: "number"))
    var partition: [Int32] = []

    @Flag(name: [.customShort("e"), .long], help: "Stop after the records that are there now.")
    var untilEnd = false

    @Option(name: [.customShort("n"), .customLong("count")], help: "Stop after so many records.")
    var count: Int64?

    @OptionGroup(title: "Output") var printing: PrintOptions
    @OptionGroup var connection: ConnectionOptions

    /// How often a broker that went away is tried again: about once a second.
    private static let patience = 60

    func validate() throws {
        guard (self.count ?? 1) > 0 else { throw ValidationError("--count must be at least 1.") }
        guard self.partition.allSatisfy({ $0 >= 0 }) else {
            throw ValidationError("--partition must not be negative.")
        }
    }

    func run() async throws {
        try await self.connection.withCluster(patience: Self.patience) { cluster in
            let plan = try await ReadPlan.make(
                topic: self.topic, partitions: self.partition, from: self.from, isUntilEnd: self.untilEnd,
                cluster: cluster)
            for warning in plan.warnings { StandardError.print("warning: \(warning)") }
            var configuration = ReadConfiguration()
            configuration.outOfRangePolicy = self.from == .beginning ? .skipToEarliest : .fail
            let printer = RecordPrinter(self.printing.format, countMax: self.count)
            try await cluster.read(plan.ranges, configuration: configuration) { batch in
                try printer.print(batch)
            }
            try printer.flush()
        }
    }
}
