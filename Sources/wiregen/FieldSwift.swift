// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// When, among the versions of a message, something is so.
enum Condition {
    case always
    case never
    /// As Swift expressions over `version`: when it is so, and when it is not.
    case when(String, otherwise: String)

    init(_ range: VersionRange?, in all: VersionRange) {
        guard let range = range?.intersection(all) else {
            self = .never
            return
        }
        switch (range.low <= all.low, range.high >= all.high) {
        case (true, true): self = .always
        case (false, true): self = .when("version >= \(range.low)", otherwise: "version < \(range.low)")
        case (true, false): self = .when("version <= \(range.high)", otherwise: "version > \(range.high)")
        case (false, false) where range.low == range.high:
            self = .when("version == \(range.low)", otherwise: "version != \(range.low)")
        case (false, false):
            self = .when(
                "version >= \(range.low) && version <= \(range.high)",
                otherwise: "version < \(range.low) || version > \(range.high)"
            )
        }
    }
}

/// What a field is in Swift: its type, its default, the test for a value that must not vanish.
struct FieldSwift {
    let field: Field
    let name: String

    init(_ field: Field) {
        self.field = field
        self.name = SwiftName.member(field.name)
    }

    var type: String { Self.type(self.field.type) + (self.field.isOptional ? "?" : "") }

    static func type(_ type: WireType) -> String {
        switch type {
        case .bool: "Bool"
        case .int8: "Int8"
        case .int16: "Int16"
        case .int32: "Int32"
        case .int64: "Int64"
        case .uint16: "UInt16"
        case .uint32: "UInt32"
        case .float64: "Double"
        case .uuid: "UUID128"
        case .string: "String"
        case .bytes: "ByteBuffer"
        case .records: "RecordBytes"
        case .structure(let name): name
        case .array(let element): "[\(Self.type(element))]"
        }
    }

    var defaultValue: String {
        if self.field.defaultsToNull { return "nil" }
        switch self.field.type {
        case .bool: return self.field.defaultText ?? "false"
        case .string: return "\"\(self.field.defaultText ?? "")\""
        case .uuid: return ".zero"
        case .bytes: return "ByteBuffer()"
        case .records: return ".empty"
        case .structure(let name): return "\(name)()"
        case .array: return "[]"
        default: return self.field.defaultText ?? "0"
        }
    }

    /// True when the value is other than the default.
    var isSet: String {
        let value = "self.\(self.name)"
        if self.field.defaultsToNull { return "\(value) != nil" }
        switch self.field.type {
        case .bool: return self.field.defaultText == "true" ? "!\(value)" : value
        case .bytes: return "\(value)\(self.field.isOptional ? "?" : "").readableBytes != 0"
        case .records: return "\(value).byteCount != 0"
        case .structure: return "!\(value).isDefault"
        case .array: return self.field.isOptional ? "\(value)?.isEmpty != true" : "!\(value).isEmpty"
        case .string where !self.field.isOptional && self.defaultValue == "\"\"": return "!\(value).isEmpty"
        default: return "\(value) != \(self.defaultValue)"
        }
    }

    /// True when the value is the default.
    var isUnset: String {
        let isSet = self.isSet
        if isSet.hasPrefix("!") { return String(isSet.dropFirst()) }
        if isSet.contains(" != ") { return isSet.replacing(" != ", with: " == ") }
        return "!" + isSet
    }

    /// The facts of the schema, for the doc comment.
    func documentation(in all: VersionRange) -> String {
        var facts = ["`\(self.field.name)`: \(Self.wireName(self.field.type))"]
        if self.field.versions != all { facts.append(Self.versions(self.field.versions, in: all)) }
        if let tag = self.field.tag { facts.append("tag \(tag)") }
        if let nullable = self.field.nullable {
            let isAlways = nullable.contains(self.field.versions)
            facts.append(isAlways ? "null allowed" : "null allowed in \(Self.versions(nullable, in: all))")
        }
        if self.field.isIgnorable, self.field.versions != all { facts.append("dropped where a version lacks it") }
        return facts.joined(separator: ", ") + "."
    }

    static func versions(_ range: VersionRange, in all: VersionRange) -> String {
        if range.low == range.high { return "version \(range.low)" }
        return range.high >= all.high ? "versions \(range.low)+" : "versions \(range.low)-\(range.high)"
    }

    private static func wireName(_ type: WireType) -> String {
        switch type {
        case .structure: "struct"
        case .array(let element): "array of \(Self.wireName(element))\(element.structName == nil ? "" : "s")"
        default: "\(type)"
        }
    }
}
