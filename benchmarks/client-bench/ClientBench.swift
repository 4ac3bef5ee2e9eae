// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Drives KafkaClient as `benchmarks/peers/rdkafka.c` drives librdkafka: the same command line, the same output, the same
/// settings by their Kafka names.
@main
struct ClientBench {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            try await Self.run(arguments)
        } catch {
            var message = "client-bench: \(error)\n"
            _ = message.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) async throws {
        guard let mode = arguments.first, arguments.count >= 4, let number = Int(arguments[3]) else { throw Usage() }
        let target = Target(bootstrap: arguments[1], topic: arguments[2])
        switch mode {
        case "produce":
            guard arguments.count >= 5, let bytes = Int(arguments[4]) else { throw Usage() }
            let settings = try Settings(arguments.dropFirst(5))
            try await ProduceRun(target: target, settings: settings, recordBytes: bytes).asFastAsItGoes(records: number)
        case "latency":
            guard arguments.count >= 6, let seconds = Int(arguments[4]), let bytes = Int(arguments[5]) else {
                throw Usage()
            }
            let settings = try Settings(arguments.dropFirst(6))
            try await ProduceRun(target: target, settings: settings, recordBytes: bytes)
                .atRate(perSecond: number, seconds: seconds)
        case "consume":
            let settings = try Settings(arguments.dropFirst(4))
            try await ConsumeRun(target: target, settings: settings).readAll(records: number)
        case "stall":
            let settings = try Settings(arguments.dropFirst(4))
            try await ConsumeRun(target: target, settings: settings).stall(seconds: number)
        default:
            throw Usage()
        }
    }
}

struct Target {
    let bootstrap: String
    let topic: String

    var brokers: [BrokerAddress] {
        get throws {
            guard let brokers = BrokerAddress.list(self.bootstrap) else { throw Usage() }
            return brokers
        }
    }
}

struct Usage: Error, CustomStringConvertible {
    let description = "produce|consume|latency|stall BOOTSTRAP TOPIC …; see benchmarks/peers/rdkafka.c"
}
