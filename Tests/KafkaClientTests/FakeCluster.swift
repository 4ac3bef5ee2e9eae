// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import NIOPosix
import Synchronization

@testable import KafkaClient

/// Brokers on real sockets whose answers a test decides; they share what they say about the cluster.
final class FakeCluster: Sendable {
    enum Reply: Sendable {
        case answer(any KafkaMessage)
        /// The connection ends without an answer.
        case close
        /// No answer, and the connection stays open.
        case silence
    }

    struct State: Sendable {
        /// Node id to port.
        var ports: [Int32: Int] = [:]
        var controller: Int32 = 0
        /// Topic to the leaders of its partitions.
        var leaders: [String: [Int32]] = [:]
        /// Of all partitions.
        var leaderEpoch: Int32 = -1
        /// Group to its coordinator; there is none available for others.
        var coordinators: [String: Int32] = [:]
        /// What the brokers serve; nothing else.
        var versions: [APIKey: ClosedRange<Int16>] = [
            .apiVersions: 0...4, .metadata: 0...12, .produce: 0...12, .fetch: 4...16, .listOffsets: 1...9,
            .createTopics: 2...7, .deleteTopics: 1...6, .initProducerID: 0...4, .findCoordinator: 0...6,
            .listGroups: 0...5, .describeGroups: 0...6, .deleteGroups: 0...2, .offsetFetch: 1...10,
            .offsetCommit: 2...10, .offsetDelete: 0...0, .consumerGroupDescribe: 0...1,
            .consumerGroupHeartbeat: 0...1,
        ]
        /// The requests that came, in their order, without ApiVersions and Metadata.
        var log: [Call] = []
    }

    struct Call: Sendable, Equatable {
        var node: Int32
        var api: APIKey
    }

    typealias Handler = @Sendable (_ node: Int32, _ request: ScriptedBroker.Request) throws -> Reply

    private let state: Mutex<State>
    private let handler: Handler

    private init(_ state: State, handler: @escaping Handler) {
        self.state = Mutex(state)
        self.handler = handler
    }

    /// Runs `body` with brokers 0 to `brokerCount - 1` and a client of theirs that does not wait between attempts.
    static func run(
        brokers brokerCount: Int32, leaders: [String: [Int32]] = [:], coordinators: [String: Int32] = [:],
        versions: [APIKey: ClosedRange<Int16>?] = [:], handler: @escaping Handler,
        _ body: @Sendable (FakeCluster, KafkaCluster) async throws -> Void
    ) async throws {
        var state = State(leaders: leaders, coordinators: coordinators)
        for (api, range) in versions { state.versions[api] = range }
        let fake = FakeCluster(state, handler: handler)
        let group = MultiThreadedEventLoopGroup.singleton
        var servers: [any Channel] = []
        for node in 0..<brokerCount {
            let server = try await ServerBootstrap(group: group)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(FakeBrokerHandler(node: node, cluster: fake))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            servers.append(server)
            fake.state.withLock { $0.ports[node] = server.localAddress?.port }
        }
        let port = fake.state.withLock { $0.ports[0] } ?? 0
        let configuration = KafkaClusterConfiguration(bootstrap: [BrokerAddress(host: "127.0.0.1", port: port)])
        let client = KafkaCluster(
            configuration, eventLoopGroup: group, logger: .disabled, clock: ImpatientClock())
        do {
            try await body(fake, client)
        } catch {
            await client.close()
            throw error
        }
        await client.close()
        for server in servers { try await server.close() }
    }

    func update(_ change: (inout State) -> Void) { self.state.withLock { change(&$0) } }

    /// Node id to port.
    var ports: [Int32: Int] { self.state.withLock(\.ports) }

    var log: [Call] { self.state.withLock(\.log) }

