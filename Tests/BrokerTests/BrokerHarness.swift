// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import ClusterMetadata
import CommitLog
import Foundation
import KafkaConfig
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Runs `body` with a broker of its own: an empty data directory that goes away afterwards, metadata in memory, no
/// sockets, and clocks that the test turns.
///
/// - Parameters:
///   - configs: static broker configs by Kafka's names.
///   - fileSystem: where the logs are; a simulated one keeps them in memory.
///   - diskSpace: what the broker is told about its disk instead of the truth.
func withBroker(
    _ configs: [String: String] = [:],
    fileSystem: any FileSystem = POSIXFileSystem(),
    diskSpace: (@Sendable () -> DiskSpace?)? = nil,
    _ body: (BrokerHarness) async throws -> Void
) async throws {
    let harness = try BrokerHarness(configs, fileSystem, diskSpace)
    do {
        try await body(harness)
        try harness.close()
    } catch {
        try? harness.close()
        throw error
    }
}

/// A broker without sockets, and one connection to it.
final class BrokerHarness: Sendable {
    /// What the broker is told that clients reach it by: no address of this machine.
    static let endpoint = Endpoint(host: "broker.test", port: 19_092)
    static let nodeID: Int32 = 7
    static let clusterID = "test-cluster"

    let configs: [String: String]
    let directory: String
    let store = InMemoryMetadataStore()
    let connection: ConnectionContext
    private let fileSystem: any FileSystem
    private let diskSpace: (@Sendable () -> DiskSpace?)?
    private let running: Mutex<Broker>
    private let isClosed = Atomic<Bool>(false)
    private let correlationIDs = Atomic<Int32>(1)
    private let wallMilliseconds: SharedCounter
    private let monotonicNanoseconds: SharedCounter

    fileprivate init(
        _ configs: [String: String], _ fileSystem: any FileSystem, _ diskSpace: (@Sendable () -> DiskSpace?)?
    ) throws {
        self.configs = configs
        self.fileSystem = fileSystem
        self.diskSpace = diskSpace
        self.directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-broker-\(UUID().uuidString)").path
        self.wallMilliseconds = SharedCounter(1_700_000_000_000)
        self.monotonicNanoseconds = SharedCounter(1)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        self.connection = try eventLoop.submit {
            ConnectionContext(advertisedEndpoint: Self.endpoint, peer: "client.test", eventLoop: eventLoop)
        }.wait()
        self.running = Mutex(
            try Self.start(
                configs,
                directory: self.directory,
                store: self.store,
                clock: Self.clock(self.wallMilliseconds, self.monotonicNanoseconds),
                fileSystem: fileSystem,
                diskSpace: diskSpace
            )
        )
    }

    /// The broker that is running now.
    var broker: Broker { self.running.withLock { $0 } }

    /// Milliseconds since 1970, as the broker sees them.
    var now: Int64 { self.wallMilliseconds.value }

    /// Turns both clocks.
    func advance(milliseconds: Int64) {
        self.wallMilliseconds.add(milliseconds)
        self.monotonicNanoseconds.add(milliseconds * 1_000_000)
    }

    /// Sets the wall clock forward or back without time passing, as an operator or NTP does.
    func stepWall(milliseconds: Int64) {
        self.wallMilliseconds.add(milliseconds)
    }

    /// Shuts the broker down in order and starts another one on the same data.
    func restart() throws {
        try self.broker.shutDown()
        try self.startAgain()
    }

    /// Starts another broker on the same data, after one that has ended.
    func startAgain() throws {
        let clock = Self.clock(self.wallMilliseconds, self.monotonicNanoseconds)
        let broker = try Self.start(
            self.configs, directory: self.directory, store: self.store, clock: clock, fileSystem: self.fileSystem,
            diskSpace: self.diskSpace)
        self.running.withLock { $0 = broker }
    }

    /// Ends the broker whose disk has failed, so that it cannot be shut down in order.
    func end() {
        try? self.close()
    }

    fileprivate func close() throws {
        // A broker is shut down once, also when that fails.
        if self.isClosed.exchange(true, ordering: .acquiringAndReleasing) { return }
        defer { try? FileManager.default.removeItem(atPath: self.directory) }
        try self.broker.shutDown()
    }

    private static func clock(_ wall: SharedCounter, _ monotonic: SharedCounter) -> BrokerClock {
        BrokerClock(wallMilliseconds: { wall.value }, monotonicNanoseconds: { monotonic.value })
    }

