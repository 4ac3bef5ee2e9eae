// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import ClusterMetadata
public import CommitLog
import GroupCoordinator
public import KafkaConfig
import KafkaMessages
import KafkaRecords
import KafkaTypes
public import KafkaWire
public import Logging
public import NIOCore
import Synchronization

/// The broker without its sockets: takes requests as bytes and gives answers as frames.
///
/// It owns the threads that touch the disk; connections call it on their event loops and it never blocks them.
///
/// - IO threads write the logs, each the partitions assigned to it (`IOThread`).
/// - Reader threads look up what fetches ask for.
/// - One thread keeps the journal: it syncs the segments behind it.
/// - One admin thread changes metadata, so that changes happen one after the other.
/// - One thread compacts logs, slowly (`LogCleaner`).
public final class Broker: Sendable {
    let metadata: MetadataController
    let logs: LogDirectory
    let topics = TopicTable()
    let clock: BrokerClock
    let logger: Logger
    let ioThreads: [IOThread]
    let readers: WorkerPool
    let admin: WorkerPool
    /// Syncs what is in the journal, so that its files can be used again.
    let journalKeeper: WorkerPool
    /// Whether there is room for records.
    let space: DiskSpaceWatch
    let cleaner: LogCleaner
    let groups: GroupCoordinatorService
    /// How far groups are behind; looks for itself with the housekeeping.
    let groupLag: GroupLagKeeper
    /// The configs in force; dynamic ones change while the broker runs.
    let currentConfig: Mutex<BrokerConfig>
    /// A consumer asks again at once for what could not be read.
    private let readComplaints = SharedLogLimit()
    /// What is counted and measured.
    public let metrics: BrokerMetrics
    /// Begun with the housekeeping.
    let scrubber: Scrubber
    private let fetchSessions: Mutex<FetchSessionCache>

    /// Opens every partition that the metadata knows. Blocks while it does: not to be called on an event loop.
    ///
    /// - Parameters:
    ///   - config: the static configs; the dynamic ones of the metadata are put over them.
    ///   - threads: how many threads of each kind.
    ///   - reserve: what is held back on the disk of the logs, if anything.
    ///   - diskSpace: asks how much room there is, instead of the file system of the logs.
    /// - Throws: when a log cannot be opened.
    public init(
        config: BrokerConfig,
        metadata: MetadataController,
        logs: LogDirectory,
        threads: BrokerThreads,
        clock: BrokerClock,
        logger: Logger,
        reserve: DiskReserve? = nil,
        diskSpace: (@Sendable () -> DiskSpace?)? = nil
    ) throws {
        self.metadata = metadata
        self.logs = logs
        self.clock = clock
        self.logger = logger
        let config = try Self.applyDynamicConfigs(of: metadata.image, to: config)
        self.currentConfig = Mutex(config)
        let metrics = BrokerMetrics(eventLoops: config.numNetworkThreads ?? threads.io, clock: clock)
        self.metrics = metrics
        let path = logs.path
        self.space = DiskSpaceWatch(
            directory: path,
            source: diskSpace ?? { DiskSpace(path: path) },
            configuredMark: config.logDirMinFreeBytes,
            reserve: reserve,
            clock: clock,
            logger: logger
        )
        let scrubLimits = Self.scrubLimits(
            bytesPerSecond: config.logScrubBytesPerSecond,
            intervalMs: config.logScrubIntervalMs
        )
        self.scrubber = Scrubber(
            topics: self.topics, clock: clock, metrics: metrics.storage, logger: logger
        ) { scrubLimits }
        let space = self.space
        self.ioThreads = (0..<threads.io).map {
            IOThread(
                index: $0, journal: logs.journal, space: space, clock: clock, metrics: metrics.storage, logger: logger)
        }
        self.readers = WorkerPool(name: "martlet-read", threadCount: threads.readers)
        self.admin = WorkerPool(name: "martlet-admin", threadCount: 1)
        self.journalKeeper = WorkerPool(name: "martlet-journal", threadCount: 1)
        self.cleaner = LogCleaner(clock: clock, metrics: metrics.storage, logger: logger) { space.mark }
        self.groups = GroupCoordinatorService(
            metadata: metadata,
            clock: clock,
            codec: CompressionCodec(rawValue: Int8(clamping: config.offsets.topicCompressionCodec)) ?? .none,
            settings: Self.groupSettings(config, metadata.image.groupConfigs, logger: logger),
            metrics: metrics,
            logger: logger
        )
        self.groupLag = GroupLagKeeper(broker: self.topics, self.groups, self.readers, clock)
        self.fetchSessions = Mutex(FetchSessionCache(maxSessions: config.maxIncrementalFetchSessionCacheSlots))
        // Before anything is opened: on a full disk that needs the reserve.
        self.space.look(takesReserve: false)
        try self.openTopics()
        let (keeper, journal) = (self.journalKeeper, logs.journal)
        journal.onWork { keeper.submit { journal.maintain() } }
        try logs.startJournal()
        self.serveGroups()
        self.handleSpace()
    }

