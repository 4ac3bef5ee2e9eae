// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import NIOCore

/// How a record is written by `--template`: text with the letters that kcat's `-f` has.
struct RecordTemplate: Sendable, Equatable {
    enum Piece: Sendable, Equatable {
        case literal([UInt8])
        case topic
        case partition
        case offset
        /// Milliseconds since 1970; -1 for none.
        case timestamp
        case key
        /// In bytes; -1 for null.
        case keyLength
        case value
        case valueLength
        /// The length of the value in 32 bits, most significant byte first.
        case valueLengthBytes
        /// `name=value,…`; null is NULL.
        case headers
    }

    /// The text is no template.
    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    private(set) var pieces: [Piece] = []
    /// What stands for a key or a value that is null.
    var null: [UInt8] = []

    /// Reads a template. Nothing is added to it, no line end either.
    init(_ text: String, null: String = "") throws(Malformed) {
        self.null = Array(null.utf8)
        var literal: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let letter = rest.popFirst() else {
                    throw Malformed(description: "it ends with a %; %% stands for one")
                }
                if letter == UInt8(ascii: "%") {
                    literal.append(letter)
                } else {
                    if !literal.isEmpty { self.pieces.append(.literal(literal)) }
                    literal = []
                    self.pieces.append(try Self.piece(letter))
                }
            case UInt8(ascii: "\\"):
                literal.append(try Self.escape(&rest))
            default:
                literal.append(byte)
            }
        }
        if !literal.isEmpty { self.pieces.append(.literal(literal)) }
    }

    private static func piece(_ letter: UInt8) throws(Malformed) -> Piece {
        switch letter {
        case UInt8(ascii: "t"): return .topic
        case UInt8(ascii: "p"): return .partition
        case UInt8(ascii: "o"): return .offset
        case UInt8(ascii: "T"): return .timestamp
        case UInt8(ascii: "k"): return .key
        case UInt8(ascii: "K"): return .keyLength
        case UInt8(ascii: "s"): return .value
        case UInt8(ascii: "S"): return .valueLength
        case UInt8(ascii: "R"): return .valueLengthBytes
        case UInt8(ascii: "h"): return .headers
        default:
            let name = letter < 0x80 ? String(UnicodeScalar(letter)) : "…"
            throw Malformed(description: "%\(name) means nothing; there are %t %p %o %T %k %K %s %S %R %h and %%")
        }
    }

    private static func escape(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> UInt8 {
        switch rest.popFirst() {
        case UInt8(ascii: "n"): return 0x0a
        case UInt8(ascii: "r"): return 0x0d
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard rest.count >= 2, digits.allSatisfy(\.isHexDigit), let byte = UInt8(digits, radix: 16) else {
                throw Malformed(description: "\\x takes two hexadecimal digits")
            }
            rest = rest.dropFirst(2)
            return byte
        default:
            throw Malformed(description: "a \\ stands before n, r, t, 0, x and two digits, or another \\")
        }
    }

    func write(_ record: Record, of partition: TopicPartition, to output: inout ByteBuffer) {
        for piece in self.pieces {
            switch piece {
            case .literal(let bytes): output.writeBytes(bytes)
            case .topic: output.writeString(partition.topic)
            case .partition: output.writeDecimal(Int64(partition.partition.rawValue))
            case .offset: output.writeDecimal(record.offset)
            case .timestamp: output.writeDecimal(record.timestamp)
            case .key: self.write(record.key, to: &output)
            case .keyLength: output.writeDecimal(record.key.map { Int64($0.readableBytes) } ?? -1)
            case .value: self.write(record.value, to: &output)
            case .valueLength: output.writeDecimal(record.value.map { Int64($0.readableBytes) } ?? -1)
            case .valueLengthBytes: output.writeInteger(Int32(clamping: record.value.map(\.readableBytes) ?? -1))
            case .headers: self.write(record.headers, to: &output)
            }
        }
    }

    private func write(_ bytes: ByteBuffer?, to output: inout ByteBuffer) {
        if let bytes { output.writeImmutableBuffer(bytes) } else { output.writeBytes(self.null) }
    }

    private func write(_ headers: RecordHeaders, to output: inout ByteBuffer) {
        var isFirst = true
        for header in headers {
            if !isFirst { output.writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            output.writeString(header.name)
            output.writeInteger(UInt8(ascii: "="))
            if let value = header.value { output.writeImmutableBuffer(value) } else { output.writeString("NULL") }
        }
    }
}
