// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Writes the statements that write a struct.
struct EncodeEmitter {
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
                if !field.isIgnorable {
                    self.source.block("else if \(FieldSwift(field).isSet)") { source in
                        Self.emitRefusal(of: field, into: &source)
                    }
                }
            }
        }
        let tagged = fields.filter { $0.tag != nil }.sorted { ($0.tag ?? 0) < ($1.tag ?? 0) }
        for field in tagged where !field.isIgnorable {
            guard case .when(_, let otherwise) = Condition(field.versions, in: self.message.versions) else { continue }
            self.source.block("if \(otherwise), \(FieldSwift(field).isSet)") { source in
                Self.emitRefusal(of: field, into: &source)
            }
        }
        switch Condition(self.message.flexible, in: self.message.versions) {
        case .never: break
        case .always: Self.emitTags(tagged, in: self.message, into: &self.source)
        case .when:
            self.source.block("if compact") { source in
                Self.emitTags(tagged, in: self.message, into: &source)
            }
        }
    }

    private static func emitRefusal(of field: Field, into source: inout SwiftSource) {
        let name = SwiftName.member(field.name)
        source.add("throw WireError.fieldNotRepresentable(field: \"\(name)\", version: version)")
    }

    /// The statements that write one field, in the versions that have it.
    private static func emit(_ field: Field, in message: Message, into source: inout SwiftSource) {
        let name = SwiftName.member(field.name)
        switch Condition(field.nullable, in: field.versions) {
        case .always: Self.emitWrite(field, "self.\(name)", isNullable: true, in: message, into: &source)
        case .never where field.isOptional: Self.emitUnwrapped(field, in: message, into: &source)
        case .never: Self.emitWrite(field, "self.\(name)", isNullable: false, in: message, into: &source)
        case .when(let condition, _):
            source.block("if \(condition)") { source in
                Self.emitWrite(field, "self.\(name)", isNullable: true, in: message, into: &source)
            }
            source.block("else") { source in
                Self.emitUnwrapped(field, in: message, into: &source)
            }
        }
    }

    /// Writes a value that may be null in Swift and must not be in this version.
    private static func emitUnwrapped(_ field: Field, in message: Message, into source: inout SwiftSource) {
        let name = SwiftName.member(field.name)
        source.add("guard let value = self.\(name) else { throw WireError.nonNullableIsNull(field: \"\(name)\") }")
        Self.emitWrite(field, "value", isNullable: false, in: message, into: &source)
    }

    private static func emitWrite(
        _ field: Field,
        _ value: String,
        isNullable: Bool,
        in message: Message,
        into source: inout SwiftSource
    ) {
        let write = "try writer.write" + (isNullable ? "Nullable" : "")
        let compact = "compact: \(message.compactArgument(for: field))"
        switch field.type {
        case .structure where isNullable:
            source.add("writer.writePresence(\(value) != nil)")
            source.add("try \(value)?.encode(into: &writer, version: version)")
        case .structure: source.add("try \(value).encode(into: &writer, version: version)")
        case .array(.structure): source.call(write + "Array", [value, compact, "version: version"])
        case .array(.string): source.call(write + "Strings", [value, compact])
        case .array(.uuid): source.call(write + "UUIDs", [value, compact])
        case .array: source.call(write + "Integers", [value, compact])
        case .string: source.call(write + "String", [value, compact])
        case .bytes: source.call(write + "Bytes", [value, compact])
        case .records: source.call(write + "Records", [value, compact])
        default: source.call("writer.write" + field.type.scalarName, [value])
        }
    }

    private static func emitTags(_ fields: [Field], in message: Message, into source: inout SwiftSource) {
        guard !fields.isEmpty, let flexible = message.flexible else {
            source.add("writer.writeTaggedFieldCount(0)")
            return
        }
        for field in fields {
            let swift = FieldSwift(field)
            var test = swift.isSet
            if case .when(let condition, _) = Condition(field.versions, in: flexible) {
                test = "\(condition) && \(test)"
            }
            source.add("let writesTag\(field.tag ?? 0) = \(test)")
        }
        let counts = fields.map { "writesTag\($0.tag ?? 0) ? 1 : 0" }
        let sum = counts.count == 1 ? counts[0] : counts.map { "(\($0))" }.joined(separator: " + ")
        source.add("writer.writeTaggedFieldCount(\(sum))")
        for field in fields {
            let tag = field.tag ?? 0
            source.block("if writesTag\(tag)") { source in
                source.add("let start = writer.beginTag(\(tag))")
                Self.emit(field, in: message, into: &source)
                source.add("try writer.endTag(start)")
            }
        }
    }
}
