// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

extension RecordHeader {
    /// A header to be written whose value is text, in UTF-8. Copies the text.
    public init(name: String, value: String) { self.init(name: name, value: ByteBuffer(string: value)) }

    /// The value as text; nil when it is null, or not UTF-8. Copies it.
    public var stringValue: String? {
        self.value.flatMap { String(validating: $0.readableBytesView, as: UTF8.self) }
    }
}

// For the headers of a record that was read, and for those of one that is to be written.
extension Sequence<RecordHeader> {
    /// The last header of this name; nil when there is none. Headers of one name that came before it count as replaced.
    /// Reads all headers. Java: `lastHeader`.
    public func last(named name: String) -> RecordHeader? {
        var last: RecordHeader?
        for header in self where header.name == name { last = header }
        return last
    }

    /// All headers of this name, in the order in which they were written. Java: `headers(key)`.
    public func all(named name: String) -> [RecordHeader] { self.filter { $0.name == name } }

    /// The value of the last header of this name as text; nil when there is none, its value is null, or not UTF-8.
    /// Reads all headers.
    public func string(named name: String) -> String? { self.last(named: name)?.stringValue }
}
