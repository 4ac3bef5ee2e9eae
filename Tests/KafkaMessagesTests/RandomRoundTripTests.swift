// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaWire
import NIOCore
import Testing

@testable import wiregen

/// Writes random values of a message straight from its schema: a second encoder, which shares nothing with the generated
/// code but the schema and can be held against it.
struct RandomEncoder {
    let message: Message
    let version: Int
    var generator: SeededGenerator
    private var bytes: [UInt8] = []

    init(_ message: Message, version: Int16, seed: UInt64) {
        self.message = message
        self.version = Int(version)
        self.generator = SeededGenerator(seed: seed)
    }

    private var isFlexible: Bool { self.message.flexible?.contains(self.version) ?? false }

    mutating func encode() -> [UInt8] {
        self.bytes = []
        self.write(self.message.fields, isDefault: false)
        return self.bytes
    }

    private mutating func write(_ fields: [Field], isDefault: Bool) {
        for field in fields where field.tag == nil && field.versions.contains(self.version) {
            self.write(field, isDefault: isDefault)
        }
        if !self.isFlexible { return }
        var tagged: [(Int, [UInt8])] = []
        for field in fields where field.versions.contains(self.version) {
            guard let tag = field.tag, !isDefault, Bool.random(using: &self.generator) else { continue }
            let value = self.apart { $0.write(field, isDefault: false) }
            // A tagged field with its default is not written.
            if value != self.apart({ $0.write(field, isDefault: true) }) { tagged.append((tag, value)) }
        }
        self.writeVarint(tagged.count)
        for (tag, value) in tagged.sorted(by: { $0.0 < $1.0 }) {
            self.writeVarint(tag)
            self.writeVarint(value.count)
            self.bytes += value
        }
    }

    /// The bytes that `body` writes, which do not go to the message.
    private mutating func apart(_ body: (inout RandomEncoder) -> Void) -> [UInt8] {
        let before = self.bytes
        self.bytes = []
        body(&self)
        defer { self.bytes = before }
        return self.bytes
    }