    private static func start(
        _ configs: [String: String],
        directory: String,
        store: InMemoryMetadataStore,
        clock: BrokerClock,
        fileSystem: any FileSystem,
        diskSpace: (@Sendable () -> DiskSpace?)?
    ) throws -> Broker {
        var logger = Logger(label: "martlet.test", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        let configs = configs.merging(["node.id": String(Self.nodeID)]) { own, _ in own }
        return try Broker(
            config: BrokerConfig(resolving: configs),
            metadata: MetadataController(
                store: store, nodeID: NodeID(Self.nodeID), clusterID: Self.clusterID,
                generator: SystemRandomNumberGenerator()),
            logs: LogDirectory.open(fileSystem: fileSystem, path: directory),
            threads: BrokerThreads(io: 2, readers: 2),
            clock: clock,
            logger: logger,
            diskSpace: diskSpace
        )
    }
}

// MARK: - Requests

extension BrokerHarness {
    /// Sends a request as a client would, through its bytes, and reads the answer from its bytes.
    ///
    /// - Throws: `NoAnswer` when the broker closes the connection or has nothing to say.
    func send<Request: KafkaRequest>(_ request: Request, version: Int16) async throws -> Request.Response {
        let correlationID = self.correlationIDs.wrappingAdd(1, ordering: .relaxed).newValue
        var writer = WireWriter()
        var header = RequestHeader()
        header.requestApiKey = Request.apiKey.rawValue
        header.requestApiVersion = version
        header.correlationID = correlationID
        header.clientID = "test"
        try header.encode(into: &writer, version: Request.apiKey.requestHeaderVersion(apiVersion: version))
        try request.encode(into: &writer, version: version)

        guard case .frame(let frame) = try await self.run(writer.buffer) else { throw NoAnswer.nothing }
        var bytes = try Self.bytes(of: frame)
        guard bytes.readInteger(as: Int32.self).map(Int.init) == bytes.readableBytes else { throw NoAnswer.badLength }
        var reader = WireReader(bytes)
        let answered = try ResponseHeader(
            from: &reader, version: Request.apiKey.responseHeaderVersion(apiVersion: version))
        guard answered.correlationID == correlationID else { throw NoAnswer.badCorrelation }
        let response = try Request.Response(from: &reader, version: version)
        try reader.finish()
        return response
    }

    /// Hands a frame (without its length field) to the broker and waits for what comes of it.
    func run(_ frame: ByteBuffer) async throws -> Outcome {
        let (broker, connection) = (self.broker, self.connection)
        var outcome = try await connection.eventLoop.submit {
            defer { broker.submitAppends(of: connection) }
            return try broker.handle(frame, on: connection)
        }.get()
        while case .later(let future) = outcome { outcome = try await future.get() }
        if case .close(let reason) = outcome { throw NoAnswer.closed(reason) }
        return outcome
    }

    /// The bytes of an answer as the client would get them, its length first.
    static func bytes(of frame: ResponseFrame) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        for part in frame.parts {
            switch part {
            case .bytes(let buffer): bytes.writeImmutableBuffer(buffer)
            case .slice(let slice): bytes.writeImmutableBuffer(try slice.bytes())
            }
        }
        return bytes
    }

    enum NoAnswer: Error, Equatable {
        case closed(String)
        case nothing
        case badLength
        case badCorrelation
    }
}

// MARK: - Steps that many tests begin with

extension BrokerHarness {
    /// Makes a topic and returns its answer.
    @discardableResult
    func createTopic(
        _ name: String,
        partitions: Int32 = 1,
        configs: [String: String] = [:]
    ) async throws -> CreateTopicsResponse.CreatableTopicResult {
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = -1
        topic.configs = configs.sorted { $0.key < $1.key }.map { key, value in
            var config = CreateTopicsRequest.CreatableTopicConfig()
            config.name = key
            config.value = value
            return config
        }
        var request = CreateTopicsRequest()
        request.topics = [topic]
        let answer = try await self.send(request, version: 7).topics[0]
        guard answer.errorCode == 0 else { throw StepFailed(answer.errorMessage ?? "error \(answer.errorCode)") }
        return answer
    }

    /// Writes one batch with a record for each timestamp, acks=all, and returns the offset of the first.
    @discardableResult
    func produce(
        to topic: String,
        partition: Int32 = 0,
        timestamps: [Int64],
        producer: (id: Int64, epoch: Int16, sequence: Int32)? = nil
    ) async throws -> Int64 {
        var builder = RecordBatchBuilder()
        if let producer {
            builder.options.producerID = producer.id
            builder.options.producerEpoch = producer.epoch
            builder.options.baseSequence = producer.sequence
        }
        for timestamp in timestamps {
            try builder.append(key: nil, value: ByteBuffer(string: "at \(timestamp)"), timestamp: timestamp)
        }
        var data = ProduceRequest.PartitionProduceData()
        data.index = partition
        data.records = .buffer(try builder.finish().bytes)
        var topicData = ProduceRequest.TopicProduceData()
        topicData.name = topic
        topicData.partitionData = [data]
        var request = ProduceRequest()
        request.transactionalID = nil
        request.acks = -1
        request.topicData = [topicData]
        let answer = try await self.send(request, version: 12).responses[0].partitionResponses[0]
        guard answer.errorCode == 0 else { throw StepFailed(answer.errorMessage ?? "error \(answer.errorCode)") }
        return answer.baseOffset
    }

    struct StepFailed: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// A number that several threads use.
private final class SharedCounter: Sendable {
    private let storage: Atomic<Int64>

    init(_ value: Int64) { self.storage = Atomic(value) }

    var value: Int64 { self.storage.load(ordering: .acquiring) }

    func add(_ amount: Int64) { self.storage.wrappingAdd(amount, ordering: .acquiringAndReleasing) }
}
