// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Why bytes are not the message they should be, or why a message cannot be written in a version.
///
/// A peer that sends such bytes has lost its connection; a log record that holds them is damaged.
public enum WireError: Error, Equatable, Sendable {
    /// The bytes end inside a value: `needed` more were expected, `available` are left.
    case truncated(needed: Int, available: Int)
    /// A length or count below -1 (-1 alone means null).
    case negativeLength(Int)
    /// A length, or a count times the smallest size of an element, of more bytes than are left.
    case lengthBeyondFrame(length: Int, available: Int)
    /// An array with more than `WireLimits.arrayElementsMax` elements.
    case tooManyElements(Int)
    /// A section with more than `WireLimits.taggedFieldsMax` tagged fields.
    case tooManyTags(Int)
    /// A tag that is not greater than the one before it in its section (KIP-482).
    case invalidTag(Int, previous: Int)
    /// A tagged field whose content is not as long as its size says.
    case invalidTaggedFieldSize(tag: Int, declared: Int, used: Int)
    /// Bytes left over after the message was read.
    case trailingBytes(Int)
    /// A string that is not UTF-8.
    case invalidUTF8
    /// A variable-length integer of more bytes than its value needs, or than its type has room for.
    case overlongVarint
    /// The byte before a nullable struct is neither 1 nor -1.
    case invalidPresence(Int8)
    /// Null where this version has no null.
    case nonNullableIsNull(field: String)
    /// A version that the schema of `message` does not have.
    case unsupportedVersion(message: String, version: Int16)
    /// The field has a value other than its default, and this version has no place for it.
    case fieldNotRepresentable(field: String, version: Int16)
    /// A string over `WireLimits.stringBytesMax`, or a value to be written that is longer than its length field can say.
    case valueTooLong(length: Int, limit: Int)
}

extension WireError: CustomStringConvertible {
    /// What is wrong, with the numbers, for a log.
    public var description: String {
        switch self {
        case .truncated(let needed, let available):
            "the bytes end inside a value: \(needed) needed, \(available) left"
        case .negativeLength(let length):
            "the length \(length) is negative; only -1 (null) may be"
        case .lengthBeyondFrame(let length, let available):
            "a length of \(length) bytes reaches beyond the end: \(available) left"
        case .tooManyElements(let count):
            "an array of \(count) elements is over the limit of \(WireLimits.arrayElementsMax)"
        case .tooManyTags(let count):
            "a section of \(count) tagged fields is over the limit of \(WireLimits.taggedFieldsMax)"
        case .invalidTag(let tag, let previous):
            "tag \(tag) follows tag \(previous); tags must ascend"
        case .invalidTaggedFieldSize(let tag, let declared, let used):
            "the tagged field \(tag) says it has \(declared) bytes, but its value has \(used)"
        case .trailingBytes(let count):
            "\(count) bytes are left over after the message"
        case .invalidUTF8:
            "a string is not valid UTF-8"
        case .overlongVarint:
            "a variable-length integer is longer than its value needs"
        case .invalidPresence(let marker):
            "the marker of a nullable struct is \(marker); it must be 1 (present) or -1 (null)"
        case .nonNullableIsNull(let field):
            "\(field) is null, which this version does not allow"
        case .unsupportedVersion(let message, let version):
            "\(message) has no version \(version)"
        case .fieldNotRepresentable(let field, let version):
            "\(field) has a value that version \(version) cannot carry"
        case .valueTooLong(let length, let limit):
            "a value of \(length) bytes or elements is over the limit of \(limit)"
        }
    }
}
