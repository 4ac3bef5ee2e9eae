// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if Metrics
public import Metrics
#endif
#if Tracing
public import Tracing
#endif

/// How one connection behaves. The defaults suit a broker nearby.
public struct KafkaConnectionConfiguration: Sendable {
    /// How this client names itself to brokers: in their logs, metrics and quotas.
    public var clientID: String?
    /// How long connecting may take, TLS included; after it the exchange of versions, and each step of a login.
    public var connectTimeout: Duration = .seconds(10)
    /// How long an answer may take, counted from the call, on a clock that nobody sets. An answer that is late costs the
    /// connection, because later answers stand behind it.
    public var requestTimeout: Duration = .seconds(30)
    /// How many requests may be on their way; more wait. At least 1.
    public var inFlightRequestsMax = 5
    /// How many requests may wait for those on their way.
    public var waitingRequestsMax = 1024
    /// The largest answer that is accepted, in bytes: room for the largest Fetch answer and one large batch on top.
    public var responseBytesMax = 128 * 1024 * 1024
    /// How long a connection may go unused before it is closed: less than the ten minutes after which brokers do so by
    /// themselves, so that a request does not meet their end of it. The next request makes a new one.
    public var idleTimeout: Duration = .seconds(9 * 60)

    /// The defaults.
    public init(clientID: String? = "martlet") { self.clientID = clientID }
}

/// How long to wait before connecting again to a broker that could not be reached: twice as long each time, with jitter,
/// so that the clients of a broker that comes back do not all come at the same moment.
public struct ReconnectPolicy: Sendable {
    /// The wait after the first failure.
    public var firstDelay: Duration = .milliseconds(50)
    /// No wait is longer, apart from the jitter.
    public var delayMax: Duration = .seconds(1)
    /// By which part of it a wait may be longer or shorter: 0 to 1.
    public var jitter = 0.2

    /// The defaults, which are those of Kafka's clients.
    public init() {}
}

/// How a cluster is found, and how patient this client is with it.
public struct KafkaClusterConfiguration: Sendable {
    /// The brokers to ask first, in this order. One that works is enough: it names the others. They are asked again when
    /// none of those others can be reached (KIP-899).
    public var bootstrap: [BrokerAddress]
    /// Encryption and login, for all connections.
    public var security: KafkaSecurity
    /// How each connection behaves.
    public var connection = KafkaConnectionConfiguration()
    /// How often and how fast requests are repeated whose error may go away.
    public var retry = RetryPolicy()
    /// How fast connections are tried again that could not be made.
    public var reconnect = ReconnectPolicy()
    /// What is known of a topic is asked for anew when it is older than this, so that new partitions and moved leaders
    /// come to light also where nothing fails.
    public var metadataAgeMax: Duration = .seconds(5 * 60)
    #if Metrics
    /// Who makes the instruments of the clients' metrics; nil for the factory that `MetricsSystem` was bootstrapped with
    /// before the client was made.
    public var metricsFactory: (any MetricsFactory)?
    #endif
    #if Tracing
    /// Who makes the clients' spans; nil for the tracer that `InstrumentationSystem` was bootstrapped with before the
    /// client was made.
    public var tracer: (any Tracer)?
    #endif

    /// A cluster of which at least one broker is known.
    public init(bootstrap: [BrokerAddress], security: KafkaSecurity = .plaintext) {
        self.bootstrap = bootstrap
        self.security = security
    }

    /// The same from a text as `bootstrap.servers` has it: `a:9092,b:9092`. Throws `invalidConfiguration` for a text
    /// that is empty or malformed.
    public init(bootstrap: String, security: KafkaSecurity = .plaintext) throws(KafkaClientError) {
        guard let addresses = BrokerAddress.list(bootstrap) else {
            throw KafkaClientError(
                .invalidConfiguration,
                "'\(bootstrap)' names no brokers: it takes host:port, or several separated by commas")
        }
        self.init(bootstrap: addresses, security: security)
    }
}
