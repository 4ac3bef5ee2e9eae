// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaRecords
import NIOCore

/// `martlet produce`.
struct ProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce",
        abstract: "Write lines, files or JSON lines to a topic.",
        discussion: """
            Each line of the standard input is a record; each FILE is one record with all its bytes, or, with --lines, \
            holds a record in each line. Records with a \
            key go to the partition that Java's producer puts the key in; the others fill one partition after the \
            other, a batch at a time. With --acks all, the default, a record is written once even when it has to be \
            sent again. What is wrong in the input is told with the number of its line, after everything before it \
            has been written; at the end the standard error says what was written.

            With --json each line is an object like those that `martlet consume -o json` writes:
              {"key":"k1","value":"v1","headers":{"trace":"abc"},"partition":0,"timestamp":1700000000000}
            All members may be missing. A key or value that is null stays null; one that is neither a string nor null \
            is written as the JSON text it is. "keyEncoding":"base64" and "valueEncoding":"base64" say that the string \
            is base64. A header is a string, null, {"base64":"…"}, or an array of those for several of one name. \
            Other members, such as topic and offset, are ignored.

            EXAMPLES
              echo 'hello' | martlet produce orders
              printf 'k1:v1\\nk2:v2\\n' | martlet produce orders --key-separator :
              martlet produce orders -k invoice-7 -H type=pdf invoice.pdf
              martlet produce orders --json --lines day1.jsonl day2.jsonl --rate 500
              martlet consume orders -o json --until-end | martlet produce copy --json --codec zstd
            """
    )

    @Argument(help: "The topic.", completion: .names(of: .topic))
    var topic: String

    @Argument(
        help: ArgumentHelp(
            "Files, each of which is one record unless --lines is given; without one, the standard input.",
            valueName: "file"), completion: .file())
    var files: [String] = []

    @OptionGroup(title: "Records") var records: RecordOptions
    @OptionGroup(title: "Delivery") var delivery: DeliveryOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard !self.records.json || self.files.isEmpty || self.records.lines else {
            throw ValidationError("--json reads lines: with files it takes --lines.")
        }
        guard self.records.keySeparator == nil || self.files.isEmpty || self.records.lines else {
            throw ValidationError("--key-separator cuts lines: with files it takes --lines.")
        }
    }

    func run() async throws {
        let parser = self.records.parser
        let readsLines = self.records.lines || self.files.isEmpty
        let inputs = readsLines ? try InputFile.open(self.files) : []
        defer { for input in inputs { input.close() } }
        let clock = ContinuousClock()
        let start = clock.now
        let summary = try await self.connection.withCluster { cluster in
            let target = try await ProduceTarget.find(
                topic: self.topic, partition: self.delivery.partition, delivery: self.delivery, cluster: cluster)
            let session = ProduceSession(
                cluster: cluster, target: target, isVerbose: self.delivery.verbose, rate: self.delivery.rate)
            return readsLines
                ? try await session.run(lines: inputs, parser: parser)
                : try await session.run(files: self.files, parser: parser)
        }
        if !self.delivery.quiet { StandardError.print(summary.line(took: start.duration(to: clock.now))) }
    }
}
