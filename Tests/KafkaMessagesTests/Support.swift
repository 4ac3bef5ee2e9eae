// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import KafkaWire
import NIOCore

/// A row of `messageTable`.
struct MessageEntry: Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        case request(Int16)
        case response(Int16)
        case data
    }

    let kind: Kind
    let type: any KafkaMessage.Type

    init(_ kind: Kind, _ type: any KafkaMessage.Type) {
        self.kind = kind
        self.type = type
    }

    var name: String { String(describing: self.type) }
    var description: String { self.name }

    var versions: [Int16] { Array(self.type.validVersions) }
}

extension KafkaMessage {
    /// The bytes that come back when `bytes` are read and written again.
    static func recoded(_ bytes: [UInt8], version: Int16) throws -> [UInt8] {
        try Self.decode(ByteBuffer(bytes: bytes), version: version).bytes(version: version)
    }

    func bytes(version: Int16) throws -> [UInt8] {
        Array(try self.encoded(version: version).readableBytesView)
    }
}

/// The folder of Package.swift.
let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// One line of Tests/Fixtures/protocol/vectors: a body as Kafka's Java client writes it.
struct Vector: Sendable {
    let file: String
    let line: Int
    let kind: MessageEntry.Kind
    let version: Int16
    /// Whether no field was set before the message was written.
    let isSparse: Bool
    let bytes: [UInt8]
    let json: String

    var place: String { "\(self.file):\(self.line)" }

    /// All vectors, in the order of the files.
    static let all: [Vector] = {
        let folder = packageRoot.appendingPathComponent("Tests/Fixtures/protocol/vectors")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.sorted().flatMap { name -> [Vector] in
            let text = (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)) ?? ""
            return text.split(separator: "\n").enumerated().compactMap { Vector(file: name, line: $0 + 1, text: $1) }
        }
    }()

    private init?(file: String, line: Int, text: Substring) {
        let columns = text.split(separator: "\t", omittingEmptySubsequences: false)
        guard columns.count == 5, let key = Int16(file.prefix(2)), let version = Int16(columns[1]),
            let bytes = Self.bytes(hex: columns[3])
        else { return nil }
        self.file = file
        self.line = line
        self.kind = columns[0] == "request" ? .request(key) : .response(key)
        self.version = version
        self.isSparse = columns[2] == "sparse"
        self.bytes = bytes
        self.json = String(columns[4])
    }

    static func bytes(hex: some StringProtocol) -> [UInt8]? {
        let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

/// The types of the table by what a vector says.
let messageTypes: [MessageEntry.Kind: any KafkaMessage.Type] = Dictionary(
    uniqueKeysWithValues: messageTable.filter { $0.kind != .data }.map { ($0.kind, $0.type) }
)

/// SplitMix64: small, seeded, the same on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
