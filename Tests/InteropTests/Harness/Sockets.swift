// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Sockets, as far as the harness needs them.
enum Sockets {
    /// Outside the range from which the system takes ports for outgoing connections: a broker that is started again
    /// has to get the same port again.
    private static let ports: Range<UInt16> = 20_000..<32_000

    /// A port of 127.0.0.1 that nobody listens on.
    static func freePort() -> UInt16 {
        var generator = SystemRandomNumberGenerator()
        while true {
            let port = UInt16.random(in: Self.ports, using: &generator)
            if Self.with("0.0.0.0", port, { bind($0, $1, $2) }) { return port }
        }
    }

    /// Whether somebody accepts connections there.
    static func accepts(host: String, port: UInt16) -> Bool { Self.with(host, port) { connect($0, $1, $2) } }

    /// The first IPv4 address of this machine that is not a loopback one.
    static func otherAddress() -> String? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr, address.pointee.sa_family == AF_INET else { continue }
            var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let size = socklen_t(MemoryLayout<sockaddr_in>.size)
            guard getnameinfo(address, size, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0 else {
                continue
            }
            let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if !text.hasPrefix("127.") { return text }
        }
        return nil
    }

    private static func with(
        _ host: String,
        _ port: UInt16,
        _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return withUnsafeBytes(of: &address) { bytes in
            guard let start = bytes.baseAddress else { return false }
            return body(descriptor, start.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count)) == 0
        }
    }
}
