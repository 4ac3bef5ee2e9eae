// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import PrometheusText
import Synchronization

/// What is counted of connections. May be used from any thread.
final class ConnectionMetrics: Sendable {
    /// Why a connection was not taken.
    enum Refusal: String, CaseIterable, Sendable {
        case maxConnections = "max-connections"
        case maxConnectionsPerIP = "max-connections-per-ip"
        case stopping
    }

    /// Why a connection was closed, as the label `reason` tells it.
    enum Closing: String, CaseIterable, Sendable {
        /// The client closed it, or its machine is gone.
        case client
        /// It was silent for longer than connections.max.idle.ms.
        case idle
        /// What it sent is not a request that is served.
        case badRequest = "bad-request"
        /// A request came to nothing in a way that the protocol has no answer for.
        case failedRequest = "failed-request"
        /// It began a large request and did not get on with it, while others waited for the memory.
        case stalled
        /// Reading or writing the socket failed.
        case socketError = "socket-error"
        /// The broker stopped.
        case stopping
    }

    let opened = Counter()
    private let refused = CounterSet(count: Refusal.allCases.count)
    private let closed = CounterSet(count: Closing.allCases.count)
    /// Connections that are not read from at the moment, as too much waits for an answer or is not taken by the client.
    let paused = Gauge()
    /// How often that began.
    let pauses = Counter()

    func refused(_ reason: Refusal) { self.refused.add(1, to: Self.index(of: reason, in: Refusal.allCases)) }

    func closed(_ reason: Closing) { self.closed.add(1, to: Self.index(of: reason, in: Closing.allCases)) }

    private static func index<Reason: Equatable>(of reason: Reason, in all: [Reason]) -> Int {
        all.firstIndex(of: reason) ?? 0
    }

    /// Refused connections by reason.
    var refusals: [(Refusal, Int)] { Refusal.allCases.enumerated().map { ($1, self.refused[$0]) } }

    /// Closed connections by reason.
    var closings: [(Closing, Int)] { Closing.allCases.enumerated().map { ($1, self.closed[$0]) } }
}

/// The metrics of connections.
public enum ConnectionFamilies {
    static let open = MetricFamily("martlet_connections_open", .gauge, "Connections of clients that are open.")
    static let opened = MetricFamily(
        "martlet_connections_opened_total", .counter, "Connections that were taken.")
    static let refused = MetricFamily(
        "martlet_connections_refused_total", .counter, "Connections that were not taken, by reason.",
        labels: ["reason"])
    static let closed = MetricFamily(
        "martlet_connections_closed_total", .counter, "Connections that were closed, by reason.", labels: ["reason"])
    static let paused = MetricFamily(
        "martlet_connections_paused", .gauge,
        "Connections that are not read from, as too much of theirs waits for an answer or for them to read it.")
    static let pauses = MetricFamily(
        "martlet_connection_pauses_total", .counter, "How often a connection was no longer read from for a while.")
    static let bytesInFlight = MetricFamily(
        "martlet_request_bytes_in_flight", .gauge, "Bytes of requests that have no answer yet, of all connections.")
    static let bytesInFlightMax = MetricFamily(
        "martlet_request_bytes_in_flight_limit", .gauge,
        "Bytes of requests without answer past which connections are no longer read from (queued.max.request.bytes).")

    /// All of them.
    public static let all = [open, opened, refused, closed, paused, pauses, bytesInFlight, bytesInFlightMax]
}

extension BrokerServer {
    /// Writes what there is to tell of connections.
    func writeMetrics(to page: inout MetricsPage) {
        page.write(ConnectionFamilies.open, self.connections.count)
        page.write(ConnectionFamilies.opened, self.metrics.opened.value)
        page.write(ConnectionFamilies.refused) { samples in
            for (reason, count) in self.metrics.refusals { samples.add([reason.rawValue], count) }
        }
        page.write(ConnectionFamilies.closed) { samples in
            for (reason, count) in self.metrics.closings { samples.add([reason.rawValue], count) }
        }
        page.write(ConnectionFamilies.paused, self.metrics.paused.value)
        page.write(ConnectionFamilies.pauses, self.metrics.pauses.value)
        page.write(ConnectionFamilies.bytesInFlight, self.budget.byteCount)
        if let limit = self.budget.byteCountMax { page.write(ConnectionFamilies.bytesInFlightMax, limit) }
    }
}
