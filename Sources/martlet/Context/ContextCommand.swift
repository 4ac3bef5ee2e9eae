// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet context`: clusters under names.
struct ContextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context",
        abstract: "Save clusters and logins under names, and switch between them.",
        discussion: """
            Contexts are kept in $XDG_CONFIG_HOME/martlet/contexts.json, or ~/.config/martlet/contexts.json, which only \
            its owner may read.

            Every command takes --context NAME, or the environment variable MARTLET_CONTEXT; otherwise the current \
            context holds, unless --bootstrap or $MARTLET_BOOTSTRAP names a cluster. Options that are given beside a \
            context replace what it says.

            EXAMPLES
              martlet context add local -b localhost:9092
              martlet context add prod -b kafka.example.com:9093 --tls --sasl scram-sha-512 --user alice \
            --password-file ~/.secrets/kafka
              martlet context use prod
              martlet topic list --context local
            """,
        subcommands: [
            ContextAddCommand.self, ContextUseCommand.self, ContextListCommand.self, ContextShowCommand.self,
            ContextRemoveCommand.self,
        ]
    )
}

/// `martlet context use`.
struct ContextUseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "use",
        abstract: "Make a context the one that holds where nothing else is said.",
        discussion: """
            EXAMPLES
              martlet context use prod
              martlet context use --none
            """
    )

    @Argument(help: "The context.", completion: .contextNames)
    var name: String?

    @Flag(name: .long, help: "None: localhost:9092 again.")
    var none = false

    func validate() throws {
        guard (self.name != nil) != self.none else { throw ValidationError("Give either a name or --none.") }
    }

    func run() async throws {
        let file = try ContextFile.here()
        var book = try file.load()
        guard book.use(self.name) else { throw CommandFailure.missingContext(self.name ?? "") }
        try file.save(book)
        var output = StandardOutput()
        output.print(self.name.map { "\($0) is the current context" } ?? "no context is the current one")
        try output.flush()
    }
}

/// `martlet context remove`.
struct ContextRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Forget contexts.",
        discussion: """
            Nothing happens to the clusters. All are removed or, when one of them does not exist, none.

            EXAMPLES
              martlet context remove staging
            """
    )

    @Argument(help: "The contexts.", completion: .contextNames)
    var names: [String]

    func run() async throws {
        let file = try ContextFile.here()
        var book = try file.load()
        for name in self.names {
            guard book.remove(name) else { throw CommandFailure.missingContext(name) }
        }
        try file.save(book)
        var output = StandardOutput()
        for name in self.names { output.print("\(name) removed") }
        try output.flush()
    }
}

extension CommandFailure {
    static func missingContext(_ name: String) -> CommandFailure {
        CommandFailure(
            "there is no context '\(name)'", hint: "`martlet context list` shows what there is", status: .notFound)
    }
}
