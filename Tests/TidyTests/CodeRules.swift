// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// What Swift code may not do: reach for time or randomness, trap, or print, in the layers that only decide; and claim
/// thread safety without a reason anywhere.
enum CodeRules {
    /// Clocks, randomness, traps and output in layers 0 to 3. They come in as parameters, leave as errors, or are
    /// none of these layers' business.
    static func checkPurity(_ file: SourceFile) -> [Violation] {
        guard let target = file.target, ImportRules.pureTargets.contains(target) else { return [] }
        return file.tokens.indices.compactMap { index in
            Self.impurity(file.tokens, index).map { file.violation(line: file.tokens[index].line, $0) }
        }
    }

    private static let impureTypes: Set<String> = [
        "Date", "UUID", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator",
    ]

    private static func impurity(_ tokens: [Token], _ index: Int) -> String? {
        let previous = index > 0 ? tokens[index - 1].text : ""
        let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
        let isMember = previous == "."
        let isCall = next == "(" && previous != "func"
        switch tokens[index].text {
        case let type where Self.impureTypes.contains(type) && isCall && !isMember:
            return "\(type)() reads a clock or global randomness: take it as a parameter"
        case "now" where isMember && Self.readsClock(tokens, dot: index - 1):
            return ".now reads a clock: take the time as a parameter"
        case "random" where isMember && isCall && !Self.hasGenerator(tokens, open: index + 1),
            "randomElement" where isMember && isCall && !Self.hasGenerator(tokens, open: index + 1),
            "shuffled" where isMember && isCall && !Self.hasGenerator(tokens, open: index + 1),
            "shuffle" where isMember && isCall && !Self.hasGenerator(tokens, open: index + 1):
            return ".\(tokens[index].text)() draws on global randomness: hand it a generator"
        case "try" where next == "!" && !tokens[index + 1].followsSpace:
            return "try! traps: throw the error on, or say which error"
        case "print" where isCall && !isMember, "debugPrint" where isCall && !isMember:
            return "print() writes to the standard output, which belongs to the executable"
        case "fatalError" where isCall:
            return "fatalError() ends the process: throw an error, or state a precondition"
        default:
            return nil
        }
    }

    /// `Clock.now`, `Clock().now` and a bare `.now` read a clock; `context.now` is a stored time.
    private static func readsClock(_ tokens: [Token], dot: Int) -> Bool {
        guard dot > 0, !tokens[dot].followsSpace else { return true }
        let owner = tokens[dot - 1].text
        guard let first = owner.first else { return true }
        return first.isUppercase || !(first.isLetter || first == "_" || first == "]" || first == "?" || first == "!")
    }

    private static func hasGenerator(_ tokens: [Token], open: Int) -> Bool {
        var depth = 0
        for index in open..<tokens.count {
            switch tokens[index].text {
            case "(": depth += 1
            case ")": depth -= 1
            case "using" where depth == 1: return true
            default: break
            }
            if depth == 0 { return false }
        }
        return false
    }

    /// `@unchecked Sendable` and `nonisolated(unsafe)` need a comment right above that says why they are safe.
    static func checkUncheckedSendable(_ file: SourceFile) -> [Violation] {
        let commented = Set(file.comments.map(\.line))
        return file.tokens.indices.compactMap { index in
            let unchecked = Self.spells(["@", "unchecked", "Sendable"], file.tokens, index)
            guard unchecked || Self.spells(["nonisolated", "(", "unsafe", ")"], file.tokens, index) else { return nil }
            // Attributes may stand between the reason and the declaration.
            var line = file.tokens[index].line
            while line > 1, file.lines[line - 2].drop(while: { $0 == " " }).hasPrefix("@") { line -= 1 }
            guard !commented.contains(line - 1) else { return nil }
            let what = unchecked ? "@unchecked Sendable" : "nonisolated(unsafe)"
            return file.violation(
                line: file.tokens[index].line, "\(what) without a comment above that says why it is safe")
        }
    }

    private static func spells(_ words: [String], _ tokens: [Token], _ index: Int) -> Bool {
        guard index + words.count <= tokens.count else { return false }
        for (offset, word) in words.enumerated() where tokens[index + offset].text != word { return false }
        return true
    }
}
