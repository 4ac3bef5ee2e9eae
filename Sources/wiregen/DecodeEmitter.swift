// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Writes the statements that read a struct.
struct DecodeEmitter {
    let message: Message
    /// As deep as in the initialiser of a nested struct.
    private(set) var source = SwiftSource(reservedColumns: 12)

    init(message: Message) {
        self.message = message
    }

    mutating func emit(_ fields: [Field]) {
        for field in fields where field.tag == nil {
            switch Condition(field.versions, in: self.message.versions) {
            case .always: Self.emit(field, in: self.message, into: &self.source)
            case .never: break
            case .when(let condition, _):
                self.source.block("if \(condition)") { source in
                    Self.emit(field, in: self.message, into: &source)
                }
            }
        }
        let tagged = fields.filter { $0.tag != nil }.sorted { ($0.tag ?? 0) < ($1.tag ?? 0) }
        switch Condition(self.message.flexible, in: self.message.versions) {
        case .never: break
        case .always: Self.emitTags(tagged, in: self.message, into: &self.source)
        case .when:
            self.source.block("if compact") { source in
                Self.emitTags(tagged, in: self.message, into: &source)
            }
        }
    }

    /// The statement that reads one field, in the versions that have it.
    private static func emit(_ field: Field, in message: Message, into source: inout SwiftSource) {
        let target = "self.\(SwiftName.member(field.name)) = "
        // Within the versions of the field only.
        switch Condition(field.nullable, in: field.versions) {
        case .always: Self.emitRead(field, target: target, isNullable: true, in: message, into: &source)
        case .never: Self.emitRead(field, target: target, isNullable: false, in: message, into: &source)
        case .when(let condition, _):
            source.block("if \(condition)") { source in
                Self.emitRead(field, target: target, isNullable: true, in: message, into: &source)
            }
            source.block("else") { source in
                Self.emitRead(field, target: target, isNullable: false, in: message, into: &source)
            }
        }
    }

    private static func emitRead(
        _ field: Field,
        target: String,
        isNullable: Bool,
        in message: Message,
        into source: inout SwiftSource
    ) {
        let read = target + "try reader.read" + (isNullable ? "Nullable" : "")
        let compact = "compact: \(message.compactArgument(for: field))"
        let name = "field: \"\(SwiftName.member(field.name))\""
        let null = isNullable ? [] : [name]
        switch field.type {
        case .structure(let type):
            let call = "try \(type)(from: &reader, version: version)"
            source.add(target + (isNullable ? "try reader.readPresence() ? \(call) : nil" : call))
        case .array(.structure(let type)):
            let minimum = message.minimumBytes(message.definition(type)?.fields ?? [])
            let arguments = ["of: \(type).self", compact, "version: version", "minimumElementBytes: \(minimum)"]
            source.call(read + "Array", arguments + null)
        case .array(.string): source.call(read + "Strings", [compact, name])
        case .array(.uuid): source.call(read + "UUIDs", [compact] + null)
        case .array(let element):
            source.call(read + "Integers", ["of: \(FieldSwift.type(element)).self", compact] + null)
        case .string: source.call(read + "String", [compact] + null)
        case .bytes: source.call(read + "Bytes", [compact] + null)
        case .records: source.call(read + "Records", [compact] + null)
        default: source.call(read + field.type.scalarName, [])
        }
    }

    private static func emitTags(_ fields: [Field], in message: Message, into source: inout SwiftSource) {
        guard !fields.isEmpty, let flexible = message.flexible else {
            source.add("try reader.skipTaggedFields()")
            return
        }
        source.add("var tags = try reader.readTaggedFields()")
        source.block("while let tag = try reader.nextTag(&tags)") { source in
            source.add("switch tag {")
            for field in fields {
                let condition =
                    if case .when(let condition, _) = Condition(field.versions, in: flexible) {
                        " where \(condition)"
                    } else {
                        ""
                    }
                source.add("case \(field.tag ?? 0)\(condition):")
                source.indented { source in
                    Self.emit(field, in: message, into: &source)
                    source.add("try reader.finishTag(tags)")
                }
            }
            source.add("default: try reader.skipTag(tags)")
            source.add("}")
        }
    }
}

extension Message {
    /// The expression for whether the lengths of `field` are compact.
    func compactArgument(for field: Field) -> String {
        if field.isNeverCompact { return "false" }
        switch Condition(self.flexible, in: field.versions.intersection(self.versions) ?? self.versions) {
        case .always: return "true"
        case .never: return "false"
        case .when: return "compact"
        }
    }
}

extension WireType {
    /// The end of the name of the functions that read and write a value of fixed width.
    var scalarName: String {
        switch self {
        case .bool: "Bool"
        case .uuid: "UUID"
        case .float64: "Float64"
        default: FieldSwift.type(self)
        }
    }
}
