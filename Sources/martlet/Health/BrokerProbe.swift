// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOPosix

/// What one broker says about itself and its cluster over one connection of its own, without retries.
struct BrokerProbe: Sendable {
    var address: BrokerAddress
    var clusterID: String?
    /// Nil while there is none.
    var controller: NodeID?
    /// What it hands out to clients: ascending by node id.
    var brokers: [Member] = []
    /// With `readiness`: why clients could not work with it yet; empty when they could.
    var obstacles: [String] = []
    /// From the first packet to the exchange of versions.
    var connectTime = Duration.zero
    /// How long the answer to Metadata took, on a connection that was there.
    var roundTrip = Duration.zero

    /// A broker of the cluster, and where clients are told to reach it.
    struct Member: Hashable, Sendable {
        var nodeID: NodeID
        var address: BrokerAddress
    }

    /// How much is asked.
    enum Depth: Sendable {
        /// Versions, and Metadata without topics: the work does not grow with the cluster.
        case liveness
        /// All topics and the groups, too.
        case readiness
    }

    /// Asks a broker. Throws `KafkaClientError`, and `CancellationError`.
    static func ask(
        _ address: BrokerAddress, security: KafkaSecurity, timeout: Duration, depth: Depth,
        clock: ContinuousClock = ContinuousClock()
    ) async throws -> BrokerProbe {
        var configuration = KafkaConnectionConfiguration()
        configuration.connectTimeout = timeout
        configuration.requestTimeout = timeout
        let start = clock.now
        let connection = try await KafkaConnection.connect(
            to: address, configuration: configuration, security: security,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        var probe = BrokerProbe(address: address)
        probe.connectTime = start.duration(to: clock.now)
        do {
            try await probe.fill(connection, depth, clock)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return probe
    }

    /// Asks several at once, and takes the first answer with which clients can work, or else any answer. Throws the error
    /// of the first address when none answers.
    static func askFirst(
        of addresses: [BrokerAddress], security: KafkaSecurity, timeout: Duration, depth: Depth
    ) async throws -> BrokerProbe {
        try await withThrowingTaskGroup(of: (Int, Result<BrokerProbe, KafkaClientError>).self) { tasks in
            for (index, address) in addresses.enumerated() {
                tasks.addTask {
                    do {
                        let probe = try await self.ask(address, security: security, timeout: timeout, depth: depth)
                        return (index, .success(probe))
                    } catch let error as KafkaClientError {
                        return (index, .failure(error))
                    }
                }
            }
            defer { tasks.cancelAll() }
            var unfit: BrokerProbe?
            var failures: [(index: Int, error: KafkaClientError)] = []
            while let (index, result) = try await tasks.next() {
                switch result {
                case .success(let probe):
                    if probe.obstacles.isEmpty { return probe }
                    unfit = unfit ?? probe
                case .failure(let error):
                    failures.append((index, error))
                }
            }
            if let unfit { return unfit }
            let first = failures.min { $0.index < $1.index }
            throw first?.error ?? KafkaClientError(.clusterUnreachable, "no address is known")
        }
    }

    private mutating func fill(_ connection: KafkaConnection, _ depth: Depth, _ clock: ContinuousClock) async throws {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = false
        request.topics = depth == .readiness ? nil : []
        let start = clock.now
        // Before version 4 a question could create topics.
        let response = try await connection.send(request, versions: 4...Int16.max)
        self.roundTrip = start.duration(to: clock.now)
        let errorCode = ErrorCode(rawValue: response.errorCode)
        guard errorCode == .none else { throw KafkaClientError(errorCode, subject: "Metadata") }
        self.clusterID = response.clusterID
        self.controller = response.controllerID < 0 ? nil : NodeID(response.controllerID)
        self.brokers = response.brokers
            .map { broker in
                Member(
                    nodeID: NodeID(broker.nodeID), address: BrokerAddress(host: broker.host, port: Int(broker.port)))
            }
            .sorted { $0.nodeID < $1.nodeID }
        if self.controller == nil { self.obstacles.append("there is no controller") }
        if self.brokers.isEmpty { self.obstacles.append("it knows of no brokers") }
        guard depth == .readiness else { return }
        self.obstacles += Self.obstacles(in: response)
        let groups = ErrorCode(rawValue: try await connection.send(ListGroupsRequest()).errorCode)
        if groups != .none { self.obstacles.append("consumer groups cannot be listed yet: \(groups.name)") }
    }

    /// Partitions that nobody leads, in a few words.
    static func obstacles(in response: MetadataResponse) -> [String] {
        var missing: [String] = []
        for topic in response.topics {
            for partition in topic.partitions where partition.leaderID < 0 {
                missing.append("\(topic.name ?? "?")-\(partition.partitionIndex)")
            }
        }
        guard let first = missing.first else { return [] }
        let others = missing.count > 1 ? " and \(missing.count - 1) more have" : " has"
        return ["\(first)\(others) no leader"]
    }
}
