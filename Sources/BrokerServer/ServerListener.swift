// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import Broker
import NIOCore

/// Where the broker listens, and what it tells clients of it.
public struct ServerListener: Sendable {
    /// The name in `listeners`, for example PLAINTEXT.
    public var name: String
    /// The address to bind; empty for every interface.
    public var host: String
    /// The port to bind; 0 lets the system choose.
    public var port: Int
    /// The address of `advertised.listeners`; nil to answer with the address that each connection reached.
    public var advertised: Endpoint?

    /// A listener that is not bound yet.
    public init(name: String, host: String, port: Int, advertised: Endpoint?) {
        self.name = name
        self.host = host
        self.port = port
        self.advertised = advertised
    }

    /// What to tell a client on this connection of where the broker is.
    func endpoint(for channel: any Channel) -> Endpoint {
        if let advertised = self.advertised { return advertised }
        let local = channel.localAddress
        return Endpoint(
            host: local?.ipAddress.map(Self.plainAddress) ?? self.host, port: Int32(local?.port ?? self.port))
    }

    /// An IPv4 client of a dual-stack socket is seen at an IPv4-mapped IPv6 address, which not every client can parse.
    static func plainAddress(_ address: String) -> String {
        let prefix = "::ffff:"
        guard address.lowercased().hasPrefix(prefix), address.contains(".") else { return address }
        return String(address.dropFirst(prefix.count))
    }
}
