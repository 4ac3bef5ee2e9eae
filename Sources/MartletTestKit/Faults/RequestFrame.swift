// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import CommitLog
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// A request as it came in, its header read.
struct RequestFrame: Sendable {
    /// All of it.
    let bytes: ByteBuffer
    let apiKey: APIKey
    let version: Int16
    let correlationID: Int32
    let clientID: String?
    private let body: WireReader

    init(_ bytes: ByteBuffer) throws(WireError) {
        var peek = WireReader(bytes)
        self.bytes = bytes
        self.apiKey = APIKey(try peek.readInt16())
        self.version = try peek.readInt16()
        var reader = WireReader(bytes)
        let header = try RequestHeader(
            from: &reader, version: self.apiKey.requestHeaderVersion(apiVersion: self.version))
        self.correlationID = header.correlationID
        self.clientID = header.clientID
        self.body = reader
    }

    func decode<Request: KafkaRequest>(_ type: Request.Type) throws(WireError) -> Request {
        var reader = self.body
        return try Request(from: &reader, version: self.version)
    }

    /// The same header with another request behind it.
    func replacing(with request: some KafkaRequest) throws(WireError) -> RequestFrame {
        let headerByteCount = self.bytes.readableBytes - self.body.remaining
        var writer = WireWriter(
            self.bytes.getSlice(at: self.bytes.readerIndex, length: headerByteCount) ?? ByteBuffer())
        try request.encode(into: &writer, version: self.version)
        return try RequestFrame(writer.buffer)
    }

    /// An answer to this request.
    func answer(_ response: some KafkaMessage) throws(WireError) -> Outcome {
        .frame(
            try ResponseFrame(
                encoding: response, apiKey: self.apiKey, version: self.version, correlationID: self.correlationID))
    }

    /// Reads an answer to this request. Records are copied into it.
    func decode<Response: KafkaMessage>(
        _ frame: ResponseFrame, as type: Response.Type
    ) throws(WireError) -> Response {
        var bytes = ByteBuffer()
        for part in frame.parts {
            switch part {
            case .bytes(var buffer): bytes.writeBuffer(&buffer)
            case .slice(let slice):
                // Too few bytes are an error where they are missed.
                guard var buffer = try? slice.bytes() else { continue }
                bytes.writeBuffer(&buffer)
            }
        }
        var reader = WireReader(bytes)
        _ = try reader.readInt32()
        _ = try ResponseHeader(
            from: &reader, version: self.apiKey.responseHeaderVersion(apiVersion: self.version))
        return try Response(from: &reader, version: self.version)
    }
}
