// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore
import NIOPosix

/// Ports of 127.0.0.1 that nobody listens on. They are free again when this returns: somebody else could be quicker, but
/// the system hands out others first.
func freePorts(_ count: Int) throws -> [Int] {
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    let channels = try (0..<count).map { _ in try bootstrap.bind(host: "127.0.0.1", port: 0).wait() }
    defer { for channel in channels { try? channel.close().wait() } }
    return channels.compactMap { $0.localAddress?.port }
}
