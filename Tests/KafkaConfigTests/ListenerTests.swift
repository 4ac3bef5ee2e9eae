// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaConfig
import Testing

@Suite("Listeners")
struct ListenerTests {
    @Test("names, hosts, IPv6 brackets, any interface and any port are read")
    func parsing() throws {
        let config = try BrokerConfig(resolving: [
            "listeners": "PLAINTEXT://:9092, internal://127.0.0.1:0,SIX://[::1]:9093",
            "listener.security.protocol.map": "INTERNAL:PLAINTEXT,SIX:PLAINTEXT",
            "advertised.listeners": "INTERNAL://broker.example:19092",
        ])
        #expect(
            config.listeners == [
                Listener(name: "PLAINTEXT", host: "", port: 9092),
                Listener(name: "INTERNAL", host: "127.0.0.1", port: 0),
                Listener(name: "SIX", host: "::1", port: 9093),
            ])
        #expect(config.advertisedListeners == [Listener(name: "INTERNAL", host: "broker.example", port: 19092)])
        #expect(config.listeners[2].description == "SIX://[::1]:9093")
        #expect(try BrokerConfig().listeners == [Listener(name: "PLAINTEXT", host: "", port: 9092)])
        #expect(try BrokerConfig().advertisedListeners.isEmpty)
    }

    @Test("the listeners of Kafka's controllers are passed over")
    func controllers() throws {
        let config = try BrokerConfig(resolving: [
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093", "controller.listener.names": "CONTROLLER",
        ])
        #expect(config.listeners.map(\.name) == ["PLAINTEXT"])
    }

    @Test(
        "what cannot be listened on is refused",
        arguments: [
            ("listeners", ""), ("listeners", ","), ("listeners", "PLAINTEXT"), ("listeners", "://x:1"),
            ("listeners", "PLAINTEXT://x"), ("listeners", "PLAINTEXT://x:"), ("listeners", "PLAINTEXT://x:65536"),
            ("listeners", "PLAINTEXT://x:-1"), ("listeners", "PLAINTEXT://x:+1"), ("listeners", "PLAINTEXT://::1:9092"),
            ("listeners", "PLAINTEXT://[x]:1"), ("listeners", "PLAINTEXT://a b:1"), ("listeners", "PLAINTEXT://x/y:1"),
            ("listeners", "SSL://:9093"), ("listeners", "MINE://:9093"), ("listeners", "PLAINTEXT://:1,PLAINTEXT://:2"),
            ("advertised.listeners", "PLAINTEXT://:9092"), ("advertised.listeners", "PLAINTEXT://0.0.0.0:9092"),
            ("advertised.listeners", "PLAINTEXT://x:0"), ("advertised.listeners", "SSL://x:1"),
            ("listener.security.protocol.map", "X"), ("listener.security.protocol.map", "X:Y"),
        ])
    func refusals(name: String, value: String) {
        let error = #expect(throws: ConfigError.self) { try BrokerConfig(resolving: [name: value]) }
        #expect(error?.name == name)
        #expect(error?.code == .invalidValue)
    }
}
