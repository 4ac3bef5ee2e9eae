// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import NIOCore

@testable import KafkaRecords

/// The test vectors that were made with an independent implementation.
enum Fixtures {
    /// The lines of a table after its heading, split into columns.
    static func rows(_ name: String) -> [[String]] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/protocol").appendingPathComponent(name)
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            fatalError("\(file.path) is missing: tests cannot run without it")
        }
        return text.split(separator: "\n").dropFirst().map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    static func bytes(hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
        }
    }
}

/// A record by value, for comparing.
struct PlainRecord: Equatable, CustomStringConvertible {
    var offset: Int64
    var timestamp: Int64
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [Header]

    struct Header: Equatable {
        var name: String
        var value: [UInt8]?
    }

    var description: String { "offset \(self.offset), timestamp \(self.timestamp), \(self.headers.count) headers" }

    init(_ record: Record) {
        self.offset = record.offset
        self.timestamp = record.timestamp
        self.key = record.key.map { Array($0.readableBytesView) }
        self.value = record.value.map { Array($0.readableBytesView) }
        self.headers = record.headers.map { header in
            Header(name: header.name, value: header.value.map { Array($0.readableBytesView) })
        }
    }

    init(
        offset: Int64, timestamp: Int64, key: [UInt8]? = nil, value: [UInt8]? = nil, headers: [Header] = []
    ) {
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }

    var recordHeaders: [RecordHeader] {
        self.headers.map { RecordHeader(name: $0.name, value: $0.value.map { ByteBuffer(bytes: $0) }) }
    }
}

extension RecordBatchBuilder {
    mutating func append(_ record: PlainRecord, timestamp: Int64? = nil) throws {
        try self.append(
            key: record.key.map { ByteBuffer(bytes: $0) }, value: record.value.map { ByteBuffer(bytes: $0) },
            headers: record.recordHeaders, timestamp: timestamp ?? record.timestamp
        )
    }
}

extension RecordBatch {
    func plainRecords(limits: RecordLimits = RecordLimits()) throws -> [PlainRecord] {
        var iterator = try self.records(limits: limits)
        return try iterator.collect().map(PlainRecord.init)
    }
}

/// A small generator whose sequence follows from its seed alone (SplitMix64).
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

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }

    /// Text-like bytes: they compress, but not to nothing.
    mutating func text(_ count: Int) -> [UInt8] {
        let words = ["order ", "user ", "created ", "payment ", "42 ", "shipped ", "{\"id\":", "}, "].map {
            Array($0.utf8)
        }
        var text: [UInt8] = []
        while text.count < count { text += words[Int.random(in: 0..<words.count, using: &self)] }
        return Array(text.prefix(count))
    }

    /// Records as awkward as they may be: null and empty fields, headers, any timestamps.
    mutating func records(_ count: Int, baseOffset: Int64 = 0) -> [PlainRecord] {
        (0..<count).map { index in
            PlainRecord(
                offset: baseOffset + Int64(index),
                timestamp: 1_700_000_000_000 + Int64.random(in: -9...99_999, using: &self),
                key: self.field(), value: self.field(),
                headers: (0..<Int.random(in: 0...3, using: &self)).map { number in
                    PlainRecord.Header(name: "ключ \(number)", value: self.field())
                }
            )
        }
    }

    private mutating func field() -> [UInt8]? {
        switch Int.random(in: 0...5, using: &self) {
        case 0: nil
        case 1: []
        case 2: self.bytes(Int.random(in: 1...300, using: &self))
        default: self.text(Int.random(in: 1...2_000, using: &self))
        }
    }
}
