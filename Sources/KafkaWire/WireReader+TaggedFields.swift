// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// Where a reader stands in the tagged fields at the end of a struct of a flexible version (KIP-482).
///
///     var tags = try reader.readTaggedFields()
///     while let tag = try reader.nextTag(&tags) {
///         switch tag {
///         case 0:
///             value = try reader.readInt32()
///             try reader.finishTag(tags)
///         default: try reader.skipTag(tags)
///         }
///     }
public struct TaggedFields: Sendable {
    /// The number of fields not begun yet.
    @usableFromInline
    internal var remaining: Int

    /// The tag begun last; -1 before the first.
    @usableFromInline
    internal var tag = -1

    /// The number of bytes that field has.
    @usableFromInline
    internal var size = 0

    /// How many bytes of the reader must be left when the field ends.
    @usableFromInline
    internal var remainingAfter = 0

    @usableFromInline
    internal init(count: Int) {
        self.remaining = count
    }
}

extension WireReader {
    /// Begins a section of tagged fields.
    @inlinable
    public mutating func readTaggedFields() throws(WireError) -> TaggedFields {
        let count = Int(try self.readUnsignedVarint())
        guard count <= WireLimits.taggedFieldsMax else { throw WireError.tooManyTags(count) }
        // A tag and a size take at least a byte each.
        guard count &* 2 <= self.remaining else {
            throw WireError.lengthBeyondFrame(length: count &* 2, available: self.remaining)
        }
        return TaggedFields(count: count)
    }

    /// The tag of the next field, whose value is next to be read or skipped; nil at the end of the section.
    @inlinable
    public mutating func nextTag(_ fields: inout TaggedFields) throws(WireError) -> Int? {
        guard fields.remaining > 0 else { return nil }
        fields.remaining &-= 1
        let tag = Int(try self.readUnsignedVarint())
        guard tag > fields.tag else { throw WireError.invalidTag(tag, previous: fields.tag) }
        // Two statements: in one, `self` would be looked at before the size is read, with bytes too many left.
        let declared = Int(try self.readUnsignedVarint())
        let size = try self.checkedLength(declared)
        fields.tag = tag
        fields.size = size
        fields.remainingAfter = self.remaining &- size
        return tag
    }

    /// Checks that the value just read was as long as the field said.
    @inlinable
    public func finishTag(_ fields: TaggedFields) throws(WireError) {
        guard self.remaining == fields.remainingAfter else {
            let used = fields.remainingAfter &+ fields.size &- self.remaining
            throw WireError.invalidTaggedFieldSize(tag: fields.tag, declared: fields.size, used: used)
        }
    }

    /// Skips the field that `nextTag` announced: the policy for every tag that a schema does not know.
    @inlinable
    public mutating func skipTag(_ fields: TaggedFields) throws(WireError) {
        self.buffer.moveReaderIndex(forwardBy: self.remaining &- fields.remainingAfter)
    }

    /// Reads a section of which no tag is known.
    @inlinable
    public mutating func skipTaggedFields() throws(WireError) {
        var fields = try self.readTaggedFields()
        while try self.nextTag(&fields) != nil {
            try self.skipTag(fields)
        }
    }
}