    private mutating func write(_ field: Field, isDefault: Bool) {
        let isNullable = field.nullable?.contains(self.version) ?? false
        let isCompact = self.isFlexible && !field.isNeverCompact
        let isNull = isNullable && (isDefault ? field.defaultsToNull : self.chance(4))
        if case .structure(let name) = field.type {
            if isNullable { self.bytes.append(isNull ? 0xff : 1) }
            if !isNull { self.write(self.message.definition(name)?.fields ?? [], isDefault: isDefault) }
            return
        }
        if isNull {
            self.writeLength(nil, field.type, isCompact: isCompact)
        } else if isDefault {
            self.writeDefault(field, isCompact: isCompact)
        } else {
            self.writeValue(field.type, isCompact: isCompact)
        }
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &self.generator) == 0 }

    private mutating func writeVarint(_ value: Int) {
        var rest = UInt32(value)
        while rest >= 0x80 {
            self.bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }

    private mutating func writeInteger(_ value: Int64, width: Int) {
        for byte in (0..<width).reversed() { self.bytes.append(UInt8(truncatingIfNeeded: value >> Int64(8 * byte))) }
    }

    private mutating func writeLength(_ length: Int?, _ type: WireType, isCompact: Bool) {
        if isCompact {
            self.writeVarint((length ?? -1) + 1)
        } else {
            self.writeInteger(Int64(length ?? -1), width: type == .string ? 2 : 4)
        }
    }

    private mutating func writeDefault(_ field: Field, isCompact: Bool) {
        guard let width = field.type.fixedWidth else {
            return self.writeLength(0, field.type, isCompact: isCompact)
        }
        let text = field.defaultText ?? "0"
        let value = text.hasPrefix("0x") ? Int64(text.dropFirst(2), radix: 16) : Int64(text)
        self.writeInteger(value ?? (text == "true" ? 1 : 0), width: width)
    }

    private mutating func writeValue(_ type: WireType, isCompact: Bool) {
        switch type {
        case .bool: self.bytes.append(self.chance(2) ? 1 : 0)
        case .float64:
            let number = Double.random(in: -1e9...1e9, using: &self.generator)
            self.writeInteger(Int64(bitPattern: number.bitPattern), width: 8)
        case .string:
            let count = self.length()
            let text = String((0..<count).map { _ in "aZ09._-é漢🐦".randomElement(using: &self.generator) ?? "a" })
            self.writeLength(text.utf8.count, type, isCompact: isCompact)
            self.bytes += Array(text.utf8)
        case .bytes, .records:
            let count = self.length()
            self.writeLength(count, type, isCompact: isCompact)
            for _ in 0..<count { self.bytes.append(UInt8.random(in: .min ... .max, using: &self.generator)) }
        case .array(let element):
            let count = self.chance(20) ? 130 : Int.random(in: 0...3, using: &self.generator)
            let isDeep = self.bytes.count > 20_000
            self.writeLength(isDeep ? 0 : count, type, isCompact: isCompact)
            for _ in 0..<(isDeep ? 0 : count) { self.writeValue(element, isCompact: isCompact) }
        case .structure(let name): self.write(self.message.definition(name)?.fields ?? [], isDefault: false)
        default:
            let edges: [Int64] = [0, 1, -1, .min, .max, 127, 128, 0x7fff_ffff]
            let any = Int64.random(in: .min ... .max, using: &self.generator)
            let value = self.chance(2) ? any : edges.randomElement(using: &self.generator) ?? 0
            if type == .uuid { self.writeInteger(any, width: 8) }
            self.writeInteger(value, width: min(8, type.fixedWidth ?? 0))
        }
    }

    /// Mostly short, now and then so long that a compact length takes two bytes.
    private mutating func length() -> Int {
        Int.random(in: self.chance(20) ? 126...300 : 0...12, using: &self.generator)
    }

    /// Every message of the schemas by its name.
    static let messages: [String: Message] = {
        let messages = (try? Generator(root: packageRoot).schema().messages) ?? []
        return Dictionary(uniqueKeysWithValues: messages.map { ($0.name, $0) })
    }()
}

@Suite("Random values")
struct RandomRoundTripTests {
    private static let seed: UInt64 = 0x4d61_7274_6c65_7401

    @Test("every message at every version is read and written back as a second encoder wrote it")
    func roundTrip() throws {
        for entry in messageTable {
            let message = try #require(RandomEncoder.messages[entry.name])
            for version in entry.versions {
                for round in 0..<6 {
                    var encoder = RandomEncoder(message, version: version, seed: Self.seed &+ UInt64(round))
                    let bytes = encoder.encode()
                    let again = try entry.type.recoded(bytes, version: version)
                    #expect(again == bytes, "\(entry) version \(version), seed \(Self.seed &+ UInt64(round))")
                }
            }
        }
    }

    @Test("a value that another version cannot carry is refused by name, and otherwise keeps its bytes from there on")
    func otherVersions() throws {
        var refusals = 0
        for entry in messageTable where entry.versions.count > 1 {
            let message = try #require(RandomEncoder.messages[entry.name])
            for version in entry.versions {
                var encoder = RandomEncoder(message, version: version, seed: Self.seed)
                let value = try entry.type.decode(ByteBuffer(bytes: encoder.encode()), version: version)
                for other in entry.versions where other != version {
                    let bytes: [UInt8]
                    do {
                        bytes = try value.bytes(version: other)
                    } catch let error as WireError {
                        refusals += 1
                        switch error {
                        case .fieldNotRepresentable(_, other), .nonNullableIsNull: continue
                        default: throw error
                        }
                    }
                    #expect(try entry.type.recoded(bytes, version: other) == bytes, "\(entry) \(version) as \(other)")
                }
            }
        }
        #expect(refusals > 500)
    }
}
