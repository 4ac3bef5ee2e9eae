// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A cluster under a name: where it is, and how to get in.
struct Context: Sendable, Equatable {
    /// The longest name, in bytes.
    static let nameBytesMax = 100

    var name: String
    /// As `--bootstrap` takes it.
    var bootstrap: String
    var security = SecuritySettings()

    /// 1 to 100 of letters, digits, `.`, `_` and `-`, and not `-` first: nothing that a shell or an option could take for
    /// something else.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= Self.nameBytesMax && name.first != "-"
            && name.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII
                    && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                        || "._-".unicodeScalars.contains(scalar))
            }
    }
}

/// All contexts that a person has, and which of them holds where nothing else is said.
struct ContextBook: Sendable, Equatable {
    /// Ascending by name.
    private(set) var contexts: [Context] = []
    /// The name of one of them; nil when none holds.
    private(set) var current: String?

    subscript(_ name: String) -> Context? { self.contexts.first { $0.name == name } }

    /// Adds a context, or takes it in the place of that of the same name. The first one becomes the current one.
    mutating func put(_ context: Context) {
        self.contexts.removeAll { $0.name == context.name }
        self.contexts.append(context)
        self.contexts.sort { $0.name < $1.name }
        if self.contexts.count == 1, self.current == nil { self.current = context.name }
    }

    /// Makes one the current one; nil for none. False when there is no context of this name.
    mutating func use(_ name: String?) -> Bool {
        if let name, self[name] == nil { return false }
        self.current = name
        return true
    }

    /// False when there is no context of this name. None is current after the current one was removed.
    mutating func remove(_ name: String) -> Bool {
        guard self[name] != nil else { return false }
        self.contexts.removeAll { $0.name == name }
        if self.current == name { self.current = nil }
        return true
    }
}
