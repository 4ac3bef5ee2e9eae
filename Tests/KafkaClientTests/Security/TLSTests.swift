// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

#if TLS

import KafkaWire
import NIOPosix
import Testing

@testable import KafkaClient

@Suite struct TLSTests {
    private static let ca = KafkaTLSConfiguration.TrustRoots.only(.file(SecureServer.fixture("ca.pem")))
    private static let identity = KafkaTLSConfiguration.Identity(
        certificateChain: .file(SecureServer.fixture("client.pem")),
        privateKey: .file(SecureServer.fixture("client.key")))

    /// Connects and closes again.
    private static func connect(
        to port: Int, host: String = "localhost", _ security: KafkaSecurity
    ) async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.connectTimeout = .seconds(5)
        let connection = try await KafkaConnection.connect(
            to: BrokerAddress(host: host, port: port), configuration: configuration, security: security,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        #expect(connection.versions[.metadata] == 0...12)
        await connection.close()
    }

    private static func failure(
        of protection: SecureServer.Protection, host: String = "localhost", _ security: KafkaSecurity
    ) async throws -> KafkaClientError? {
        try await SecureServer.run(protection) { port in
            do {
                try await Self.connect(to: port, host: host, security)
                return nil
            } catch {
                return error as? KafkaClientError
            }
        }
    }

    @Test(
        "a broker whose certificate the CA vouches for is reached by name and by address",
        arguments: [
            "localhost", "127.0.0.1",
        ])
    func trusted(_ host: String) async throws {
        try await SecureServer.run(.tls("broker")) { port in
            try await Self.connect(to: port, host: host, .tls(KafkaTLSConfiguration(trustRoots: Self.ca)))
        }
    }

    @Test("a certificate of an unknown CA is refused, and so is one against the system's roots")
    func unknownCA() async throws {
        let other = KafkaTLSConfiguration(trustRoots: .only(.file(SecureServer.fixture("other-ca.pem"))))
        for security in [KafkaSecurity.tls(other), .tls] {
            let error = try await Self.failure(of: .tls("broker"), security)
            #expect(error?.code == .tlsFailed)
            #expect(error?.message.contains("nobody in trustRoots vouches for it") == true, "\(error as Any)")
            #expect(error?.isRetriable == false)
        }
    }

    @Test("a certificate that has expired is refused")
    func expired() async throws {
        let error = try await Self.failure(
            of: .tls("expired"), .tls(KafkaTLSConfiguration(trustRoots: Self.ca)))
        #expect(error?.code == .tlsFailed)
        #expect(error?.message.contains("has expired") == true)
    }

    @Test("a certificate for another host is refused by name and by address")
    func wrongHost() async throws {
        for host in ["localhost", "127.0.0.1"] {
            let error = try await Self.failure(
                of: .tls("elsewhere"), host: host, .tls(KafkaTLSConfiguration(trustRoots: Self.ca)))
            #expect(error?.code == .tlsFailed)
            #expect(error?.message.contains("its certificate is for another host") == true, "\(error as Any)")
        }
    }

    @Test("another host is right when it is the configured one, or when hosts are not checked")
    func toleratedHost() async throws {
        for tls in [
            KafkaTLSConfiguration(trustRoots: Self.ca, serverName: "elsewhere.test"),
            KafkaTLSConfiguration(trustRoots: Self.ca, verification: .withoutHostName),
            KafkaTLSConfiguration(verification: .none),
        ] {
            #expect(try await Self.failure(of: .tls("elsewhere"), .tls(tls)) == nil)
        }
    }

    @Test("hosts that are not checked do not make an unknown CA a known one")
    func withoutHostNameStillChecks() async throws {
        let tls = KafkaTLSConfiguration(
            trustRoots: .only(.file(SecureServer.fixture("other-ca.pem"))), verification: .withoutHostName)
        #expect(try await Self.failure(of: .tls("broker"), .tls(tls))?.code == .tlsFailed)
    }

    @Test("a broker that wants the client's certificate gets it, and says so when there is none")
    func mutual() async throws {
        let with = KafkaTLSConfiguration(trustRoots: Self.ca, identity: Self.identity)
        #expect(try await Self.failure(of: .mutual("broker"), .tls(with)) == nil)
        let without = try await Self.failure(of: .mutual("broker"), .tls(KafkaTLSConfiguration(trustRoots: Self.ca)))
        #expect(without?.code == .tlsFailed)
        #expect(without?.message.contains("identity in the TLS configuration") == true, "\(without as Any)")
    }

    @Test("a broker without TLS that is met with TLS is an error that says so")
    func plaintextBroker() async throws {
        let error = try await Self.failure(of: .plaintext, .tls(KafkaTLSConfiguration(trustRoots: Self.ca)))
        #expect(error?.code == .tlsFailed)
        #expect(error?.message.contains("connect without TLS") == true, "\(error as Any)")
    }

    @Test("a broker with TLS that is met without is an error that says so")
    func tlsBroker() async throws {
        let error = try await Self.failure(of: .tls("broker"), .plaintext)
        #expect(error?.code == .notKafka)
        #expect(error?.message.contains("connect with TLS") == true, "\(error as Any)")
    }

    @Test("files that are missing or do not fit are named before anything is connected to")
    func unreadable() async throws {
        let missing = KafkaTLSConfiguration(trustRoots: .only(.file("/nowhere/ca.pem")))
        let error = try await Self.failure(of: .tls("broker"), .tls(missing))
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("/nowhere/ca.pem") == true)
        let mismatched = KafkaTLSConfiguration(
            trustRoots: Self.ca,
            identity: KafkaTLSConfiguration.Identity(
                certificateChain: .file(SecureServer.fixture("client.pem")),
                privateKey: .file(SecureServer.fixture("broker.key"))))
        #expect(try await Self.failure(of: .tls("broker"), .tls(mismatched))?.code == .invalidConfiguration)
        let text = KafkaTLSConfiguration(trustRoots: .only(.text("no certificate")))
        #expect(try await Self.failure(of: .tls("broker"), .tls(text))?.code == .invalidConfiguration)
    }

    @Test("keys are not shown, wherever they stand")
    func redaction() {
        let key = KafkaTLSConfiguration.PEM.text("-----BEGIN PRIVATE KEY-----")
        let tls = KafkaTLSConfiguration(
            identity: KafkaTLSConfiguration.Identity(certificateChain: key, privateKey: key))
        #expect("\(KafkaSecurity.tls(tls))" == "SSL")
        #expect(!String(reflecting: tls).contains("BEGIN"))
        var dumped = ""
        dump(tls, to: &dumped)
        #expect(!dumped.contains("BEGIN"))
    }
}

#endif
