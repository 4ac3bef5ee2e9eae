// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// One line of a schema file that is not empty.
private struct Line {
    var indentation: Int
    var text: String
    var place: String

    var words: [String] { self.text.split(separator: " ").map(String.init) }

    func error(_ message: String) -> SchemaError { SchemaError(place: self.place, message: message) }
}

/// Reads one `.kmsg` file; Schemas/README.md has the grammar.
struct SchemaParser {
    private var lines: [Line] = []
    private var next = 0
    private let folder: String

    /// What a file holds: an API or a message of its own.
    enum Content {
        case api(API)
        case data(Message)
    }

    init(text: String, file: String, folder: String) throws {
        self.folder = folder
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let text = raw.drop { $0 == " " }
            if text.isEmpty || text.first == "#" { continue }
            let line = Line(indentation: raw.count - text.count, text: String(text), place: "\(file):\(index + 1)")
            guard line.indentation % 2 == 0 else { throw line.error("indentation goes in steps of two spaces") }
            self.lines.append(line)
        }
    }

    mutating func parse() throws -> Content {
        guard let line = self.take(indentation: 0) else {
            throw SchemaError(place: self.folder, message: "a schema file is empty")
        }
        let words = line.words
        let content: Content
        switch words[0] {
        case "api":
            guard words.count == 3, let key = Int(words[1]) else { throw line.error("expected: api KEY NAME") }
            content = .api(try self.parseAPI(key: key, name: words[2]))
        case "header", "data":
            guard words.count >= 3 else { throw line.error("expected: \(words[0]) NAME VERSIONS") }
            let kind: Message.Kind = words[0] == "header" ? .header : .data
            content = .data(try self.parseMessage(line, name: words[1], kind: kind, rest: words.dropFirst(2)))
        default:
            throw line.error("a file begins with api, header or data")
        }
        if self.next < self.lines.count { throw self.lines[self.next].error("this line belongs to nothing") }
        return content
    }

    private mutating func take(indentation: Int) -> Line? {
        guard self.next < self.lines.count, self.lines[self.next].indentation == indentation else { return nil }
        self.next += 1
        return self.lines[self.next - 1]
    }

    // MARK: Messages

    private mutating func parseAPI(key: Int, name: String) throws -> API {
        var api = API(key: key, name: name)
        while let line = self.take(indentation: 0) {
            let words = line.words
            switch words[0] {
            case "request":
                let kind = Message.Kind.request(key: key, api: name)
                api.request = try self.parseMessage(line, name: name + "Request", kind: kind, rest: words.dropFirst())
            case "response":
                let kind = Message.Kind.response(key: key, api: name)
                api.response = try self.parseMessage(line, name: name + "Response", kind: kind, rest: words.dropFirst())
            default:
                throw line.error("expected request or response")
            }
        }
        return api
    }

    private mutating func parseMessage(
        _ line: Line,
        name: String,
        kind: Message.Kind,
        rest: ArraySlice<String>
    ) throws -> Message {
        var words = rest
        guard let text = words.popFirst(), let versions = Self.range(text), versions.high != .max else {
            throw line.error("a message has a closed range of versions, such as 0-3")
        }
        var message = Message(
            name: name,
            kind: kind,
            versions: versions,
            flexible: nil,
            isLatestUnstable: false,
            fields: [],
            structs: [],
            folder: self.folder
        )
        while let word = words.popFirst() {
            switch word {
            case "flexible":
                guard let text = words.popFirst(), let range = Self.range(text) else {
                    throw line.error("flexible wants versions")
                }
                message.flexible = range.intersection(versions)
            case "latest-unstable": message.isLatestUnstable = true
            default: throw line.error("\(word) is not known here")
            }
        }
        message.fields = try self.parseFields(indentation: 2, message: &message)
        try SchemaChecker(message: message).check()
        return message
    }

    private mutating func parseFields(indentation: Int, message: inout Message) throws -> [Field] {
        var fields: [Field] = []
        while let line = self.take(indentation: indentation) {
            if line.words[0] == "struct" {
                guard indentation == 2, line.words.count == 2 else { throw line.error("expected: struct NAME") }
                try self.parseStruct(line.words[1], line: line, indentation: 4, message: &message)
                continue
            }
            let field = try FieldParser(place: line.place, versions: message.versions).parse(line.text)
            if self.next < self.lines.count, self.lines[self.next].indentation > indentation {
                guard let name = field.type.structName else { throw line.error("only a struct has fields") }
                try self.parseStruct(name, line: line, indentation: indentation + 2, message: &message)
            }
            fields.append(field)
        }
        return fields
    }

    private mutating func parseStruct(
        _ name: String,
        line: Line,
        indentation: Int,
        message: inout Message
    ) throws {
        guard message.definition(name) == nil else { throw line.error("struct \(name) is there already") }
        // Its place is kept, so that structs come in the order of the schema.
        let index = message.structs.count
        message.structs.append(StructDefinition(name: name, fields: []))
        message.structs[index].fields = try self.parseFields(indentation: indentation, message: &message)
    }

    /// `3`, `3+`, `3-7`.
    static func range(_ text: some StringProtocol) -> VersionRange? {
        if text.hasSuffix("+") { return Int(text.dropLast()).map { VersionRange(low: $0, high: .max) } }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard let low = Int(parts[0]) else { return nil }
        if parts.count == 1 { return VersionRange(low: low, high: low) }
        guard parts.count == 2, let high = Int(parts[1]), low <= high else { return nil }
        return VersionRange(low: low, high: high)
    }
}

