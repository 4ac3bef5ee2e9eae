// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The one executable: `martlet serve` is the broker, `martlet log` looks at its files, every other command
/// is a client of any Kafka cluster.
@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "An event broker that speaks the Kafka protocol, and tools for any Kafka cluster.",
        discussion: """
            EXAMPLES
              martlet serve
              martlet topic create orders --partitions 6
              echo 'hello' | martlet produce orders
              martlet consume orders --from beginning --until-end

            The tools find the cluster by --bootstrap or --context, by the environment variables MARTLET_BOOTSTRAP or \
            MARTLET_CONTEXT, by the current context, or at localhost:9092. Answers come as tables, or as JSON by -o json.

            EXIT CODES
            \(ExitStatus.table)
            """,
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, TopicCommand.self, ProduceCommand.self, ConsumeCommand.self, GroupCommand.self,
            ConfigCommand.self, ClusterCommand.self, LogCommand.self, HealthCommand.self, DoctorCommand.self,
            BenchCommand.self, ContextCommand.self, CompletionCommand.self,
        ]
    )

    static func main() async {
        // Whoever reads the output may stop reading: a write says so, the process need not die for it.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try await Self.asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch is OutputClosed {
            Self.exit()
        } catch let error as any CommandLineFailure {
            error.report().print()
            Self.exit(withError: ExitCode(error.report().status.rawValue))
        } catch {
            Self.exit(withError: error)
        }
    }
}