    fileprivate func reply(node: Int32, to request: ScriptedBroker.Request) throws -> Reply {
        switch request.api {
        case .apiVersions:
            return .answer(ScriptedBroker.versions(self.state.withLock(\.versions)))
        case .metadata:
            return .answer(try self.metadata(MetadataRequest.decode(request.body, version: request.version)))
        case .findCoordinator:
            self.state.withLock { $0.log.append(Call(node: node, api: request.api)) }
            return .answer(
                self.coordinators(try FindCoordinatorRequest.decode(request.body, version: request.version)))
        default:
            self.state.withLock { $0.log.append(Call(node: node, api: request.api)) }
            return try self.handler(node, request)
        }
    }

    /// Fills the fields of old and of new versions: those that do not belong are left out on the wire.
    private func coordinators(_ request: FindCoordinatorRequest) -> FindCoordinatorResponse {
        let state = self.state.withLock(\.self)
        func coordinator(_ key: String) -> FindCoordinatorResponse.Coordinator {
            var coordinator = FindCoordinatorResponse.Coordinator()
            coordinator.key = key
            guard let node = state.coordinators[key], let port = state.ports[node] else {
                coordinator.errorCode = ErrorCode.coordinatorNotAvailable.rawValue
                return coordinator
            }
            coordinator.nodeID = node
            coordinator.host = "127.0.0.1"
            coordinator.port = Int32(port)
            return coordinator
        }
        var response = FindCoordinatorResponse()
        if request.coordinatorKeys.isEmpty {
            let found = coordinator(request.key)
            (response.errorCode, response.nodeID) = (found.errorCode, found.nodeID)
            (response.host, response.port) = (found.host, found.port)
        } else {
            response.coordinators = request.coordinatorKeys.map(coordinator)
        }
        return response
    }

    /// Topics have to differ in the length of their names.
    static func topicID(of name: String) -> TopicID { TopicID(high: 1, low: UInt64(name.utf8.count)) }

    private func metadata(_ request: MetadataRequest) -> MetadataResponse {
        let state = self.state.withLock(\.self)
        var response = MetadataResponse()
        response.controllerID = state.controller
        response.brokers = state.ports.sorted { $0.key < $1.key }.map { node, port in
            var broker = MetadataResponse.MetadataResponseBroker()
            broker.nodeID = node
            broker.host = "127.0.0.1"
            broker.port = Int32(port)
            return broker
        }
        let names = request.topics?.map { topic in
            topic.name ?? state.leaders.keys.first { Self.topicID(of: $0) == topic.topicID } ?? ""
        }
        response.topics = (names ?? state.leaders.keys.sorted()).map { name in
            var topic = MetadataResponse.MetadataResponseTopic()
            topic.name = name
            guard let leaders = state.leaders[name] else {
                topic.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                return topic
            }
            topic.topicID = Self.topicID(of: name)
            topic.partitions = leaders.enumerated().map { index, leader in
                var partition = MetadataResponse.MetadataResponsePartition()
                partition.partitionIndex = Int32(index)
                partition.leaderID = leader
                partition.leaderEpoch = state.leaderEpoch
                return partition
            }
            return topic
        }
        return response
    }
}

/// Does not wait at all: attempts follow each other at once.
private struct ImpatientClock: Clock {
    typealias Duration = Swift.Duration

    private let clock = ContinuousClock()

    var now: ContinuousClock.Instant { self.clock.now }
    var minimumResolution: Duration { self.clock.minimumResolution }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
    }
}

private final class FakeBrokerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let node: Int32
    private let cluster: FakeCluster
    private var frames = FrameAccumulator(frameBytesMax: 1 << 30)

    init(node: Int32, cluster: FakeCluster) {
        self.node = node
        self.cluster = cluster
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.frames.append(self.unwrapInboundIn(data))
        do {
            while let frame = try self.frames.nextFrame() {
                let request = try ScriptedBroker.request(frame)
                switch try self.cluster.reply(node: self.node, to: request) {
                case .answer(let message):
                    let frame = try ScriptedBroker.frame(message, to: request)
                    context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
                case .close:
                    context.close(promise: nil)
                case .silence:
                    break
                }
            }
        } catch {
            context.close(promise: nil)
        }
    }
}
