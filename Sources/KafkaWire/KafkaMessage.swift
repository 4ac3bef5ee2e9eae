// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// Something with a place in a message: a message itself or one of the structs in it.
public protocol WireStruct: Sendable {
    /// All fields at their defaults.
    init()

    /// Reads the form that `version` has. Unknown tagged fields are skipped.
    init(from reader: inout WireReader, version: Int16) throws(WireError)

    /// Writes the form that `version` has.
    ///
    /// Throws `fieldNotRepresentable` when a field that is not ignorable has a value other than its default and no
    /// place in `version`, `nonNullableIsNull` for null where the version has none.
    func encode(into writer: inout WireWriter, version: Int16) throws(WireError)
}

/// A message of the protocol, or the content of a record that the cluster keeps for itself.
///
/// One value serves every version: the version is an argument, never stored.
public protocol KafkaMessage: WireStruct {
    /// The versions that the schema has.
    static var validVersions: ClosedRange<Int16> { get }

    /// Whether `version` has compact lengths and tagged fields (KIP-482).
    static func isFlexible(_ version: Int16) -> Bool
}

/// A message that a client sends and that is answered by a `Response` of the same version.
public protocol KafkaRequest: KafkaMessage {
    associatedtype Response: KafkaMessage
    static var apiKey: APIKey { get }
}

extension KafkaMessage {
    /// Reads a message that fills the whole buffer; throws `trailingBytes` when more follows.
    @inlinable
    public static func decode(_ buffer: ByteBuffer, version: Int16) throws(WireError) -> Self {
        var reader = WireReader(buffer)
        let message = try Self(from: &reader, version: version)
        try reader.finish()
        return message
    }

    /// The bytes of the message in `version`. Records elsewhere cannot be part of them: use a `WireWriter` for those.
    @inlinable
    public func encoded(version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        try self.encode(into: &writer, version: version)
        precondition(writer.splices.isEmpty, "records that are elsewhere cannot be put into one buffer")
        return writer.buffer
    }

    /// Throws `unsupportedVersion` for a version that the schema does not have.
    @inlinable
    public static func check(_ version: Int16) throws(WireError) {
        guard Self.validVersions.contains(version) else { throw Self.unsupported(version) }
    }

    @usableFromInline
    @inline(never)
    internal static func unsupported(_ version: Int16) -> WireError {
        .unsupportedVersion(message: String(describing: Self.self), version: version)
    }
}
