// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where the contexts are kept: `$XDG_CONFIG_HOME/martlet/contexts.json`, or `~/.config/martlet/contexts.json`.
struct ContextFile {
    let file: SmallFile

    /// Nil where the environment names neither a directory for settings nor a home, as in many containers: there are no
    /// contexts then.
    init?(environment: (String) -> String? = SecurityOptions.environment) {
        // The specification of the XDG directories wants relative paths ignored.
        let configured = environment("XDG_CONFIG_HOME").flatMap { $0.hasPrefix("/") ? $0 : nil }
        guard let folder = configured ?? environment("HOME").map({ $0 + "/.config" }) else { return nil }
        self.file = SmallFile(folder + "/martlet/contexts.json")
    }

    /// The one of this environment. Throws where there can be none.
    static func here() throws -> ContextFile {
        guard let file = ContextFile() else {
            throw CommandFailure(
                "there is no place for contexts: neither HOME nor XDG_CONFIG_HOME is set",
                hint: "set XDG_CONFIG_HOME to a directory, with its full path", status: .usage)
        }
        return file
    }

    /// An empty book when there is no file. Throws `CommandFailure`, which names the file, when it is damaged.
    func load() throws -> ContextBook {
        guard let text = try self.file.text() else { return ContextBook() }
        do {
            return try ContextBook(json: text)
        } catch let error as JSONReader.Malformed {
            throw CommandFailure(
                "the file of the contexts, \(self.file.path), is damaged: \(error)",
                hint: "repair it, or move it away and add the contexts again with `martlet context add`",
                status: .usage)
        }
    }

    func save(_ book: ContextBook) throws { try self.file.replace(with: book.json) }

    /// Others of this machine may read a password there.
    func warnings(about book: ContextBook) -> [String] {
        let hasPassword = book.contexts.contains { context in
            if case .stored = context.security.password { true } else { false }
        }
        guard hasPassword, self.file.isOpenToOthers else { return [] }
        return ["others can read the passwords in \(self.file.path): chmod 600 hides them"]
    }
}
