// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// How a command shows what it found.
enum ListFormat: String, CaseIterable, ExpressibleByArgument {
    case table
    case json
}

/// `-o` of the commands that show lists.
struct ListOutputOptions: ParsableArguments {
    @Option(
        name: [.short, .long, .customLong("format")],
        help: "How to show it: table or json.")
    var output: ListFormat = .table
}
