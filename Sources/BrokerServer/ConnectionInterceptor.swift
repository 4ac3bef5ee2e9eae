// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Broker
public import KafkaWire
public import NIOCore

/// Stands between the connections and the broker, and sees every request and every answer: the one place where tests
/// make a broker behave as brokers do on bad days. `martlet serve` has none.
///
/// Both functions are called on the connection's event loop and must not block.
public protocol ConnectionInterceptor: Sendable {
    /// Whether a new connection is served; it is closed at once otherwise.
    func admits(_ channel: any Channel) -> Bool

    /// Answers a request, by asking the broker or by itself.
    ///
    /// - Parameters:
    ///   - frame: the request without its length field, unchecked: it may be anything.
    ///   - channel: where it came from; closing it is allowed.
    ///   - broker: its `handle` answers this request or another one. What that appends is written after this returns.
    /// - Returns: what is answered. A `later` must be completed in the end, also when the connection is gone.
    func answer(
        _ frame: ByteBuffer, from channel: any Channel, on connection: ConnectionContext, asking broker: Broker
    ) throws(WireError) -> Outcome
}
