// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// One record of a batch. Its key, value and headers are slices of the batch, or of its inflated bytes.
public struct Record: Sendable {
    /// The position in the partition.
    public let offset: Int64
    /// Milliseconds since 1970, -1 if the producer gave none; with `LogAppendTime` the time of the append.
    public let timestamp: Int64
    /// Null and empty are two different keys.
    public let key: ByteBuffer?
    /// Null is a tombstone in a compacted topic.
    public let value: ByteBuffer?
    /// In the order the producer wrote them; names may occur more than once.
    public let headers: RecordHeaders
}

/// A name and a value that travel with a record (KIP-82).
public struct RecordHeader: Sendable, Equatable {
    /// UTF-8 on the wire; it may be empty and need not be unique.
    public var name: String
    /// Null and empty are two different values.
    public var value: ByteBuffer?

    /// A header to be written.
    public init(name: String, value: ByteBuffer?) {
        self.name = name
        self.value = value
    }
}

/// The headers of a record, read one by one when they are asked for.
public struct RecordHeaders: Sequence, Sendable {
    /// The encoded headers; the record cursor has checked all lengths.
    private let bytes: ByteBuffer
    /// The number of headers.
    public let count: Int

    init(bytes: ByteBuffer, count: Int) {
        self.bytes = bytes
        self.count = count
    }

    /// The record has no headers.
    public var isEmpty: Bool { self.count == 0 }

    /// Begins with the first header; costs nothing.
    public func makeIterator() -> Iterator { Iterator(bytes: self.bytes, remaining: self.count) }

    /// Decodes one header at a time.
    public struct Iterator: IteratorProtocol {
        fileprivate var bytes: ByteBuffer
        fileprivate var remaining: Int

        /// The next header. Bytes of a name that are not UTF-8 become replacement characters.
        public mutating func next() -> RecordHeader? {
            guard self.remaining > 0 else { return nil }
            self.remaining -= 1
            guard let nameLength = self.readLength(), let name = self.bytes.readString(length: nameLength),
                let valueLength = self.readLength()
            else { return nil }
            return RecordHeader(name: name, value: valueLength < 0 ? nil : self.bytes.readSlice(length: valueLength))
        }

        private mutating func readLength() -> Int? {
            var coded: UInt32 = 0
            var shift: UInt32 = 0
            while shift < 35, let byte = self.bytes.readInteger(as: UInt8.self) {
                coded |= UInt32(byte & 0x7f) << shift
                if byte < 0x80 { return Int(Int32(bitPattern: coded >> 1) ^ -Int32(coded & 1)) }
                shift += 7
            }
            return nil
        }
    }
}
