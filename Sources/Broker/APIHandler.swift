// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
public import NIOCore

/// What answers the requests of one API. One file per API in `APIs/`, whose header says which versions it serves and
/// what each changes for the user.
///
/// A handler is called on the connection's event loop and must not block: reads that may wait for the disk go to
/// `Broker.readers`, changes of metadata to `Broker.admin`, appends to the partition's IO thread.
///
/// A handler is made for one request and holds what every request needs: the broker and the request's context.
protocol APIHandler: Sendable {
    associatedtype Request: KafkaRequest

    init(broker: Broker, context: RequestContext)

    func answer(_ request: Request) -> Answer<Request.Response>
}

/// What a handler says to a request.
enum Answer<Response: Sendable> {
    case now(Response)
    /// The answer comes later, on the connection's event loop. A failure is a mistake of the broker: it is logged and
    /// the connection closed, since there is no telling what became of the request.
    case later(EventLoopFuture<Response>)
}

/// What the dispatch table makes of a request.
public enum Outcome: Sendable {
    case frame(ResponseFrame)
    case later(EventLoopFuture<Outcome>)
    /// The protocol has no answer to this one (a Produce with acks=0).
    case nothing
    /// The request is not to be answered and the connection is to be closed, as Kafka does for what it cannot parse;
    /// the text is for the log.
    case close(reason: String)
}
