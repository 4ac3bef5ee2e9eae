// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaConfig
import NIOCore

/// `martlet config reference`: what docs/CONFIGURATION.md says, of the version that is installed. Asks no broker.
struct ConfigReferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference",
        abstract: "Print every config that this version knows, with type, defaults and meaning, in Markdown."
    )

    func run() throws {
        var output = StandardOutput()
        output.buffer.writeString(ConfigReference.page)
        try output.flush()
    }
}
