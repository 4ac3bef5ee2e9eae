// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// `martlet context list`.
struct ContextListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List contexts.",
        discussion: """
            The current one has a star. Passwords are never shown.

            EXAMPLES
              martlet context list -o wide
            """
    )

    @OptionGroup var format: OutputOptions

    func run() async throws {
        let book = try ContextFile()?.load() ?? ContextBook()
        try self.format.print(Self.table(of: book, isWide: self.format.isWide)) { json in
            json.array { json in
                for context in book.contexts { context.describe(to: &json, isCurrent: context.name == book.current) }
            }
        }
        if book.contexts.isEmpty {
            self.format.note("there are no contexts; `martlet context add NAME -b HOST:PORT` saves one")
        }
    }

    static func table(of book: ContextBook, isWide: Bool) -> TextTable {
        var columns: [TextTable.Column] = [.init(""), .init("NAME"), .init("BOOTSTRAP"), .init("SECURITY")]
        if isWide { columns += [.init("USER"), .init("PASSWORD"), .init("CA"), .init("CERTIFICATE")] }
        var table = TextTable(columns)
        for context in book.contexts {
            let security = context.security
            table.append([
                context.name == book.current ? "*" : "", context.name, context.bootstrap, security.protocolText,
                security.user ?? "-", security.password?.origin ?? "-", security.tlsCA ?? "-",
                security.tlsCertificate ?? "-",
            ])
        }
        return table
    }
}

/// `martlet context show`.
struct ContextShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one context; without a name, the one that holds now.",
        discussion: """
            Passwords are never shown, only where they come from.

            EXAMPLES
              martlet context show
              martlet context show prod -o json
            """
    )

    @Argument(help: "The context.", completion: .contextNames)
    var name: String?

    @OptionGroup var format: OutputOptions

    func run() async throws {
        let book = try ContextFile.here().load()
        let variable = SecurityOptions.environment(ConnectionTarget.contextVariable)
        guard let name = self.name ?? variable ?? book.current else {
            throw CommandFailure(
                "no context holds: commands go to \(ConnectionOptions.defaultBootstrap) unless told otherwise",
                hint: "`martlet context use NAME` makes one the current one", status: .notFound)
        }
        guard let context = book[name] else { throw CommandFailure.missingContext(name) }
        let isCurrent = name == book.current
        try self.format.print(
            lines: { Self.lines(of: context, isCurrent: isCurrent, terminal: $0) },
            json: { context.describe(to: &$0, isCurrent: isCurrent) })
        if self.name == nil, let bootstrap = SecurityOptions.environment(ConnectionOptions.environmentVariable) {
            self.format.note(
                "commands go to \(bootstrap), which $\(ConnectionOptions.environmentVariable) says, and not to a context"
            )
        }
    }

    static func lines(of context: Context, isCurrent: Bool, terminal: Terminal) -> [String] {
        let security = context.security
        let fields: [(String, String?)] = [
            ("current", isCurrent ? "yes" : "no"), ("bootstrap", context.bootstrap),
            ("security", security.protocolText), ("mechanism", security.sasl?.rawValue), ("user", security.user),
            ("password", security.password?.origin), ("ca", security.tlsCA),
            ("certificate", security.tlsCertificate), ("key", security.tlsKey),
            ("server name", security.tlsServerName),
        ]
        return [terminal.styled(context.name, .title)]
            + fields.compactMap { name, value in
                value.map { "  \(name)" + String(repeating: " ", count: 13 - name.count) + $0 }
            }
    }
}

extension SecuritySettings {
    /// Kafka's name of encryption and login together.
    var protocolText: String {
        switch (self.sasl != nil, self.isEncrypted) {
        case (false, false): "PLAINTEXT"
        case (false, true): "SSL"
        case (true, false): "SASL_PLAINTEXT"
        case (true, true): "SASL_SSL"
        }
    }
}

extension Context {
    /// For programs; never a password.
    func describe(to json: inout JSONWriter, isCurrent: Bool) {
        json.object { json in
            json.name("name")
            json.string(self.name)
            json.name("current")
            json.bool(isCurrent)
            json.name("bootstrap")
            json.string(self.bootstrap)
            json.name("security")
            json.string(self.security.protocolText)
            json.name("mechanism")
            json.string(self.security.sasl?.rawValue)
            json.name("user")
            json.string(self.security.user)
            json.name("passwordFrom")
            json.string(self.security.password?.origin)
            json.name("tlsCA")
            json.string(self.security.tlsCA)
            json.name("tlsCertificate")
            json.string(self.security.tlsCertificate)
            json.name("tlsKey")
            json.string(self.security.tlsKey)
            json.name("tlsServerName")
            json.string(self.security.tlsServerName)
        }
    }
}
