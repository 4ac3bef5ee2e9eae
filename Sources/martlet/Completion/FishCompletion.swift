// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// The script for fish that ArgumentParser makes, with what has to be different.
enum FishCompletion {
    static var script: String {
        Self.changes.reduce(Martlet.completionScript(for: .fish)) { script, change in
            script.replacing(change.from, with: change.to)
        }
    }

    /// What is replaced wherever it stands.
    static let changes: [(from: String, to: String)] = [
        // fish 3 does not tell the cursor's place in a word of a line that nobody is typing (`complete -C`). What stands
        // before the cursor is as long as that.
        ("(__martlet_tokens -tC)", #"(string length -- "$(commandline -ct)")"#),
        // Each of some 800 lines asks whether it is about the command in hand, and takes the whole line apart for that,
        // which takes most of a second. Nearly all are out as soon as one looks for their command among the words.
        (Self.forOptions, Self.forOptions + Self.earlyEnd), (Self.forArguments, Self.forArguments + Self.earlyEnd),
    ]

    private static let forOptions = """
        function __martlet_should_offer_completions_for_flags_or_options -a expected_commands

        """

    private static let forArguments = """
        function __martlet_should_offer_completions_for_positional -a expected_commands positional_index_comparison \
        expected_positional_index

        """

    private static let earlyEnd = """
            for command in (string split ' ' -- $expected_commands)
                contains -- $command (__martlet_tokens -pc); or return 1
            end

        """
}
