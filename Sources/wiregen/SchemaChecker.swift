// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Checks what the parser cannot see line by line.
struct SchemaChecker {
    var message: Message

    func check() throws {
        try self.check(self.message.fields, owners: [])
        for definition in self.message.structs {
            try self.check(definition.fields, owners: [definition.name])
        }
    }

    /// Tags from here on are Martlet's own; those below are Kafka's, numbered from 0.
    private static let firstOwnTag = 10_000

    /// - Parameter owners: the structs that the fields are inside of.
    private func check(_ fields: [Field], owners: [String]) throws {
        var tags: Set<Int> = []
        var names: Set<String> = []
        for field in fields {
            func fail(_ text: String) -> SchemaError { SchemaError(place: field.origin, message: text) }
            guard names.insert(field.name).inserted else { throw fail("\(field.name) is there twice") }
            if let tag = field.tag {
                guard tags.insert(tag).inserted else { throw fail("tag \(tag) is there twice") }
                guard let flexible = self.message.flexible, flexible.contains(field.versions) else {
                    throw fail("only flexible versions have tagged fields")
                }
                // A writer that finishes a tagged field may move its bytes, and with them the place of a splice.
                guard field.type != .records else { throw fail("records cannot be tagged") }
            }
            if let name = field.type.structName {
                try self.check(structName: name, of: field, owners: owners)
            }
        }
        for first in [0, Self.firstOwnTag] {
            let numbers = tags.filter { first == 0 ? $0 < Self.firstOwnTag : $0 >= first }
            guard numbers.isEmpty || numbers.max() == first + numbers.count - 1 else {
                throw SchemaError(place: fields[0].origin, message: "tags are numbered from \(first) without a gap")
            }
        }
    }

    private func check(structName: String, of field: Field, owners: [String]) throws {
        func fail(_ text: String) -> SchemaError { SchemaError(place: field.origin, message: text) }
        guard let definition = self.message.definition(structName) else {
            throw fail("struct \(structName) is not defined")
        }
        // Without recursion the schema itself bounds how deep bytes can nest.
        guard !owners.contains(structName) else { throw fail("struct \(structName) contains itself") }
        if case .array = field.type {
            guard self.message.minimumBytes(definition.fields) > 0 else {
                throw fail("an element of \(field.name) may have no bytes, so its count cannot be checked")
            }
        }
        for inner in definition.fields {
            if let name = inner.type.structName {
                try self.check(structName: name, of: inner, owners: owners + [structName])
            }
        }
    }
}
