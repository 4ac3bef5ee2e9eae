// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import KafkaClient

@Suite struct ClusterConnectionTests {
    // MARK: Lanes

    @Test("tasks that want a connection at the same time get the same one, and those in another lane another")
    func lanes() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            let address = client.configuration.bootstrap[0]
            let connections = try await withThrowingTaskGroup { group in
                for _ in 0..<20 { group.addTask { try await client.connection(to: address) } }
                return try await group.reduce(into: [KafkaConnection]()) { $0.append($1) }
            }
            #expect(connections.allSatisfy { $0 === connections[0] })
            let (one, two) = (client.makeLane("fetch"), client.makeLane("fetch"))
            let inOne = try await client.connection(to: address, lane: one)
            let inTwo = try await client.connection(to: address, lane: two)
            #expect(inOne !== connections[0] && inTwo !== connections[0] && inOne !== inTwo)
            await client.close(one)
            #expect(!inOne.isOpen && inTwo.isOpen && connections[0].isOpen)
        }
    }

    @Test("a connection that ended is made anew when it is asked for")
    func reconnects() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            let address = client.configuration.bootstrap[0]
            let first = try await client.connection(to: address)
            await first.close()
            let second = try await client.connection(to: address)
            #expect(second !== first && second.isOpen)
        }
    }

    @Test("a task that is cancelled while it connects leaves the connection to those that wait for it")
    func cancelledConnect() async throws {
        try await FakeCluster.run(brokers: 1, handler: { _, _ in .close }) { _, client in
            let address = client.configuration.bootstrap[0]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<20 {
                    group.addTask {
                        let connecting = Task { try await client.connection(to: address) }
                        if index.isMultiple(of: 2) {
                            connecting.cancel()
                            _ = try? await connecting.value
                        } else {
                            let connection = try await connecting.value
                            #expect(connection.isOpen)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a connection that nobody uses closes itself, and one in use does not")
    func idle() async throws {
        var configuration = KafkaConnectionConfiguration()
        configuration.idleTimeout = .seconds(60)
        configuration.requestTimeout = .seconds(1000)
        let (connection, broker) = try await ScriptedBroker.connected(
            serving: [.apiVersions: 0...4, .metadata: 0...12], configuration)
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(40))
        async let answer = connection.send(MetadataRequest())
        let request = try await broker.nextRequest()
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(100))
        #expect(connection.isOpen)
        try await broker.answer(request, with: MetadataResponse())
        _ = try await answer
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(59))
        #expect(connection.isOpen)
        await broker.channel.testingEventLoop.advanceTime(by: .seconds(61))
        #expect(!connection.isOpen)
    }

    // MARK: Logins

    @Test("a login that is refused is not tried again, and the error says so at once")
    func refusedLogin() async throws {
        try await FakeCluster.run(
            brokers: 1, versions: [.saslHandshake: 0...1, .saslAuthenticate: 0...2],
            handler: { _, request in
                guard request.api == .saslAuthenticate else { return .answer(SaslHandshakeResponse()) }
                var response = SaslAuthenticateResponse()
                response.errorCode = ErrorCode.saslAuthenticationFailed.rawValue
                return .answer(response)
            }
        ) { fake, client in
            var configuration = client.configuration
            configuration.security = .saslPlaintext(.plain(username: "alice", password: "x"))
            configuration.bootstrap += configuration.bootstrap.map { BrokerAddress(host: "localhost", port: $0.port) }
            let error = await #expect(throws: KafkaClientError.self) {
                try await KafkaCluster.withCluster(configuration) { try await $0.describeCluster() }
            }
            #expect(error?.code == .authenticationFailed)
            #expect(fake.log.filter { $0.api == .saslAuthenticate }.count == 1)
        }
    }

    @Test("a bootstrap list may come as text")
    func bootstrapText() throws {
        let configuration = try KafkaClusterConfiguration(bootstrap: "a:9092, b", security: .tls)
        #expect(configuration.bootstrap.map(\.description) == ["a:9092", "b:9092"])
        for text in ["", "a:b", "a:9092,:1"] {
            let error = #expect(throws: KafkaClientError.self) { try KafkaClusterConfiguration(bootstrap: text) }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    // MARK: Metadata

    @Test("many tasks that ask for topics at once cause one request, and one more for those that came later")
    func sharedRefresh() async throws {
        let refresher = MetadataRefresher()
        let requests = Mutex<[Set<String>]>([])
        let (gate, open) = AsyncStream<Void>.makeStream()
        let ask: @Sendable (Set<String>) async throws -> MetadataRefresher.Topics = { names in
            try await refresher.topics(names) { asked in
                requests.withLock { $0.append(asked) }
                for await _ in gate { break }
                return Dictionary(uniqueKeysWithValues: asked.map { ($0, Self.topic($0)) })
            }.topics
        }
        try await withThrowingTaskGroup(of: Set<String>.self) { group in
            group.addTask { Set(try await ask(["a", "b"]).keys) }
            while requests.withLock(\.isEmpty) { await Task.yield() }
            for _ in 0..<20 { group.addTask { Set(try await ask(["a"]).keys) } }
            for index in 0..<20 { group.addTask { Set(try await ask(["t\(index)"]).keys) } }
            while refresher.waitingCount < 39 { await Task.yield() }
            open.yield()
            open.yield()
            var sizes: [Int] = []
            for try await topics in group { sizes.append(topics.count) }
            #expect(sizes.filter { $0 == 2 }.count == 21)
            #expect(sizes.filter { $0 == 20 }.count == 20)
        }
        #expect(requests.withLock(\.self) == [["a", "b"], Set((0..<20).map { "t\($0)" })])
    }

    private static func topic(_ name: String) -> TopicDescription {
        TopicDescription(name: name, topicID: nil, isInternal: false, errorCode: .none, partitions: [])
    }

    @Test("what is known of a topic is asked for again when it is old")
    func ages() async throws {
        try await FakeCluster.run(brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .close }) { fake, client in
            var configuration = client.configuration
            for (age, expected) in [(Duration.seconds(300), 1), (.zero, 2)] {
                configuration.metadataAgeMax = age
                fake.update { $0.leaders["orders"] = [0] }
                try await KafkaCluster.withCluster(configuration) { cluster in
                    let first = try await cluster.topic("orders")
                    #expect(first.partitions.count == 1)
                    fake.update { $0.leaders["orders"] = [0, 0] }
                    let second = try await cluster.topic("orders")
                    #expect(second.partitions.count == expected)
                }
            }
        }
    }

    @Test("who waits for news of metadata is woken by the next answer")
    func news() async throws {
        try await FakeCluster.run(brokers: 1, leaders: ["orders": [0]], handler: { _, _ in .close }) { _, client in
            let before = client.metadata
            #expect(before.topic("orders") == nil)
            async let news = client.metadata(after: before.version)
            _ = try await client.topic("orders")
            #expect(try await news.topic("orders")?.partitions.count == 1)
            #expect(before.topic("orders") == nil)
        }
    }

    @Test("brokers that are all gone are looked up again by the bootstrap list")
    func rebootstrap() async throws {
        try await FakeCluster.run(brokers: 2, leaders: ["orders": [1]], handler: { _, _ in .close }) { fake, client in
            let real = fake.ports
            // The cluster names brokers that nobody can reach.
            fake.update { $0.ports = [0: 1, 1: 2] }
            #expect(try await client.describeCluster().brokers.map(\.address.port) == [1, 2])
            await client.pool.closeAll()
            fake.update { $0.ports = real }
            let brokers = try await client.describeCluster().brokers
            #expect(brokers.map(\.address.port) == [real[0], real[1]])
        }
    }
}
