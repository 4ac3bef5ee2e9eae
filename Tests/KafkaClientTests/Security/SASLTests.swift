// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaWire
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct SASLTests {
    private static let served: [APIKey: ClosedRange<Int16>] = [
        .apiVersions: 0...4, .metadata: 0...12, .saslHandshake: 0...1, .saslAuthenticate: 0...2,
    ]
    private static let plain = KafkaSASL.plain(username: "alice", password: "wonderland")

    /// A client that logs in, and the other end.
    private static func login(
        _ sasl: KafkaSASL, serving: [APIKey: ClosedRange<Int16>] = Self.served,
        _ broker: @Sendable (ScriptedBroker) async throws -> Void
    ) async throws -> Result<KafkaConnection, KafkaClientError> {
        let scripted = try await ScriptedBroker(security: .saslPlaintext(sasl))
        async let connection = Self.result { try await scripted.connect() }
        let versions = try await scripted.nextRequest()
        try await scripted.answer(versions, with: ScriptedBroker.versions(serving))
        try await broker(scripted)
        return try await connection
    }

    private static func result<Value>(_ body: () async throws -> Value) async throws -> Result<Value, KafkaClientError>
    {
        do {
            return .success(try await body())
        } catch let error as KafkaClientError {
            return .failure(error)
        }
    }

    private static func handshake(
        _ broker: ScriptedBroker, _ errorCode: ErrorCode = .none, offers: [String] = []
    ) async throws -> String {
        let request = try await broker.nextRequest()
        #expect(request.api == .saslHandshake)
        #expect(request.version == 1)
        var response = SaslHandshakeResponse()
        response.errorCode = errorCode.rawValue
        response.mechanisms = offers
        try await broker.answer(request, with: response)
        return try SaslHandshakeRequest.decode(request.body, version: request.version).mechanism
    }

    /// Answers the next step of the login, and returns what came.
    @discardableResult
    private static func step(
        _ broker: ScriptedBroker, _ answer: (String) -> String = { _ in "" }, _ errorCode: ErrorCode = .none,
        message: String? = nil, lifetimeMs: Int64 = 0
    ) async throws -> String {
        let request = try await broker.nextRequest()
        #expect(request.api == .saslAuthenticate)
        let bytes = try SaslAuthenticateRequest.decode(request.body, version: request.version).authBytes
        var response = SaslAuthenticateResponse()
        response.errorCode = errorCode.rawValue
        response.errorMessage = message
        response.authBytes = ByteBuffer(string: answer(String(buffer: bytes)))
        response.sessionLifetimeMs = lifetimeMs
        try await broker.answer(request, with: response)
        return String(buffer: bytes)
    }

    // MARK: PLAIN

    @Test("PLAIN follows ApiVersions and the handshake, before any other request")
    func plain() async throws {
        let connection = try await Self.login(Self.plain) { broker in
            let mechanism = try await Self.handshake(broker)
            #expect(mechanism == "PLAIN")
            let sent = try await Self.step(broker)
            #expect(sent == "\0alice\0wonderland")
        }.get()
        #expect(connection.isOpen)
    }

    @Test("a refusal names mechanism and user, not the password, and is not to be repeated")
    func refusal() async throws {
        let result = try await Self.login(Self.plain) { broker in
            _ = try await Self.handshake(broker)
            try await Self.step(
                broker, { _ in "" }, .saslAuthenticationFailed, message: "Authentication failed: no such user")
        }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.errorCode == .saslAuthenticationFailed)
        #expect(error?.isRetriable == false)
        #expect(error?.message.contains("PLAIN as alice") == true)
        #expect(error?.message.contains("no such user") == true)
        #expect(error?.message.contains("wonderland") == false)
    }

    @Test("a broker that offers other mechanisms is asked which")
    func otherMechanisms() async throws {
        let result = try await Self.login(Self.plain) { broker in
            _ = try await Self.handshake(broker, .unsupportedSaslMechanism, offers: ["GSSAPI", "SCRAM-SHA-512"])
        }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.message.contains("but GSSAPI, SCRAM-SHA-512") == true)
    }

    @Test("a broker that offers no login is found out before the password is sent")
    func noLogin() async throws {
        for serving in [Self.served.filter { $0.key == .apiVersions }, Self.served] {
            let result = try await Self.login(Self.plain, serving: serving) { broker in
                if serving.count > 1 { _ = try await Self.handshake(broker, .illegalSaslState) }
            }
            let error = #expect(throws: KafkaClientError.self) { try result.get() }
            #expect(error?.code == .authenticationFailed)
            #expect(error?.message.contains("SASL, or connect without") == true)
        }
    }

    @Test("a broker that closes at the first request is suspected to expect a login")
    func loginExpected() async throws {
        let (connection, broker) = try await ScriptedBroker.connected(serving: Self.served)
        async let result = Self.result { _ = try await connection.send(MetadataRequest()) }
        _ = try await broker.nextRequest()
        try await broker.close()
        let outcome = try await result
        let error = #expect(throws: KafkaClientError.self) { try outcome.get() }
        #expect(error?.code == .connectionClosed)
        #expect(error?.message.contains("configure SASL") == true)
    }

    // MARK: SCRAM

    #if SCRAM
    /// The broker's half: what to answer to each message of the client.
    private final class ScramBroker: Sendable {
        private static let salt = Array("salt of the broker".utf8)
        private let password: String
        private let clientFirst = Mutex("")

        init(password: String) { self.password = password }

        var nonce: String {
            let fields = self.clientFirst.withLock { $0.split(separator: ",") }
            return fields.first { $0.hasPrefix("r=") }.map { String($0.dropFirst(2)) } ?? ""
        }

        func answer(_ message: String) -> String {
            if !message.hasPrefix("c=") { self.clientFirst.withLock { $0 = String(message.dropFirst(3)) } }
            let serverFirst = "r=\(self.nonce)broker,s=\(Base64.encode(Self.salt)),i=4096"
            guard message.hasPrefix("c=") else { return serverFirst }
            let withoutProof = message.split(separator: ",").dropLast().joined(separator: ",")
            let keys = ScramKeys(.sha512, password: self.password, salt: Self.salt, iterations: 4096)
            let authMessage = "\(self.clientFirst.withLock { $0 }),\(serverFirst),\(withoutProof)"
            let proof = Base64.encode(keys.clientProof(authMessage: authMessage))
            // An impostor takes any proof.
            guard message.hasSuffix(",p=\(proof)") || self.password != "wonderland" else { return "e=invalid-proof" }
            return "v=\(Base64.encode(keys.serverSignature(authMessage: authMessage)))"
        }
    }

    @Test("SCRAM takes two rounds, and a new nonce each time")
    func scram() async throws {
        let nonces = Mutex<[String]>([])
        for _ in 0..<2 {
            let sasl = KafkaSASL.scram(.sha512, username: "alice", password: "wonderland")
            _ = try await Self.login(sasl) { broker in
                let mechanism = try await Self.handshake(broker)
                #expect(mechanism == "SCRAM-SHA-512")
                let scram = ScramBroker(password: "wonderland")
                try await Self.step(broker) { scram.answer($0) }
                nonces.withLock { $0.append(scram.nonce) }
                try await Self.step(broker) { scram.answer($0) }
            }.get()
        }
        #expect(Set(nonces.withLock(\.self)).count == 2)
    }

    @Test("a broker that does not know the password itself is not believed")
    func impostor() async throws {
        let sasl = KafkaSASL.scram(.sha512, username: "alice", password: "wonderland")
        let result = try await Self.login(sasl) { broker in
            _ = try await Self.handshake(broker)
            let scram = ScramBroker(password: "guess")
            try await Self.step(broker) { scram.answer($0) }
            try await Self.step(broker) { scram.answer($0) }
        }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.message.contains("impostor") == true)
    }
    #endif

    // MARK: OAUTHBEARER

    @Test("OAUTHBEARER sends the token with its extensions")
    func oauthBearer() async throws {
        let sasl = KafkaSASL.oauthBearer {
            OAuthBearerToken(value: "abc.def-_~+/==", authorizationID: "a,b", extensions: ["traceID": "7", "b": "c"])
        }
        _ = try await Self.login(sasl) { broker in
            let mechanism = try await Self.handshake(broker)
            #expect(mechanism == "OAUTHBEARER")
            let expected = "n,a=a=2Cb,\u{1}auth=Bearer abc.def-_~+/==\u{1}b=c\u{1}traceID=7\u{1}\u{1}"
            let sent = try await Self.step(broker)
            #expect(sent == expected)
        }.get()
    }

    @Test("a token that is refused is explained with the broker's words")
    func refusedToken() async throws {
        let sasl = KafkaSASL.oauthBearer { OAuthBearerToken(value: "secret") }
        let result = try await Self.login(sasl) { broker in
            _ = try await Self.handshake(broker)
            try await Self.step(broker) { _ in "{\"status\":\"invalid_token\"}" }
            let sent = try await Self.step(broker, { _ in "" }, .saslAuthenticationFailed)
            #expect(sent == "\u{1}")
        }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.message.contains("invalid_token") == true)
        #expect(error?.message.contains("secret") == false)
    }

    @Test("a token that was refused stays refused, also when the broker goes on as if it were not")
    func refusedTokenAccepted() async throws {
        let sasl = KafkaSASL.oauthBearer { OAuthBearerToken(value: "secret") }
        let result = try await Self.login(sasl) { broker in
            _ = try await Self.handshake(broker)
            try await Self.step(broker) { _ in "{\"status\":\"invalid_token\"}" }
            try await Self.step(broker) { _ in "" }
        }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.message.contains("invalid_token") == true)
    }

    @Test(
        "tokens that would change the meaning of the message are not sent",
        arguments: [
            OAuthBearerToken(value: ""), OAuthBearerToken(value: "=="), OAuthBearerToken(value: "a\u{1}b"),
            OAuthBearerToken(value: "a b"), OAuthBearerToken(value: "a", extensions: ["auth": "x"]),
            OAuthBearerToken(value: "a", extensions: ["x": "\u{1}"]),
            OAuthBearerToken(value: "a", extensions: ["a=b": "x"]),
            OAuthBearerToken(value: "a", authorizationID: "\u{1}"),
        ])
    func invalidToken(_ token: OAuthBearerToken) async throws {
        let result = try await Self.login(.oauthBearer { token }) { _ in }
        #expect(throws: KafkaClientError.self) { try result.get() }
    }

    @Test("a source of tokens that fails is out of reach, not refused")
    func failingSource() async throws {
        struct Down: Error {}
        let result = try await Self.login(.oauthBearer { throw Down() }) { _ in }
        let error = #expect(throws: KafkaClientError.self) { try result.get() }
        #expect(error?.code == .connectionFailed)
        #expect(error?.cause is Down)
    }

    // MARK: Sessions

    @Test("a session that is about to end is renewed before the next request, and others wait for that")
    func renewal() async throws {
        let broker = try await ScriptedBroker(security: .saslPlaintext(Self.plain))
        async let connecting = broker.connect()
        try await broker.answer(try await broker.nextRequest(), with: ScriptedBroker.versions(Self.served))
        _ = try await Self.handshake(broker)
        try await Self.step(broker, lifetimeMs: 60_000)
        let connection = try await connecting

        await broker.channel.testingEventLoop.advanceTime(by: .seconds(50))
        async let early = connection.send(MetadataRequest())
        try await broker.answer(try await broker.nextRequest(), with: MetadataResponse())
        _ = try await early

        await broker.channel.testingEventLoop.advanceTime(by: .seconds(8))
        async let one = connection.send(MetadataRequest())
        async let two = connection.send(MetadataRequest())
        #expect(try await Self.handshake(broker) == "PLAIN")
        #expect(try await Self.step(broker, lifetimeMs: 60_000) == "\0alice\0wonderland")
        for _ in 0..<2 {
            let request = try await broker.nextRequest()
            #expect(request.api == .metadata)
            try await broker.answer(request, with: MetadataResponse())
        }
        _ = try await (one, two)
    }

    @Test("a renewal that is refused ends the connection")
    func refusedRenewal() async throws {
        let broker = try await ScriptedBroker(security: .saslPlaintext(Self.plain))
        async let connecting = broker.connect()
        try await broker.answer(try await broker.nextRequest(), with: ScriptedBroker.versions(Self.served))
        _ = try await Self.handshake(broker)
        try await Self.step(broker, lifetimeMs: 60_000)
        let connection = try await connecting
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(58))
        async let result = Self.result { _ = try await connection.send(MetadataRequest()) }
        _ = try await Self.handshake(broker)
        try await Self.step(broker, { _ in "" }, .saslAuthenticationFailed)
        let outcome = try await result
        let error = #expect(throws: KafkaClientError.self) { try outcome.get() }
        #expect(error?.code == .authenticationFailed)
        #expect(!connection.isOpen)
    }

    @Test("sessions are renewed between 85 and 95 percent of their time, and not at all without an end")
    func dueTimes() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let session = SASLSession(lifetimeMs: 1000, nowMs: 5000, using: &generator)
            #expect(!session.isDue(nowMs: 5849))
            #expect(session.isDue(nowMs: 5951))
        }
        for lifetimeMs in [Int64(0), -1, .min] {
            #expect(!SASLSession(lifetimeMs: lifetimeMs, nowMs: 0, using: &generator).isDue(nowMs: .max))
        }
        #expect(!SASLSession(lifetimeMs: .max, nowMs: .max - 5, using: &generator).isDue(nowMs: .max))
    }

    // MARK: Secrets

    @Test("secrets are not shown, wherever they stand")
    func redaction() {
        let token = OAuthBearerToken(value: "wonderland", lifetime: .seconds(5))
        var shown = "\(Self.plain) \(String(reflecting: Self.plain)) \(token) \(String(reflecting: token))"
        dump(Self.plain, to: &shown)
        dump(token, to: &shown)
        var configuration = KafkaClusterConfiguration(bootstrap: [], security: .sasl(Self.plain))
        configuration.connection.clientID = "test"
        dump(configuration, to: &shown)
        shown += "\(configuration)"
        #expect(!shown.contains("wonderland"))
        #expect("\(configuration.security)" == "SASL_SSL PLAIN as alice")
    }

    @Test("passwords and names that the protocol cannot carry are refused in the configuration")
    func validation() {
        for sasl in [
            KafkaSASL.plain(username: "", password: "x"), .plain(username: "x", password: ""),
            .plain(username: "a\0b", password: "x"), .scram(.sha256, username: "x", password: ""),
        ] {
            let error = #expect(throws: KafkaClientError.self) { try KafkaSecurity.saslPlaintext(sasl).validate() }
            #expect(error?.code == .invalidConfiguration)
        }
    }
}
