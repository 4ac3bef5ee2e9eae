// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Writes the files that are about all messages: names of keys and errors, versions, the list that tests go through.
struct TableEmitter {
    let schema: Schema

    // MARK: KafkaWire

    func emitAPIKeys() -> String {
        var source = SwiftSource(generatedFrom: "Schemas/messages")
        source.add("")
        source.block("extension APIKey") { source in
            for api in self.schema.apis {
                let removed = api.request == nil ? " Removed from the protocol." : ""
                source.document("\(api.name): key \(api.key).\(removed)")
                let name = SwiftName.declared(SwiftName.member(api.name))
                source.add("@inlinable")
                source.add("public static var \(name): APIKey { APIKey(rawValue: \(api.key)) }")
                source.blank()
            }
            source.document("The name of the API as Kafka writes it, or `Unknown`.")
            source.block("public var name: String") { source in
                source.add("switch self.rawValue {")
                for api in self.schema.apis { source.add("case \(api.key): \"\(api.name)\"") }
                source.add("default: \"Unknown\"")
                source.add("}")
            }
        }
        return source.text
    }

    func emitErrorCodes() -> String {
        var source = SwiftSource(generatedFrom: "Schemas/errors.tsv")
        source.add("")
        source.block("extension ErrorCode") { source in
            for error in self.schema.errors {
                source.document(error.summary.isEmpty ? "Code \(error.code)." : error.summary)
                source.add("@inlinable")
                let name = SwiftName.declared(SwiftName.member(upperCase: error.name))
                source.add("public static var \(name): ErrorCode { ErrorCode(rawValue: \(error.code)) }")
                source.blank()
            }
            source.document("The name that Kafka gives the error, or `UNKNOWN_ERROR_CODE`.")
            Self.emitSwitch("public var name: String", self.schema.errors, otherwise: "\"UNKNOWN_ERROR_CODE\"", &source)
            {
                "\"\($0.name)\""
            }
            source.blank()
            source.document("Whether the same request may succeed when it is sent again.")
            source.block("public var isRetriable: Bool") { source in
                let codes = self.schema.errors.filter(\.isRetriable).map { String($0.code) }
                source.add("switch self.rawValue {")
                for line in Self.cases(codes) { source.add(line) }
                source.indented { $0.add("true") }
                source.add("default: false")
                source.add("}")
            }
            source.blank()
            source.document("What happened, in a sentence for people.")
            let unknown = "\"The peer answered with an error code that this version of Martlet does not know.\""
            Self.emitSwitch("public var summary: String", self.schema.errors, otherwise: unknown, &source) {
                "\"\($0.summary)\""
            }
        }
        return source.text
    }

    private static func emitSwitch(
        _ head: String,
        _ errors: [ErrorEntry],
        otherwise: String,
        _ source: inout SwiftSource,
        value: (ErrorEntry) -> String
    ) {
        source.block(head) { source in
            source.add("switch self.rawValue {")
            for error in errors {
                let line = "case \(error.code): \(value(error))"
                if line.count <= SwiftSource.columnsMax - 8 {
                    source.add(line)
                } else {
                    source.add("case \(error.code):")
                    source.indented { $0.add(value(error)) }
                }
            }
            source.add("default: \(otherwise)")
            source.add("}")
        }
    }

    /// `case 1, 2, 3:`, broken into lines.
    private static func cases(_ values: [String]) -> [String] {
        var lines: [String] = []
        var line = "case"
        for (index, value) in values.enumerated() {
            let piece = " " + value + (index == values.count - 1 ? ":" : ",")
            if line.count + piece.count > SwiftSource.columnsMax - 12 {
                lines.append(line)
                line = "   "
            }
            line += piece
        }
        return lines + [line]
    }

    // MARK: KafkaMessages

    func emitAPISchemas() -> String {
        var source = SwiftSource(generatedFrom: "Schemas/messages")
        source.add("")
        source.add("import KafkaWire")
        source.blank()
        source.block("extension APISchema") { source in
            source.document("Every API that has messages, in ascending order of the key.")
            source.add("public static let all: [APISchema] = [")
            source.indented { source in
                for api in self.schema.apis {
                    guard let request = api.request else { continue }
                    let stable = request.versions.high - (request.isLatestUnstable ? 1 : 0)
                    source.call(
                        "APISchema",
                        [
                            "key: .\(SwiftName.member(api.name))",
                            "validVersions: \(request.versions.low)...\(request.versions.high)",
                            "latestStableVersion: \(stable)",
                        ]
                    )
                }
            }
            source.add("]")
        }
        return source.text.replacing(")\n        APISchema(", with: "),\n        APISchema(")
            .replacing(")\n    ]", with: "),\n    ]")
    }

    func emitHeaderVersions() -> String {
        var source = SwiftSource(generatedFrom: "Schemas/messages")
        source.add("")
        source.add("import KafkaWire")
        source.blank()
        source.document("From which version on the messages of an API are flexible.")
        source.block("internal enum FirstFlexibleVersion") { source in
            self.emitFirstFlexible("request", \.request, &source)
            source.blank()
            self.emitFirstFlexible("response", \.response, &source)
        }
        return source.text
    }

    private func emitFirstFlexible(
        _ name: String,
        _ message: KeyPath<API, Message?>,
        _ source: inout SwiftSource
    ) {
        var keys: [Int: [String]] = [:]
        for api in self.schema.apis {
            guard let flexible = api[keyPath: message]?.flexible else { continue }
            keys[flexible.low, default: []].append(String(api.key))
        }
        source.document("Of the \(name); `Int16.max` when no version is.")
        source.block("internal static func \(name)(of key: APIKey) -> Int16") { source in
            source.add("switch key.rawValue {")
            for (version, keys) in keys.sorted(by: { $0.key < $1.key }) {
                for line in Self.cases(keys) { source.add(line) }
                source.indented { $0.add("\(version)") }
            }
            source.add("default: .max")
            source.add("}")
        }
    }

    // MARK: Tests

    func emitTestTable() -> String {
        var source = SwiftSource(generatedFrom: "Schemas")
        source.add("")
        source.add("import KafkaMessages")
        source.add("import KafkaWire")
        source.blank()
        source.document("Every message, so that a test can go through them all.")
        source.add("let messageTable: [MessageEntry] = [")
        source.indented { source in
            for message in self.schema.messages {
                switch message.kind {
                case .request(let key, _): source.add("MessageEntry(.request(\(key)), \(message.name).self),")
                case .response(let key, _): source.add("MessageEntry(.response(\(key)), \(message.name).self),")
                case .header, .data: source.add("MessageEntry(.data, \(message.name).self),")
                }
            }
        }
        source.add("]")
        return source.text
    }
}