    /// The configs in force.
    public var config: BrokerConfig { self.currentConfig.withLock { $0 } }

    /// Looks for what a fetch asks for.
    var fetchReader: FetchReader {
        FetchReader(topics: self.topics, complaints: self.readComplaints, logger: self.logger)
    }

    /// The IO thread that writes a partition: the same one as long as the broker runs. The layout on disk does not
    /// depend on it.
    func ioThread(topicID: some Hashable, partition: Int32) -> IOThread {
        let spread = UInt(bitPattern: topicID.hashValue) &+ UInt(bitPattern: Int(partition))
        return self.ioThreads[Int(spread % UInt(self.ioThreads.count))]
    }

    // MARK: Requests

    /// Runs one request. Called on the connection's event loop; does not block.
    ///
    /// - Parameter frame: a request without its length field.
    /// - Throws: `WireError` when the frame is not a request that the broker can make sense of; the connection is then
    ///   to be closed, as Kafka does.
    public func handle(_ frame: ByteBuffer, on connection: ConnectionContext) throws(WireError) -> Outcome {
        var reader = WireReader(frame)
        let apiKey = APIKey(try reader.readInt16())
        let version = try reader.readInt16()
        guard let route = DispatchTable.all.route(for: apiKey) else {
            return .close(reason: "a request for API key \(apiKey.rawValue), which is not served")
        }
        guard route.servedVersions.contains(version) else {
            if apiKey == .apiVersions {
                // The client's version is newer than ours. It has to learn which ones there are, in the one form
                // that every client can read.
                return .frame(try ApiVersionsHandler.unsupportedVersion(&reader))
            }
            return .close(reason: "\(apiKey.name) version \(version) is not served, only \(route.servedVersions)")
        }
        var headerReader = WireReader(frame)
        let header = try RequestHeader(from: &headerReader, version: apiKey.requestHeaderVersion(apiVersion: version))
        let context = RequestContext(
            apiKey: apiKey,
            apiVersion: version,
            correlationID: header.correlationID,
            clientID: header.clientID,
            connection: connection
        )
        return try route.run(self, context, &headerReader)
    }

    /// Hands what the requests handled so far want to append to the IO threads. To be called on the connection's event
    /// loop whenever it has handled what it has: until then nothing of it is written.
    public func submitAppends(of connection: ConnectionContext) {
        connection.pendingAppends.value.submit()
    }

    // MARK: Fetch sessions

    func beginFetch(
        _ request: FetchSessionCache.Request
    ) -> Result<FetchSessionCache.Plan, FetchSessionCache.SessionError> {
        let now = self.clock.monotonicNanoseconds()
        var generator = SystemRandomNumberGenerator()
        return self.fetchSessions.withLock { $0.begin(request, now: now, using: &generator) }
    }

    func finishFetch(_ plan: FetchSessionCache.Plan, _ fetched: [FetchedPartition]) -> [FetchedPartition] {
        self.fetchSessions.withLock { $0.finish(plan, fetched) }
    }

    // MARK: Shutting down

    /// Finishes what is queued, closes the logs and marks the shutdown clean. Blocks; to be called once, when no
    /// request can come any more.
    ///
    /// - Throws: when a log cannot be flushed, or there is no room for what makes the shutdown clean; it is then not
    ///   marked clean, and the next start recovers.
    public func shutDown() throws {
        self.space.stop()
        self.scrubber.close()
        self.cleaner.close()
        self.admin.close()
        self.groups.close()
        for thread in self.ioThreads { thread.close() }
        self.logs.journal.stop()
        self.journalKeeper.close()
        self.readers.close()
        // A log is closed once, so there has to be room for it beforehand.
        try self.space.withWholeReserve { try self.logs.shutDown() }
    }
}

/// How many threads touch the disk.
public struct BrokerThreads: Sendable {
    /// Threads that write logs: the config `num.io.threads`.
    public var io: Int
    /// Threads that look up what fetches ask for.
    public var readers: Int

    /// At least one of each.
    public init(io: Int, readers: Int) {
        self.io = io
        self.readers = readers
    }
}
