// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A range of versions; open at the top when `high` is `Int.max`.
struct VersionRange: Equatable {
    var low: Int
    var high: Int

    static let all = VersionRange(low: 0, high: .max)

    func contains(_ version: Int) -> Bool { self.low <= version && version <= self.high }

    func contains(_ other: VersionRange) -> Bool { self.low <= other.low && other.high <= self.high }

    /// The versions in both ranges, nil when there are none.
    func intersection(_ other: VersionRange) -> VersionRange? {
        let low = max(self.low, other.low)
        let high = min(self.high, other.high)
        return low <= high ? VersionRange(low: low, high: high) : nil
    }
}

/// The type of a field, without nullability.
indirect enum WireType: Equatable, Sendable {
    case bool, int8, int16, int32, int64, uint16, uint32, float64, uuid, string, bytes, records
    case structure(String)
    case array(WireType)

    /// Types that a schema names in lower case.
    static let named: [String: WireType] = [
        "bool": .bool, "int8": .int8, "int16": .int16, "int32": .int32, "int64": .int64, "uint16": .uint16,
        "uint32": .uint32, "float64": .float64, "uuid": .uuid, "string": .string, "bytes": .bytes,
        "records": .records,
    ]

    /// The struct that a field of this type has or has an array of.
    var structName: String? {
        switch self {
        case .structure(let name): name
        case .array(let element): element.structName
        default: nil
        }
    }

    /// The number of bytes of every value, nil when they differ.
    var fixedWidth: Int? {
        switch self {
        case .bool, .int8: 1
        case .int16, .uint16: 2
        case .int32, .uint32: 4
        case .int64, .float64: 8
        case .uuid: 16
        default: nil
        }
    }
}

/// One line of a schema. All ranges are cut to the versions of the message.
struct Field {
    var name: String
    var type: WireType
    /// The versions that have the field.
    var versions: VersionRange
    /// The versions in which it may be null.
    var nullable: VersionRange?
    /// What stands after `=`.
    var defaultText: String?
    var tag: Int?
    var isIgnorable: Bool
    /// Whether its length stays classic in flexible versions.
    var isNeverCompact: Bool
    /// File and line, for messages.
    var origin: String

    var isOptional: Bool { self.nullable != nil }

    /// Whether the value of an unset field is null.
    var defaultsToNull: Bool {
        guard self.isOptional else { return false }
        switch self.type {
        case .structure, .records: return true
        default: return self.defaultText == "null"
        }
    }
}

struct StructDefinition {
    var name: String
    var fields: [Field]
}

/// One message: what becomes one Swift file.
struct Message {
    enum Kind: Equatable {
        case request(key: Int, api: String)
        case response(key: Int, api: String)
        case header
        case data
    }

    var name: String
    var kind: Kind
    var versions: VersionRange
    /// The versions with compact lengths and tagged fields.
    var flexible: VersionRange?
    /// Whether the newest version is not advertised yet.
    var isLatestUnstable: Bool
    var fields: [Field]
    /// The structs of its fields, in the order of the schema.
    var structs: [StructDefinition]
    /// The folder of its schema: `messages` or `records`.
    var folder: String

    func definition(_ name: String) -> StructDefinition? { self.structs.first { $0.name == name } }

    /// The size of the smallest value of `fields` in any version.
    func minimumBytes(_ fields: [Field]) -> Int {
        (self.versions.low...self.versions.high).map { self.minimumBytes(fields, version: $0) }.min() ?? 0
    }

    private func minimumBytes(_ fields: [Field], version: Int) -> Int {
        let isFlexible = self.flexible?.contains(version) ?? false
        // A flexible struct ends with the count of its tagged fields.
        var sum = isFlexible ? 1 : 0
        for field in fields where field.tag == nil && field.versions.contains(version) {
            let isCompact = isFlexible && !field.isNeverCompact
            switch field.type {
            case .string: sum += isCompact ? 1 : 2
            case .bytes, .records, .array: sum += isCompact ? 1 : 4
            case .structure(let name):
                let isNullable = field.nullable?.contains(version) ?? false
                sum += isNullable ? 1 : self.minimumBytes(self.definition(name)?.fields ?? [], version: version)
            default: sum += field.type.fixedWidth ?? 0
            }
        }
        return sum
    }
}

/// One API: a key, a name, and its two messages, which an API that Kafka has removed lacks.
struct API {
    var key: Int
    var name: String
    var request: Message?
    var response: Message?
}

struct ErrorEntry {
    var code: Int
    var name: String
    var isRetriable: Bool
    var summary: String
}

/// Everything that the generator reads.
struct Schema {
    var apis: [API] = []
    /// Headers, and what records hold.
    var data: [Message] = []
    var errors: [ErrorEntry] = []

    var messages: [Message] { self.apis.flatMap { [$0.request, $0.response].compactMap(\.self) } + self.data }
}

/// A mistake in a schema, with its place.
struct SchemaError: Error, CustomStringConvertible {
    var place: String
    var message: String

    var description: String { "\(self.place): \(self.message)" }
}