/// Reads one field line: `Name: type[?versions] [= default] [@versions] [tag N [(versions)]] [key] [ignorable]
/// [flexible none]`.
private struct FieldParser {
    var place: String
    var versions: VersionRange

    private func error(_ message: String) -> SchemaError { SchemaError(place: self.place, message: message) }

    func parse(_ line: String) throws -> Field {
        guard let colon = line.firstIndex(of: ":") else { throw self.error("a field is Name: type") }
        var words = line[line.index(after: colon)...].split(separator: " ")[...]
        guard let typeText = words.popFirst() else { throw self.error("the type is missing") }
        let (type, nullable) = try self.parseType(typeText)
        var field = Field(
            name: String(line[..<colon]),
            type: type,
            versions: self.versions,
            nullable: nullable,
            defaultText: nil,
            tag: nil,
            isIgnorable: false,
            isNeverCompact: false,
            origin: self.place
        )
        while let word = words.popFirst() {
            try self.parseAttribute(word, rest: &words, field: &field)
        }
        // Nothing is said about null in versions that lack the field.
        field.nullable = field.nullable.flatMap { $0.intersection(field.versions) }
        if field.defaultText == "null", !field.isOptional { throw self.error("only a nullable field is null") }
        return field
    }

    private func parseAttribute(
        _ word: Substring,
        rest: inout ArraySlice<Substring>,
        field: inout Field
    ) throws {
        switch word {
        case "key": break  // Says which field tells the elements of an array apart; nothing on the wire.
        case "ignorable": field.isIgnorable = true
        case "=":
            guard let text = rest.popFirst() else { throw self.error("= wants a default") }
            field.defaultText = String(text)
        case "flexible":
            guard rest.popFirst() == "none" else { throw self.error("a field is flexible none or says nothing") }
            field.isNeverCompact = true
        case "tag":
            guard let text = rest.popFirst(), let tag = Int(text) else { throw self.error("tag wants a number") }
            field.tag = tag
            if let versions = rest.first, versions.hasPrefix("("), versions.hasSuffix(")") {
                rest.removeFirst()
                field.versions = try self.parseRange(versions.dropFirst().dropLast())
            }
        case _ where word.hasPrefix("@"):
            field.versions = try self.parseRange(word.dropFirst())
        default:
            throw self.error("\(word) is not an attribute")
        }
    }

    private func parseRange(_ text: Substring) throws -> VersionRange {
        guard let range = SchemaParser.range(text) else { throw self.error("\(text) is not a range of versions") }
        guard let range = range.intersection(self.versions) else { throw self.error("no version has this field") }
        return range
    }

    /// The type, and the versions in which it may be null.
    private func parseType(_ text: Substring) throws -> (WireType, VersionRange?) {
        guard let mark = text.firstIndex(of: "?") else { return (try self.parseBareType(text), nil) }
        let type = try self.parseBareType(text[..<mark])
        guard type.fixedWidth == nil else { throw self.error("a value of fixed width cannot be null") }
        let versions = text[text.index(after: mark)...]
        return (type, versions.isEmpty ? .all : try self.parseRange(versions))
    }

    private func parseBareType(_ text: Substring) throws -> WireType {
        if text.hasPrefix("["), text.hasSuffix("]") {
            let element = try self.parseBareType(text.dropFirst().dropLast())
            switch element {
            case .array, .bytes, .records, .bool, .float64: throw self.error("no arrays of \(text)")
            default: return .array(element)
            }
        }
        if let type = WireType.named[String(text)] { return type }
        guard text.first?.isUppercase == true else { throw self.error("\(text) is not a type") }
        return .structure(String(text))
    }
}
