// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Writes the Swift file of one message.
struct MessageEmitter {
    let message: Message
    /// The structs of which the code must know whether all their fields have defaults.
    private let comparable: Set<String>

    init(_ message: Message) {
        self.message = message
        self.comparable = Self.comparableStructs(of: message)
    }

    func emit() -> String {
        var source = SwiftSource(generatedFrom: "Schemas/\(self.message.folder)")
        source.add("")
        for module in self.imports { source.add("public import \(module)") }
        source.blank()
        source.document(self.summary)
        let conformance = if case .request = self.message.kind { "KafkaRequest" } else { "KafkaMessage" }
        source.block("public struct \(self.message.name): \(conformance)") { source in
            self.emitStatics(&source)
            self.emitBody(of: self.message.fields, checksVersion: true, into: &source)
            for definition in self.message.structs {
                source.blank()
                source.document("Part of `\(self.message.name)`.")
                source.block("public struct \(definition.name): WireStruct") { source in
                    self.emitBody(of: definition.fields, checksVersion: false, into: &source)
                    if self.comparable.contains(definition.name) {
                        self.emitIsDefault(of: definition.fields, into: &source)
                    }
                }
            }
        }
        return source.text
    }

    // MARK: Heads

    private var imports: [String] {
        let types = (self.message.fields + self.message.structs.flatMap(\.fields)).map(\.type)
        func uses(_ wanted: Set<String>) -> Bool {
            types.contains { type in
                if case .array(let element) = type { return wanted.contains("\(element)") }
                return wanted.contains("\(type)")
            }
        }
        var modules: [String] = []
        if uses(["uuid"]) { modules.append("KafkaTypes") }
        modules.append("KafkaWire")
        if uses(["bytes"]) { modules.append("NIOCore") }
        return modules
    }

    private var summary: String {
        let versions = self.message.versions
        let isOne = versions.low == versions.high
        let range = isOne ? "version \(versions.low)" : "versions \(versions.low)-\(versions.high)"
        let flexible = self.message.flexible.map { ", flexible from \($0.low)" } ?? ""
        return switch self.message.kind {
        case .request(let key, let api): "The request of \(api), API key \(key): \(range)\(flexible)."
        case .response(let key, let api): "The response of \(api), API key \(key): \(range)\(flexible)."
        case .header: "What precedes the body in a frame: \(range)\(flexible)."
        case .data: "What a record or a bytes field holds: \(range)\(flexible)."
        }
    }

    private func emitStatics(_ source: inout SwiftSource) {
        if case .request(_, let api) = self.message.kind {
            source.add("public typealias Response = \(api)Response")
            source.add("public static var apiKey: APIKey { .\(SwiftName.member(api)) }")
        }
        let versions = self.message.versions
        source.add("public static var validVersions: ClosedRange<Int16> { \(versions.low)...\(versions.high) }")
        source.add("public static func isFlexible(_ version: Int16) -> Bool { \(self.flexibleExpression) }")
        source.blank()
    }

    private var flexibleExpression: String {
        switch Condition(self.message.flexible, in: self.message.versions) {
        case .always: "true"
        case .never: "false"
        case .when(let expression, _): expression
        }
    }

    // MARK: Bodies

    private func emitBody(of fields: [Field], checksVersion: Bool, into source: inout SwiftSource) {
        for field in fields {
            let swift = FieldSwift(field)
            source.document(swift.documentation(in: self.message.versions))
            source.add("public var \(SwiftName.declared(swift.name)): \(swift.type) = \(swift.defaultValue)")
        }
        source.blank()
        source.add("public init() {}")
        source.blank()
        source.block("public init(from reader: inout WireReader, version: Int16) throws(WireError)") { source in
            if checksVersion { source.add("try Self.check(version)") }
            var body = DecodeEmitter(message: self.message)
            body.emit(fields)
            self.add(body.source, to: &source)
        }
        source.blank()
        source.block("public func encode(into writer: inout WireWriter, version: Int16) throws(WireError)") { source in
            if checksVersion { source.add("try Self.check(version)") }
            var body = EncodeEmitter(message: self.message)
            body.emit(fields)
            self.add(body.source, to: &source)
        }
    }

    /// The statements, after a `let compact` when they need one.
    private func add(_ statements: SwiftSource, to source: inout SwiftSource) {
        if statements.lines.contains(where: { $0.contains("compact: compact") || $0.contains("if compact {") }) {
            source.add("let compact = \(self.flexibleExpression)")
        }
        for line in statements.lines { source.add(line) }
    }

    private func emitIsDefault(of fields: [Field], into source: inout SwiftSource) {
        source.blank()
        source.document("Whether every field has its default: then a tagged field of this type is not written.")
        source.block("internal var isDefault: Bool") { source in
            for (index, field) in fields.enumerated() {
                source.add((index == 0 ? "" : "    && ") + FieldSwift(field).isUnset)
            }
        }
    }

    /// Structs that stand, not null, where only a value other than the default is written or missed.
    private static func comparableStructs(of message: Message) -> Set<String> {
        var result: Set<String> = []
        func add(_ field: Field) {
            guard case .structure(let name) = field.type, !field.isOptional else { return }
            result.insert(name)
            for inner in message.definition(name)?.fields ?? [] { add(inner) }
        }
        for field in message.fields + message.structs.flatMap(\.fields) {
            let isPartial = field.versions != message.versions && !field.isIgnorable
            if field.tag != nil || isPartial { add(field) }
        }
        return result
    }
}
