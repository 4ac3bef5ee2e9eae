// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaRecords
import NIOCore

/// How the input becomes records.
struct RecordOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What stands between key and value of a line; a line without it has no key. \\t is a tab.",
            valueName: "text"))
    var keySeparator: String?

    @Option(name: .shortAndLong, help: "The key of every record.")
    var key: String?

    @Option(
        name: [.customShort("H"), .customLong("header")],
        help: ArgumentHelp("A header of every record; may be given several times.", valueName: "name=value"))
    var headers: [ConfigAssignment] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The timestamp of every record that does not have its own: milliseconds since 1970, or ISO 8601. (default:"
                + " now)", valueName: "time"))
    var timestamp: TimeArgument?

    @Flag(name: .long, help: "Lines are JSON objects.")
    var json = false

    @Flag(name: .shortAndLong, help: "Each line of a FILE is a record; - is the standard input.")
    var lines = false

    @Flag(
        name: [.customShort("Z"), .customLong("tombstones")],
        help: "An empty value is null: a tombstone in a compacted topic.")
    var emptyIsNull = false

    func validate() throws {
        guard self.keySeparator == nil || self.key == nil else {
            throw ValidationError("--key-separator and --key both give the key.")
        }
        guard self.keySeparator?.isEmpty != true else { throw ValidationError("--key-separator must not be empty.") }
        guard !self.json || (self.keySeparator == nil && self.key == nil) else {
            throw ValidationError("With --json the key stands in the line.")
        }
    }

    var parser: RecordParser {
        RecordParser(
            format: self.json ? .json : .raw(keySeparator: self.keySeparator.map(Self.unescaped)),
            key: self.key.map { ByteBuffer(string: $0) },
            headers: self.headers.map { RecordHeader(name: $0.name, value: ByteBuffer(string: $0.value)) },
            emptyIsNull: self.emptyIsNull, timestamp: self.timestamp?.milliseconds)
    }

    /// A tab cannot be typed in most shells.
    static func unescaped(_ separator: String) -> String {
        separator == "\\t" ? "\t" : separator
    }
}
