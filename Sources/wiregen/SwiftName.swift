// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How the protocol's names become Swift's.
enum SwiftName {
    /// Words of Swift that need backticks where they are declared.
    private static let keywords: Set<String> = [
        "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do",
        "else", "enum", "extension", "fallthrough", "false", "for", "func", "guard", "if", "import", "in", "init",
        "inout", "internal", "is", "let", "nil", "operator", "private", "protocol", "public", "repeat", "return",
        "self", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias",
        "var", "where", "while",
    ]

    /// `TransactionalId` is `transactionalID`: the first word in lower case, the words Id and Ids as ID and IDs.
    static func member(_ name: String) -> String {
        var words = Self.words(of: name)
        for index in words.indices {
            switch words[index] {
            case "Id": words[index] = "ID"
            case "Ids": words[index] = "IDs"
            default: break
            }
        }
        words[0] = words[0].lowercased()
        return words.joined()
    }

    /// `UNKNOWN_TOPIC_ID` is `unknownTopicID`.
    static func member(upperCase name: String) -> String {
        let words = name.split(separator: "_").map { $0.prefix(1) + $0.dropFirst().lowercased() }
        return Self.member(words.joined())
    }

    /// The name as it stands in a declaration.
    static func declared(_ member: String) -> String {
        Self.keywords.contains(member) ? "`\(member)`" : member
    }

    /// Each word begins with a capital; `KRaftVersion` is K, Raft, Version.
    private static func words(of name: String) -> [String] {
        var words: [String] = []
        for character in name {
            if words.isEmpty || character.isUppercase {
                words.append(String(character))
            } else {
                words[words.count - 1].append(character)
            }
        }
        return words
    }
}
