// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// A name and an address, as `listeners` and `advertised.listeners` write them: `PLAINTEXT://host:9092`.
public struct Listener: Sendable, Hashable, CustomStringConvertible {
    /// What a listener's bytes are wrapped in. So far there is one way.
    public enum SecurityProtocol: String, Sendable, Hashable, CaseIterable {
        case plaintext = "PLAINTEXT"
    }

    /// In upper case.
    public let name: String
    /// What its bytes are wrapped in.
    public let securityProtocol: SecurityProtocol
    /// A name or an address, an IPv6 address without its brackets; empty for all interfaces.
    public let host: String
    /// 0 for any free port, only where it is listened on.
    public let port: UInt16

    /// A listener; nothing is checked.
    public init(name: String, securityProtocol: SecurityProtocol = .plaintext, host: String, port: UInt16) {
        self.name = name
        self.securityProtocol = securityProtocol
        self.host = host
        self.port = port
    }

    /// `NAME://host:port`, an IPv6 address in brackets.
    public var description: String {
        "\(self.name)://\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(self.port)"
    }

    /// Splits `NAME://host:port`; the reason if it cannot be.
    static func split(_ text: String) -> Result<(name: String, host: String, port: UInt16), SplitError> {
        let bytes = Array(text.utf8)
        guard let mark = bytes.indices.dropLast(2).first(where: { bytes[$0...].starts(with: "://".utf8) }), mark > 0
        else { return .failure(SplitError("\(text) is not of the form name://host:port")) }
        let name = String(decoding: bytes[..<mark], as: UTF8.self)
        let address = bytes[(mark + 3)...]
        guard let colon = address.lastIndex(of: UInt8(ascii: ":")) else {
            return .failure(SplitError("\(text) has no port: write name://host:port"))
        }
        let portText = String(decoding: address[(colon + 1)...], as: UTF8.self)
        guard let port = UInt16(portText), portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return .failure(SplitError("\(text) has no port from 0 to 65535 at its end"))
        }
        var host = String(decoding: address[..<colon], as: UTF8.self)
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":") else { return .failure(SplitError("\(text) has brackets around no IPv6 address")) }
        } else if host.contains(":") || host.contains("[") || host.contains("]") {
            return .failure(SplitError("\(text): an IPv6 address goes into brackets, as in name://[::1]:9092"))
        }
        guard !host.contains("/"), !host.contains(where: \.isWhitespace) else {
            return .failure(SplitError("\(text) is not of the form name://host:port"))
        }
        return .success((name.uppercased(), host, port))
    }

    struct SplitError: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }
}

/// `listeners`, `advertised.listeners` and what belongs to them, read together.
struct ListenerSettings {
    private(set) var listeners: [Listener] = []
    private(set) var advertised: [Listener] = []
    /// Those of `listeners` that are for controllers, as they were written.
    private(set) var controllers: [String] = []

    private let protocols: [String: String]
    private let controllerNames: Set<String>

    init(_ layers: ConfigLayers) throws(ConfigError) {
        self.controllerNames = Set(
            ConfigText.list(layers.value("controller.listener.names") ?? "").map { $0.uppercased() })
        self.protocols = try Self.protocols(layers.value("listener.security.protocol.map") ?? "")
        let text = layers.value("listeners") ?? "PLAINTEXT://:9092"
        self.listeners = try self.parse(text, of: "listeners")
        self.controllers = ConfigText.list(text).filter { item in
            guard case .success(let (name, _, _)) = Listener.split(item) else { return false }
            return self.controllerNames.contains(name)
        }
        guard !self.listeners.isEmpty else {
            throw .invalid(text, for: "listeners", "no listener is left for clients beside those of the controllers")
        }
        for (index, listener) in self.listeners.enumerated() where listener.port != 0 {
            if self.listeners[..<index].contains(where: { $0.port == listener.port && $0.host == listener.host }) {
                throw .invalid(text, for: "listeners", "two listeners have the address of \(listener)")
            }
        }
        guard let text = layers.value("advertised.listeners") else { return }
        self.advertised = try self.parse(text, of: "advertised.listeners")
        for listener in self.advertised { try self.checkAdvertised(listener, text) }
    }

    private func checkAdvertised(_ listener: Listener, _ text: String) throws(ConfigError) {
        let name = "advertised.listeners"
        guard self.listeners.contains(where: { $0.name == listener.name }) else {
            let known = self.listeners.map(\.name).joined(separator: ", ")
            throw .invalid(text, for: name, "\(listener.name) is no listener; there are: \(known)")
        }
        guard !["", "0.0.0.0", "::"].contains(listener.host) else {
            throw .invalid(text, for: name, "\(listener) has no host that a client could connect to")
        }
        guard listener.port != 0 else {
            throw .invalid(text, for: name, "\(listener) has no port that a client could connect to")
        }
    }

    private func parse(_ text: String, of config: String) throws(ConfigError) -> [Listener] {
        var result: [Listener] = []
        for item in ConfigText.list(text) {
            switch Listener.split(item) {
            case .failure(let error): throw .invalid(text, for: config, error.reason)
            case .success(let (name, host, port)):
                if self.controllerNames.contains(name) { continue }
                guard let protocolName = self.protocols[name] else {
                    throw .invalid(
                        text, for: config,
                        "\(name) has no protocol: add \(name):PLAINTEXT to listener.security.protocol.map")
                }
                guard let securityProtocol = Listener.SecurityProtocol(rawValue: protocolName) else {
                    throw .invalid(
                        text, for: config, "\(protocolName) (of listener \(name)) is not supported yet, only PLAINTEXT")
                }
                guard !result.contains(where: { $0.name == name }) else {
                    throw .invalid(text, for: config, "two listeners have the name \(name)")
                }
                result.append(Listener(name: name, securityProtocol: securityProtocol, host: host, port: port))
            }
        }
        return result
    }

    /// The addresses of `admin.listeners`, which have no names: `host:port`.
    static func admin(_ text: String?) throws(ConfigError) -> [Listener] {
        guard let text else { return [] }
        var result: [Listener] = []
        for item in ConfigText.list(text) {
            guard !item.contains("://"), case .success(let address) = Listener.split("admin://\(item)") else {
                throw .invalid(
                    text, for: "admin.listeners", "\(item) is not of the form host:port, such as 0.0.0.0:9644")
            }
            result.append(Listener(name: address.name, host: address.host, port: address.port))
        }
        return result
    }

    private static func protocols(_ text: String) throws(ConfigError) -> [String: String] {
        let known = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
        var result = Dictionary(uniqueKeysWithValues: known.map { ($0, $0) })
        for item in ConfigText.list(text) {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false).map { $0.uppercased() }
            guard parts.count == 2, !parts[0].isEmpty, known.contains(parts[1]) else {
                throw .invalid(
                    text, for: "listener.security.protocol.map",
                    "\(item) is not name:protocol with one of \(known.joined(separator: ", "))")
            }
            result[parts[0]] = parts[1]
        }
        return result
    }
}
