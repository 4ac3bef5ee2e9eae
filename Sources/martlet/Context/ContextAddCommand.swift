// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `martlet context add`.
struct ContextAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Save a cluster and how to get in.",
        discussion: """
            The first context becomes the current one. Nothing is connected to: `martlet cluster info --context NAME` \
            tries it.

            A password is best left where it is: --password-file and --password-variable name the place, which is read \
            at each use. --password-stdin takes it from the standard input and keeps it in the file of the contexts.

            EXAMPLES
              martlet context add local -b localhost:9092
              martlet context add prod -b k1:9093,k2:9093 --tls-ca ca.pem --use
              martlet context add ci -b kafka:9092 --sasl plain --user ci --password-variable KAFKA_PASSWORD
            """
    )

    @Argument(help: "1 to 100 of letters, digits, '.', '_' and '-'.")
    var name: String

    @Option(
        name: [.customShort("b"), .customLong("bootstrap"), .customLong("bootstrap-server")],
        help: ArgumentHelp("Brokers to ask first, separated by commas.", valueName: "host:port"))
    var bootstrap: String

    @OptionGroup var security: SecurityOptions

    @Option(
        name: .long,
        help: ArgumentHelp("The environment variable that has the user's password at each use.", valueName: "name"))
    var passwordVariable: String?

    @Flag(name: .long, help: "Read the user's password from the standard input, and keep it.")
    var passwordStdin = false

    @Flag(name: .long, help: "Make it the current context.")
    var use = false

    @Flag(name: .long, help: "Take the place of a context of this name.")
    var replace = false

    func validate() throws {
        guard Context.isName(self.name) else {
            throw ValidationError(
                "A context is named by 1 to \(Context.nameBytesMax) of a-z, A-Z, 0-9, '.', '_' and '-', and not by"
                    + " '\(self.name)'.")
        }
        guard BrokerAddress.list(self.bootstrap) != nil else {
            throw ValidationError(
                "--bootstrap takes host:port, or several separated by commas, and not '\(self.bootstrap)'.")
        }
        let passwords = [self.security.passwordFile != nil, self.passwordVariable != nil, self.passwordStdin]
        guard passwords.count(where: { $0 }) <= 1 else {
            throw ValidationError("Give one of --password-file, --password-variable and --password-stdin.")
        }
        guard self.security.sasl != nil || (self.security.user == nil && !passwords.contains(true)) else {
            throw ValidationError("A user and a password go with --sasl, which says how to log in.")
        }
    }

    func run() async throws {
        let file = try ContextFile.here()
        var book = try file.load()
        guard self.replace || book[self.name] == nil else {
            throw CommandFailure("there is a context '\(self.name)' already", hint: "--replace takes its place")
        }
        var security = self.security.settings
        for path in [\SecuritySettings.tlsCA, \.tlsCertificate, \.tlsKey] {
            security[keyPath: path] = security[keyPath: path].map(Self.fullPath)
        }
        if let path = self.security.passwordFile { security.password = .file(Self.fullPath(path)) }
        if let name = self.passwordVariable { security.password = .environment(name) }
        if self.passwordStdin { security.password = .stored(try Self.readPassword()) }
        book.put(Context(name: self.name, bootstrap: self.bootstrap, security: security))
        if self.use { _ = book.use(self.name) }
        try file.save(book)
        var output = StandardOutput()
        output.print(
            "\(self.name) saved in \(file.file.path)" + (book.current == self.name ? ", the current context" : ""))
        try output.flush()
    }

    /// The context is used from other directories, too.
    private static func fullPath(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return String(cString: here) + "/" + path
    }

    /// A line, which does not show while it is typed on a terminal.
    private static func readPassword() throws -> String {
        let isTerminal = isatty(STDIN_FILENO) == 1
        var before = termios()
        if isTerminal {
            StandardError.print("Password: ", terminator: "")
            tcgetattr(STDIN_FILENO, &before)
            var silent = before
            silent.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        }
        let line = readLine()
        if isTerminal {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            StandardError.print("")
        }
        guard let line, !line.isEmpty else {
            throw CommandFailure("no password came on the standard input", status: .usage)
        }
        return line
    }
}
