// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaClient

/// Where a broker tells its metrics: its admin port.
public struct AdminAddress: Sendable, Hashable, CustomStringConvertible {
    /// The port of an address without one.
    public static let defaultPort = 9644
    /// What is asked for when the address does not say it.
    static let defaultPath = "/metrics"
    /// Brokers of one run; each is asked at the same moment.
    public static let countMax = 100

    /// Host and port.
    public let endpoint: BrokerAddress
    /// From the slash on.
    let path: String

    /// Reads `host`, `host:port` or `http://host:port`, with a path where it is not `/metrics`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        var rest = Substring(text)
        if rest.lowercased().hasPrefix("http://") { rest = rest.dropFirst("http://".count) }
        let host = rest.prefix { $0 != "/" }
        let path = String(rest.dropFirst(host.count))
        // What stands in the path goes into the head of the request.
        guard path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !host.contains(where: { "@?#".contains($0) })
        else { return nil }
        // `[::1]` has colons and no port.
        let hasPort = host.last != "]" && host.contains(":")
        guard var endpoint = BrokerAddress(host) else { return nil }
        if !hasPort { endpoint.port = Self.defaultPort }
        self.endpoint = endpoint
        self.path = path.isEmpty || path == "/" ? Self.defaultPath : path
    }

    /// Host and port, and the path where it is another than usual.
    public var description: String {
        self.endpoint.description + (self.path == Self.defaultPath ? "" : self.path)
    }
}
