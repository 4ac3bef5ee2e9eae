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

/// When output has colours.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
    /// On a terminal, unless NO_COLOR is set (no-color.org) or TERM is `dumb`.
    case auto
    case always
    case never
}

/// Where output goes: whether a person is looking, how much fits on a line, whether there are colours.
///
/// A value, so that what is printed can be tested without a terminal. It is not kept up to date: `width` is that of
/// the moment when it was made.
struct Terminal: Sendable, Hashable {
    /// What a piece of text means, which says how it looks.
    enum Style: Sendable {
        /// Titles of columns.
        case title
        /// As it should be.
        case good
        /// Wants attention.
        case notice
        /// Broken.
        case bad
        /// Of little interest.
        case faint

        /// Parameters of the escape sequence (ECMA-48, SGR).
        fileprivate var parameters: String {
            switch self {
            case .title: "1"
            case .good: "32"
            case .notice: "33"
            case .bad: "1;31"
            case .faint: "2"
            }
        }
    }

    /// The width that is assumed where none is known, in columns.
    static let defaultWidth = 80

    /// It is a terminal and not a file or a pipe.
    var isTerminal: Bool
    /// In columns, at least 1.
    var width: Int
    var hasColors: Bool

    /// A file or a pipe: no colours.
    static let plain = Terminal(isTerminal: false, width: Self.defaultWidth, hasColors: false)

    /// Standard error, with the choice of the command line that the process was started with: errors come up also where
    /// no command has been understood.
    static let standardError = Terminal(
        descriptor: STDERR_FILENO, color: ColorChoice.given(in: Array(CommandLine.arguments.dropFirst())))

    init(isTerminal: Bool, width: Int, hasColors: Bool) {
        self.isTerminal = isTerminal
        self.width = max(width, 1)
        self.hasColors = hasColors
    }

    /// What stands behind a file descriptor.
    init(
        descriptor: Int32, color: ColorChoice = .auto,
        environment: (String) -> String? = SecurityOptions.environment
    ) {
        var size = winsize()
        let isTerminal = isatty(descriptor) == 1
        let isKnown = isTerminal && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        self.init(
            isTerminal: isTerminal, width: isKnown ? Int(size.ws_col) : Self.defaultWidth,
            hasColors: Self.hasColors(color, isTerminal: isTerminal, environment: environment))
    }

    /// Whether there are colours. An environment variable that is empty counts as not set.
    static func hasColors(_ choice: ColorChoice, isTerminal: Bool, environment: (String) -> String?) -> Bool {
        switch choice {
        case .always: true
        case .never: false
        case .auto: isTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb"
        }
    }

    /// The text as it is, or between escape sequences. Pad before: they have no width and are counted by nobody.
    func styled(_ text: String, _ style: Style?) -> String {
        guard self.hasColors, let style, !text.isEmpty else { return text }
        return "\u{1b}[\(style.parameters)m\(text)\u{1b}[0m"
    }
}

extension ColorChoice {
    /// The last `--color` among arguments that have not been parsed.
    static func given(in arguments: [String]) -> ColorChoice {
        var choice = ColorChoice.auto
        for (index, argument) in arguments.enumerated() {
            if argument == "--" { break }
            var value: String?
            if argument == "--color", index + 1 < arguments.count { value = arguments[index + 1] }
            if argument.hasPrefix("--color=") { value = String(argument.dropFirst("--color=".count)) }
            if let given = value.flatMap(ColorChoice.init(rawValue:)) { choice = given }
        }
        return choice
    }
}
