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

    /// Asks on a terminal, unless answered in advance. Throws `CommandFailure` unless the answer is yes.
    func ask(_ question: String) throws {
        guard !self.yes, isatty(STDIN_FILENO) == 1 else { return }
        StandardError.print("\(question) [y/N] ", terminator: "")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw CommandFailure("nothing was deleted")
        }
    }
}
