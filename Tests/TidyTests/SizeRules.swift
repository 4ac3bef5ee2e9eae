// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Limits on the length of files and functions, in lines. Generated files are exempt.
///
/// The soft limits are a ratchet: what is over them today is listed with its length, may shrink, and may not grow.
/// Nothing may be longer than the hard limit.
enum SizeRules {
    static let fileLinesSoft = 500
    static let fileLinesHard = 800
    static let functionLines = 70

    /// Files over the soft limit, with the length that they may not exceed.
    static let longFiles: [String: Int] = [:]

    /// Functions over the limit, as `path#name`, with the length that they may not exceed.
    static let longFunctions: [String: Int] = [:]

    static func checkFile(_ file: SourceFile, ratchet: [String: Int] = Self.longFiles) -> [Violation] {
        guard file.isSwift, !file.isGenerated else { return [] }
        let count = file.lines.count
        if count > Self.fileLinesHard {
            return [
                file.violation("\(count) lines, more than the hard limit of \(Self.fileLinesHard): split it by subject")
            ]
        }
        let limit = max(ratchet[file.path] ?? 0, Self.fileLinesSoft)
        guard count > limit else { return [] }
        return [file.violation("\(count) lines, more than \(limit): split it by subject")]
    }

    static func checkFunctions(_ file: SourceFile, ratchet: [String: Int] = Self.longFunctions) -> [Violation] {
        Self.functions(of: file).compactMap { function in
            let limit = max(ratchet["\(file.path)#\(function.name)"] ?? 0, Self.functionLines)
            guard function.lines > limit else { return nil }
            return file.violation(
                line: function.line,
                "\(function.name) has \(function.lines) lines, more than \(limit): take it apart"
            )
        }
    }

    struct Function {
        var name: String
        var line: Int
        /// From the line of its keyword to the line of its closing brace.
        var lines: Int
    }

    /// The functions, initialisers and subscripts that have a body, inner ones too.
    static func functions(of file: SourceFile) -> [Function] {
        let tokens = file.tokens
        return tokens.indices.compactMap { index in
            guard Self.startsFunction(tokens, index), let open = Self.openingBrace(tokens, after: index),
                let close = Self.closingBrace(tokens, of: open)
            else { return nil }
            let named = tokens[index].text == "func" && index + 1 < tokens.count
            return Function(
                name: named ? tokens[index + 1].text : tokens[index].text,
                line: tokens[index].line,
                lines: tokens[close].line - tokens[index].line + 1
            )
        }
    }

    private static func startsFunction(_ tokens: [Token], _ index: Int) -> Bool {
        let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
        switch tokens[index].text {
        case "func": return true
        case "deinit": return next == "{"
        case "init", "subscript":
            // `x.init(…)` is a call.
            return (index == 0 || tokens[index - 1].text != ".") && ["(", "<", "?", "!"].contains(next)
        default: return false
        }
    }

    /// The brace that opens the body; `nil` for a requirement of a protocol.
    private static func openingBrace(_ tokens: [Token], after start: Int) -> Int? {
        var depth = 0
        for index in (start + 1)..<tokens.count {
            switch tokens[index].text {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return index
            case "}" where depth == 0: return nil
            default: if depth == 0, Self.startsFunction(tokens, index) { return nil }
            }
        }
        return nil
    }

    private static func closingBrace(_ tokens: [Token], of open: Int) -> Int? {
        var depth = 0
        for index in open..<tokens.count {
            if tokens[index].text == "{" { depth += 1 }
            if tokens[index].text == "}" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }
}
