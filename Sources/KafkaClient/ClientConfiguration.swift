// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// How one connection behaves. The defaults suit a broker nearby.
public struct KafkaConnectionConfiguration: Sendable {
    /// How this client names itself to brokers: in their logs, metrics and quotas.
    public var clientID: String?
    /// How long connecting may take, and after it the exchange of versions.
    public var connectTimeout: Duration = .seconds(10)
    /// How long an answer may take, counted from the call. An answer that is late costs the connection, because later
    /// answers stand behind it.
    public var requestTimeout: Duration = .seconds(30)
    /// How many requests may be on their way; more wait. At least 1.
    public var inFlightRequestsMax = 5
    /// How many requests may wait for those on their way.
    public var waitingRequestsMax = 1024
    /// The largest answer that is accepted, in bytes: room for the largest Fetch answer and one large batch on top.
    public var responseBytesMax = 128 * 1024 * 1024

    /// The defaults.
    public init(clientID: String? = "martlet") { self.clientID = clientID }
}

/// How a cluster is found, and how patient this client is with it.
public struct KafkaClusterConfiguration: Sendable {
    /// The brokers to ask first, in this order. One that works is enough: it names the others.
    public var bootstrap: [BrokerAddress]
    /// How each connection behaves.
    public var connection = KafkaConnectionConfiguration()
    /// How often and how fast requests are repeated whose error may go away.
    public var retry = RetryPolicy()

    /// A cluster of which at least one broker is known.
    public init(bootstrap: [BrokerAddress]) { self.bootstrap = bootstrap }
}
