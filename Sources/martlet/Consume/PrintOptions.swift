// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser

/// How records are shown.
struct PrintOptions: ParsableArguments {
    enum Style: String, CaseIterable, ExpressibleByArgument {
        case text
        case json
    }

    @Option(name: .shortAndLong, help: "text: the values, one per line; json: one object per line.")
    var output: Style = .text

    @Flag(name: .long, help: "Print the key before the value.")
    var printKey = false

    @Flag(name: .long, help: "Print headers as name=value,… before key and value.")
    var printHeaders = false

    @Option(
        name: .long,
        help: ArgumentHelp("What stands between headers, key and value. \\t is a tab.", valueName: "text"))
    var keySeparator: String = "\\t"

    var format: RecordFormat {
        switch self.output {
        case .json:
            .json
        case .text:
            .text(
                printsKey: self.printKey, printsHeaders: self.printHeaders,
                separator: RecordOptions.unescaped(self.keySeparator))
        }
    }
}
