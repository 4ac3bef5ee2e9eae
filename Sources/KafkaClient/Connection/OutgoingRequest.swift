// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore

/// One request on its way through the channel: its bytes, and who waits for the answer.
struct OutgoingRequest: Sendable {
    var api: APIKey
    var correlationID: Int32
    /// False for a Produce with acks=0: the promise is kept when the bytes have been written.
    var expectsAnswer: Bool
    /// Part of a login: until a ``LoginEnded`` no other request is sent.
    var isLogin = false
    /// The frame in pieces, so that records are sent from where they are.
    var parts: [ByteBuffer]
    var timeout: TimeAmount
    /// The answer without its length; an empty buffer when none is expected. May be kept or broken more than once: only
    /// the first time counts, so that a caller who gives up can break it.
    var answer: EventLoopPromise<ByteBuffer>
}

/// Sent down the channel when a login is over, so that requests that waited for it go out.
struct LoginEnded: Sendable {}

extension KafkaRequest {
    /// The frame of the request, in pieces.
    ///
    /// Where a records field is `external(token: n)`, element `n` of `attachments` stands in for it, uncopied.
    func frame(
        version: Int16, correlationID: Int32, clientID: String?, attachments: [ByteBuffer]
    ) throws(WireError) -> [ByteBuffer] {
        var header = RequestHeader()
        header.requestApiKey = Self.apiKey.rawValue
        header.requestApiVersion = version
        header.correlationID = correlationID
        header.clientID = clientID
        var writer = WireWriter()
        let start = writer.beginFrame()
        try header.encode(into: &writer, version: Self.apiKey.requestHeaderVersion(apiVersion: version))
        try self.encode(into: &writer, version: version)
        try writer.endFrame(start)

        var parts: [ByteBuffer] = []
        var rest = writer.buffer
        for splice in writer.splices {
            if let part = rest.readSlice(length: splice.position - rest.readerIndex) { parts.append(part) }
            parts.append(attachments[splice.token])
        }
        if rest.readableBytes > 0 { parts.append(rest) }
        return parts
    }
}
