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

    @Option(
        name: [.customShort("f"), .customLong("template")],
        help: ArgumentHelp(
            "Write each record like this, and nothing between them: %t topic, %p partition, %o offset, %T timestamp,"
                + " %k key, %s value, %K and %S their lengths (-1 for null), %R the value's length in 4 bytes, %h headers,"
                + " %% a percent sign; \\n \\r \\t \\0 \\\\ \\xHH.", valueName: "text"))
    var template: String?

    @Flag(name: .long, help: "Print the key before the value.")
    var printKey = false

    @Flag(name: .long, help: "Print headers as name=value,… before key and value.")
    var printHeaders = false

    @Option(
        name: .long,
        help: ArgumentHelp("What stands between headers, key and value. \\t is a tab.", valueName: "text"))
    var keySeparator: String = "\\t"

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What --template prints for a key or value that is null. (default: nothing)", valueName: "text"))
    var nullText: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How -o json writes keys and values: auto (UTF-8 as text, anything else in base64), base64 (all of them) or"
                + " text (all of them, what is no UTF-8 replaced).", valueName: "name"))
    var bytes: ByteStyle = .auto

    func validate() throws {
        if self.template != nil {
            guard self.output == .text else { throw ValidationError("--template and -o json exclude each other.") }
            guard !self.printKey, !self.printHeaders else {
                throw ValidationError("--template says itself what is printed: %k is the key, %h are the headers.")
            }
        }
        guard self.template != nil || self.nullText == nil else {
            throw ValidationError("--null-text goes with --template.")
        }
        guard self.output == .json || self.bytes == .auto else { throw ValidationError("--bytes goes with -o json.") }
        do {
            _ = try self.format
        } catch {
            throw ValidationError("--template '\(self.template ?? "")': \(error).")
        }
    }

    /// Throws `RecordTemplate.Malformed`.
    var format: RecordFormat {
        get throws(RecordTemplate.Malformed) {
            if let template = self.template {
                return .template(try RecordTemplate(template, null: self.nullText ?? ""))
            }
            switch self.output {
            case .json:
                return .json(self.bytes)
            case .text:
                return .text(
                    printsKey: self.printKey, printsHeaders: self.printHeaders,
                    separator: RecordOptions.unescaped(self.keySeparator))
            }
        }
    }
}
