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

/// `--yes` of the commands that delete: on a terminal they ask first.
struct Confirmation: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    /// Throws `ValidationError` for patterns when nobody can be asked whether they mean what they should.
    func check(_ matching: MatchingOptions, _ names: [String]) throws {
        guard self.yes || isatty(STDIN_FILENO) == 1 || !matching.isOpen(names) else {
            throw ValidationError("A pattern may fit more than is meant: add --yes where nobody can be asked.")
        }
    }

    /// Asks on a terminal, unless answered in advance. Throws `CommandFailure` unless the answer is yes.
    func ask(_ question: String) throws {
        guard !self.yes, isatty(STDIN_FILENO) == 1 else { return }
        StandardError.print("\(question) [y/N] ", terminator: "")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw CommandFailure("nothing was deleted")
        }
    }
}
