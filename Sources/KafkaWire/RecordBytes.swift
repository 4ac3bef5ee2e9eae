// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore

/// The record batches of a message: bytes at hand, or a region elsewhere that the transport will send in their place.
public enum RecordBytes: Sendable {
    /// The bytes themselves; when they were read from a frame, a slice of it.
    case buffer(ByteBuffer)
    /// `byteCount` bytes that the owner of `token` has, for example a part of a log segment.
    case external(token: Int, byteCount: Int)

    /// No records at all, which is not the same as null.
    @inlinable
    public static var empty: RecordBytes { .buffer(ByteBuffer()) }

    /// The number of bytes, wherever they are.
    @inlinable
    public var byteCount: Int {
        switch self {
        case .buffer(let buffer): buffer.readableBytes
        case .external(_, let byteCount): byteCount
        }
    }

    /// The bytes, nil when they are elsewhere.
    @inlinable
    public var buffer: ByteBuffer? {
        switch self {
        case .buffer(let buffer): buffer
        case .external: nil
        }
    }
}

/// A place in a writer's buffer where bytes from elsewhere belong: they go between `position - 1` and `position`.
public struct Splice: Sendable, Equatable {
    /// An index into the writer's buffer.
    public var position: Int
    /// What `RecordBytes.external` named.
    public var token: Int
    /// The number of bytes that belong here.
    public var byteCount: Int

    /// `byteCount` bytes of `token` at `position`.
    @inlinable
    public init(position: Int, token: Int, byteCount: Int) {
        self.position = position
        self.token = token
        self.byteCount = byteCount
    }
}
