// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import CommitLog
import KafkaMessages
package import KafkaWire
public import NIOCore

/// One answer, ready for the socket: bytes, and between them slices of log files that are sent without being read.
public struct ResponseFrame: Sendable {
    /// A piece of the answer.
    public enum Part: Sendable {
        case bytes(ByteBuffer)
        case slice(LogSlice)
    }

    /// In the order in which they are written; the first one begins with the frame's length.
    public let parts: [Part]

    /// Encodes `response` for the version that the request had.
    ///
    /// - Parameter slices: what the `.external` records of the response stand for; a token is an index into it.
    /// - Throws: `WireError` when a field that the version cannot carry has a value: a mistake in the handler.
    init(
        encoding response: some KafkaMessage,
        for context: RequestContext,
        slices: [LogSlice] = []
    ) throws(WireError) {
        try self.init(
            encoding: response,
            apiKey: context.apiKey,
            version: context.apiVersion,
            correlationID: context.correlationID,
            slices: slices
        )
    }

    /// The same, from the fields of the request's header.
    package init(
        encoding response: some KafkaMessage,
        apiKey: APIKey,
        version: Int16,
        correlationID: Int32,
        slices: [LogSlice] = []
    ) throws(WireError) {
        var writer = WireWriter()
        writer.writeInt32(0)  // the frame's length, known at the end
        var header = ResponseHeader()
        header.correlationID = correlationID
        try header.encode(into: &writer, version: apiKey.responseHeaderVersion(apiVersion: version))
        try response.encode(into: &writer, version: version)

        var buffer = writer.buffer
        let splicedBytes = writer.splices.reduce(0) { $0 + $1.byteCount }
        let length = buffer.writerIndex - MemoryLayout<Int32>.size + splicedBytes
        buffer.setInteger(Int32(clamping: length), at: buffer.readerIndex)
        self.parts = Self.cut(buffer, at: writer.splices, slices: slices)
    }

    /// Cuts the encoded bytes where log slices belong between them.
    private static func cut(_ buffer: ByteBuffer, at splices: [Splice], slices: [LogSlice]) -> [Part] {
        if splices.isEmpty { return [.bytes(buffer)] }
        var buffer = buffer
        var parts: [Part] = []
        parts.reserveCapacity(2 * splices.count + 1)
        for splice in splices {
            let count = splice.position - buffer.readerIndex
            if count > 0, let bytes = buffer.readSlice(length: count) { parts.append(.bytes(bytes)) }
            parts.append(.slice(slices[splice.token]))
        }
        if buffer.readableBytes > 0 { parts.append(.bytes(buffer)) }
        return parts
    }

    /// Bytes of the answer on the wire.
    public var byteCount: Int {
        self.parts.reduce(0) { sum, part in
            switch part {
            case .bytes(let buffer): sum + buffer.readableBytes
            case .slice(let slice): sum + slice.byteCount
            }
        }
    }

    /// Bytes of memory that this answer holds until it is sent; log slices hold none.
    public var residentByteCount: Int {
        self.parts.reduce(0) { sum, part in
            if case .bytes(let buffer) = part { sum + buffer.readableBytes } else { sum }
        }
    }
}
