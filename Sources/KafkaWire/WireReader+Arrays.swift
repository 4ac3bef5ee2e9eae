// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

extension WireReader {
    /// The number of elements of an array, nil for null.
    ///
    /// At most `WireLimits.arrayElementsMax`, and never more than the bytes left can hold when each element takes at
    /// least `minimumElementBytes`: it is safe to reserve room for so many.
    @inlinable
    public mutating func readArrayCount(compact: Bool, minimumElementBytes: Int) throws(WireError) -> Int? {
        let count = compact ? Int(try self.readUnsignedVarint()) - 1 : Int(try self.readInt32())
        if count == -1 { return nil }
        guard count >= 0 else { throw WireError.negativeLength(count) }
        guard count <= WireLimits.arrayElementsMax else { throw WireError.tooManyElements(count) }
        let bytes = count &* minimumElementBytes
        guard bytes <= self.remaining else {
            throw WireError.lengthBeyondFrame(length: bytes, available: self.remaining)
        }
        return count
    }

    /// An array of structs, or null. No element is smaller than `minimumElementBytes` in any version.
    @inlinable
    public mutating func readNullableArray<Element: WireStruct>(
        of: Element.Type,
        compact: Bool,
        version: Int16,
        minimumElementBytes: Int
    ) throws(WireError) -> [Element]? {
        guard let count = try self.readArrayCount(compact: compact, minimumElementBytes: minimumElementBytes) else {
            return nil
        }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            elements.append(try Element(from: &self, version: version))
        }
        return elements
    }

    /// An array of structs; null throws `nonNullableIsNull`.
    @inlinable
    public mutating func readArray<Element: WireStruct>(
        of: Element.Type,
        compact: Bool,
        version: Int16,
        minimumElementBytes: Int,
        field: String
    ) throws(WireError) -> [Element] {
        let elements = try self.readNullableArray(
            of: Element.self,
            compact: compact,
            version: version,
            minimumElementBytes: minimumElementBytes
        )
        guard let elements else { throw WireError.nonNullableIsNull(field: field) }
        return elements
    }

    /// An array of fixed-width integers, or null, read in one block.
    @inlinable
    public mutating func readNullableIntegers<Element: FixedWidthInteger>(
        of: Element.Type,
        compact: Bool
    ) throws(WireError) -> [Element]? {
        let width = MemoryLayout<Element>.size
        guard let count = try self.readArrayCount(compact: compact, minimumElementBytes: width) else { return nil }
        let elements = self.buffer.withUnsafeReadableBytes { bytes in
            [Element](unsafeUninitializedCapacity: count) { elements, initialized in
                for index in 0..<count {
                    let value = bytes.loadUnaligned(fromByteOffset: index &* width, as: Element.self)
                    elements.initializeElement(at: index, to: Element(bigEndian: value))
                }
                initialized = count
            }
        }
        self.buffer.moveReaderIndex(forwardBy: count &* width)
        return elements
    }

    /// An array of fixed-width integers; null throws `nonNullableIsNull`.
    @inlinable
    public mutating func readIntegers<Element: FixedWidthInteger>(
        of: Element.Type,
        compact: Bool,
        field: String
    ) throws(WireError) -> [Element] {
        guard let elements = try self.readNullableIntegers(of: Element.self, compact: compact) else {
            throw WireError.nonNullableIsNull(field: field)
        }
        return elements
    }

    /// An array of strings, none of them null, or null.
    public mutating func readNullableStrings(compact: Bool, field: String) throws(WireError) -> [String]? {
        let lengthBytes = compact ? 1 : 2
        guard let count = try self.readArrayCount(compact: compact, minimumElementBytes: lengthBytes) else {
            return nil
        }
        var elements: [String] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            elements.append(try self.readString(compact: compact, field: field))
        }
        return elements
    }

    /// An array of strings, none of them null; null throws `nonNullableIsNull`.
    public mutating func readStrings(compact: Bool, field: String) throws(WireError) -> [String] {
        guard let elements = try self.readNullableStrings(compact: compact, field: field) else {
            throw WireError.nonNullableIsNull(field: field)
        }
        return elements
    }

    /// An array of UUIDs, or null.
    public mutating func readNullableUUIDs(compact: Bool) throws(WireError) -> [UUID128]? {
        guard let count = try self.readArrayCount(compact: compact, minimumElementBytes: 16) else { return nil }
        var elements: [UUID128] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            elements.append(try self.readUUID())
        }
        return elements
    }

    /// An array of UUIDs; null throws `nonNullableIsNull`.
    public mutating func readUUIDs(compact: Bool, field: String) throws(WireError) -> [UUID128] {
        guard let elements = try self.readNullableUUIDs(compact: compact) else {
            throw WireError.nonNullableIsNull(field: field)
        }
        return elements
    }
}
