// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Where a broker listens: a host name or IP address, and a port.
public struct BrokerAddress: Hashable, Sendable {
    /// The port of `host` without a port: 9092.
    public static let defaultPort = 9092

    /// A name or an address; an IPv6 address stands without brackets here.
    public var host: String
    /// 1 to 65535.
    public var port: Int

    /// An address from its two halves, which are not checked.
    public init(host: String, port: Int = BrokerAddress.defaultPort) {
        self.host = host
        self.port = port
    }

    /// Reads `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = text[text.index(after: text.startIndex)..<end]
            self.init(host: host, afterHost: text[text.index(after: end)...])
        } else {
            let end = text.firstIndex(of: ":") ?? text.endIndex
            self.init(host: text[..<end], afterHost: text[end...])
        }
    }

    private init?(host: some StringProtocol, afterHost rest: some StringProtocol) {
        guard !host.isEmpty, !host.contains(where: { $0 == "/" || $0.isWhitespace }) else { return nil }
        guard !rest.isEmpty else {
            self.init(host: String(host))
            return
        }
        guard rest.first == ":", let port = Int(rest.dropFirst()), (1...65535).contains(port) else { return nil }
        self.init(host: String(host), port: port)
    }

    /// Reads addresses separated by commas, as `bootstrap.servers` has them, in their order; nil when one of them is
    /// malformed or there is none.
    public static func list(_ text: some StringProtocol) -> [BrokerAddress]? {
        var addresses: [BrokerAddress] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: true) {
            let trimmed = part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
            guard let address = BrokerAddress(String(trimmed)) else { return nil }
            addresses.append(address)
        }
        return addresses.isEmpty ? nil : addresses
    }
}

extension BrokerAddress: CustomStringConvertible {
    /// `host:port`, an IPv6 address in brackets.
    public var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}
