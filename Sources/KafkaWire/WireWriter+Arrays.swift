// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import NIOCore

extension WireWriter {
    /// The number of elements of an array, nil for null. The elements follow.
    @inlinable
    public mutating func writeArrayCount(_ count: Int?, compact: Bool) throws(WireError) {
        try self.writeLength(count ?? -1, compact: compact)
    }

    /// An array of structs.
    @inlinable
    public mutating func writeArray<Element: WireStruct>(
        _ elements: [Element],
        compact: Bool,
        version: Int16
    ) throws(WireError) {
        try self.writeLength(elements.count, compact: compact)
        for element in elements {
            try element.encode(into: &self, version: version)
        }
    }

    /// An array of structs or null.
    @inlinable
    public mutating func writeNullableArray<Element: WireStruct>(
        _ elements: [Element]?,
        compact: Bool,
        version: Int16
    ) throws(WireError) {
        guard let elements else { return try self.writeLength(-1, compact: compact) }
        try self.writeArray(elements, compact: compact, version: version)
    }

    /// An array of fixed-width integers.
    @inlinable
    public mutating func writeIntegers<Element: FixedWidthInteger>(
        _ elements: [Element],
        compact: Bool
    ) throws(WireError) {
        try self.writeLength(elements.count, compact: compact)
        for element in elements {
            self.buffer.writeInteger(element)
        }
    }

    /// An array of fixed-width integers or null.
    @inlinable
    public mutating func writeNullableIntegers<Element: FixedWidthInteger>(
        _ elements: [Element]?,
        compact: Bool
    ) throws(WireError) {
        guard let elements else { return try self.writeLength(-1, compact: compact) }
        try self.writeIntegers(elements, compact: compact)
    }

    /// An array of strings.
    public mutating func writeStrings(_ elements: [String], compact: Bool) throws(WireError) {
        try self.writeLength(elements.count, compact: compact)
        for element in elements {
            try self.writeString(element, compact: compact)
        }
    }

    /// An array of strings or null.
    public mutating func writeNullableStrings(_ elements: [String]?, compact: Bool) throws(WireError) {
        guard let elements else { return try self.writeLength(-1, compact: compact) }
        try self.writeStrings(elements, compact: compact)
    }

    /// An array of UUIDs.
    public mutating func writeUUIDs(_ elements: [UUID128], compact: Bool) throws(WireError) {
        try self.writeLength(elements.count, compact: compact)
        for element in elements {
            self.writeUUID(element)
        }
    }

    /// An array of UUIDs or null.
    public mutating func writeNullableUUIDs(_ elements: [UUID128]?, compact: Bool) throws(WireError) {
        guard let elements else { return try self.writeLength(-1, compact: compact) }
        try self.writeUUIDs(elements, compact: compact)
    }
}
