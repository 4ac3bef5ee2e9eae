// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaRecords

/// How records travel.
struct DeliveryOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The partition of every record that does not name its own.", valueName: "number"))
    var partition: Int32?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How batches are compressed: none, gzip, snappy, lz4 or zstd. (default: none)", valueName: "name"),
        completion: .list(["none", "gzip", "snappy", "lz4", "zstd"]),
        transform: DeliveryOptions.codec)
    var codec: CompressionCodec = .none

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who must have a record: all in-sync replicas (all), the leader (1), or nobody (0). (default: all)",
            valueName: "0|1|all"),
        completion: .list(["all", "1", "0"]),
        transform: DeliveryOptions.acks)
    var acks: RequiredAcks = .all

    @Option(
        name: .long,
        help: ArgumentHelp("Bytes that are collected for one batch, before compression.", valueName: "bytes"))
    var batchBytes: Int = 1_000_000

    @Option(
        name: .long,
        help: ArgumentHelp("How long a batch waits for more when the input pauses.", valueName: "milliseconds"))
    var linger: Int32 = 5

    @Option(
        name: .long,
        help: ArgumentHelp("Records per second, at most. (default: as many as go)", valueName: "number"))
    var rate: Double?

    @Flag(name: .long, help: "Let the brokers create the topic, if they are configured to.")
    var allowAutoCreate = false

    @Flag(name: .shortAndLong, help: "Print partition@offset of every record that was written.")
    var verbose = false

    @Flag(name: .shortAndLong, help: "Do not say on standard error at the end what was written.")
    var quiet = false

    /// Records per second: a sleep for the next of fewer would last longer than a day.
    static let rateMin = 0.001
    static let rateMax = 1e9

    func validate() throws {
        guard (self.partition ?? 0) >= 0 else { throw ValidationError("--partition must not be negative.") }
        guard (1...1_000_000_000).contains(self.batchBytes) else {
            throw ValidationError("--batch-bytes must be 1 to 1000000000.")
        }
        guard (Self.rateMin...Self.rateMax).contains(self.rate ?? 1) else {
            throw ValidationError("--rate must be \(Self.rateMin) to \(Int(Self.rateMax)).")
        }
        guard (0...60_000).contains(self.linger) else { throw ValidationError("--linger must be 0 to 60000.") }
    }
}

extension DeliveryOptions {
    /// `none`, or what Kafka calls a codec.
    static func codec(_ argument: String) throws -> CompressionCodec {
        guard let codec = CompressionCodec(name: argument) else {
            throw ValidationError("'\(argument)' is none of none, gzip, snappy, lz4 and zstd.")
        }
        return codec
    }

    /// `0`, `1`, `all` or, as Kafka's configs have it, `-1`.
    static func acks(_ argument: String) throws -> RequiredAcks {
        switch argument {
        case "0": .none
        case "1": .leader
        case "all", "-1": .all
        default: throw ValidationError("'\(argument)' is none of 0, 1 and all.")
        }
    }
}
