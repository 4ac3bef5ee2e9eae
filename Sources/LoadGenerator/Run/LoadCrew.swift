// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import NIOPosix
import Synchronization

/// The producers and consumers of a phase, and how they end.
final class LoadCrew: Sendable {
    struct Writer: Sendable {
        var producer: KafkaProducer
        var topics: [String]
        var recordsMax: Int?
    }

    /// Workers that note in one recorder, at most: a recorder takes 400 KB, and is locked for each batch.
    private static let recordersMax = 8
    private static let pollInterval = Duration.milliseconds(5)
    private static let pingInterval = Duration.milliseconds(50)
    /// How long after the end somebody who has stopped the run waits, in seconds.
    private static let patienceWhenStopped = 3.0

    let phase: LoadPhase
    let control: RunControl
    let errors = ErrorCounts()
    let tally = LoadTally()
    let produceRecorders: [Recorder]
    let consumeRecorders: [Recorder]
    let pings = Mutex(LatencyHistogram())
    private let writers: [Writer]
    private let readers: [(consumer: KafkaConsumer, recorder: Recorder)]
    private let ends: [TopicPartition: Int64]
    /// Of the stamps of this run.
    private let run: UInt32

    init(_ phase: LoadPhase, control: RunControl, ends: [TopicPartition: Int64]) throws {
        self.phase = phase
        self.control = control
        self.ends = ends
        self.run = UInt32(truncatingIfNeeded: phase.seed)
        let plan = LoadPlan(phase.workload)
        let writers = phase.produces ? plan.writers : []
        let readers = phase.consumes ? plan.readers : []
        self.produceRecorders = (0..<min(writers.count, Self.recordersMax)).map { _ in Recorder(control) }
        let consumeRecorders = (0..<min(readers.count, Self.recordersMax)).map { _ in Recorder(control) }
        self.consumeRecorders = consumeRecorders
        self.writers = try writers.enumerated().map { position, topics in
            Writer(
                producer: try KafkaProducer(
                    sharing: phase.cluster, configuration: phase.workload.producerConfiguration),
                topics: topics.map { phase.topics.names[$0] },
                recordsMax: phase.recordsMax.map { Self.share($0, of: writers.count, position) })
        }
        let names = phase.topics.names
        let groupPrefix = names.first ?? ""
        self.readers = try readers.enumerated().map { position, reader in
            let configuration = phase.workload.consumerConfiguration(reader, topics: names, groupPrefix: groupPrefix)
            let consumer = try KafkaConsumer(sharing: phase.cluster, configuration: configuration)
            return (consumer, consumeRecorders[position % consumeRecorders.count])
        }
    }

    private static func share(_ count: Int, of workers: Int, _ position: Int) -> Int {
        count / workers + (position < count % workers ? 1 : 0)
    }

    /// Does all the work. Everybody has ended then.
    func work() async throws {
        try await withThrowingTaskGroup(of: Void.self) { services in
            for writer in self.writers {
                // It throws when it is cancelled only, and its records have failed then.
                services.addTask { try? await writer.producer.run() }
            }
            for reader in self.readers {
                // What ends a consumer is told by its iterator, too.
                services.addTask { try? await reader.consumer.run() }
                services.addTask {
                    let task = ConsumerTask(
                        consumer: reader.consumer, recorder: reader.recorder, errors: self.errors,
                        run: self.phase.workload.stampsRecords ? self.run : nil, ends: self.ends, tally: self.tally,
                        start: self.control.start)
                    try await task.work()
                }
            }
            let isWritten = try await self.write()
            // Without producers it is the readers who know the end. Until everything is read nobody waits for it.
            async let watched: Void? = self.writers.isEmpty ? nil : self.watch?.end()
            if !isWritten {
                // Nobody waits any longer: what is not acknowledged has failed.
                self.errors.giveUp(
                    "not acknowledged within \(BenchText.seconds(self.patience)) of the end of the load; they may be in the"
                        + " log all the same"
                )
                services.cancelAll()
            } else if await !self.waitForReaders() {
                self.errors.add("unread", "records that were acknowledged had not been read in time", 1)
            }
            await watched
            await self.watch?.end()
            self.end()
            try await services.waitForAll()
        }
    }

    private var watch: BrokerWatch? { self.phase.kind == .load ? self.phase.watch : nil }

    /// Tells when the warm-up is over.
    func beginWatch(_ watch: BrokerWatch) async {
        while MonotonicClock.now < self.control.countFrom {
            // Cancelled: there was no time that counts.
            guard (try? await Task.sleep(for: Self.pollInterval)) != nil else { return }
        }
        await watch.begin()
    }

    private func end() {
        for writer in self.writers { writer.producer.close() }
        for reader in self.readers { reader.consumer.close() }
    }

    // MARK: Writing

    /// Writes everything and waits until it is acknowledged, or has failed. False when that took too long.
    private func write() async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { race in
            race.addTask {
                try await self.writeAll()
                try await withThrowingDiscardingTaskGroup { flushes in
                    for writer in self.writers { flushes.addTask { try await writer.producer.flush() } }
                }
                return true
            }
            race.addTask {
                while MonotonicClock.now < self.deadline { try await Task.sleep(for: Self.pollInterval) }
                return false
            }
            let isDone = try await race.next() ?? false
            race.cancelAll()
            // How the other one ends does not matter, cancelled as it is.
            while await race.nextResult() != nil {}
            return isDone
        }
    }

    private func writeAll() async throws {
        try await withThrowingDiscardingTaskGroup { tasks in
            for (position, writer) in self.writers.enumerated() {
                let thread = LoadThread(self.phase.threads.next())
                tasks.addTask(executorPreference: thread) {
                    var task = self.task(writer, position, thread)
                    try await task.work()
                }
            }
        }
    }

    private func task(_ writer: Writer, _ position: Int, _ thread: LoadThread) -> ProducerTask {
        let workload = self.phase.workload
        let rate = self.phase.kind == .load ? workload.rate : nil
        let schedule = rate.map {
            Schedule(start: self.control.start, rate: $0, producer: position, producers: self.writers.count)
        }
        let source = RecordSource(
            workload, topicCount: writer.topics.count, share: 1 / Double(self.writers.count),
            seed: self.phase.seed &+ UInt64(position) &* 0x9e37_79b9_7f4a_7c15)
        return ProducerTask(
            writer.producer, topics: writer.topics, source: source, thread: thread, control: self.control,
            schedule: schedule, recordsMax: writer.recordsMax,
            recorder: self.produceRecorders[position % self.produceRecorders.count], errors: self.errors,
            tally: self.tally, run: workload.stampsRecords ? self.run : nil)
    }

    /// How long what is on its way is waited for, in seconds.
    private var patience: Double {
        self.phase.stop.isPulled ? Self.patienceWhenStopped : self.phase.drainSeconds
    }

    /// The same as a time of the clock.
    private var deadline: Int64 {
        let (deadline, overflow) = self.control.endTime.addingReportingOverflow(Int64(self.patience * 1e9))
        return overflow ? Int64.max : deadline
    }

    // MARK: Reading

    /// Waits until consumers have read all that they can. False when they stopped before that.
    private func waitForReaders() async -> Bool {
        guard !self.readers.isEmpty else { return true }
        var (last, lastAt) = (self.tally.received, MonotonicClock.now)
        let stall = Int64(self.phase.drainSeconds * 1e9)
        while !Task.isCancelled {
            let (now, received) = (MonotonicClock.now, self.tally.received)
            if let expected = self.phase.expected(acknowledged: self.tally.acknowledged) {
                if received >= expected { return true }
            } else if now >= self.control.endTime {
                return true
            }
            if received > last { (last, lastAt) = (received, now) }
            guard now < self.deadline, now - lastAt < stall else { return false }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.pollInterval)
        }
        return false
    }

    // MARK: Network

    /// Asks a broker the smallest question there is, over and over, on a connection of its own, until cancelled.
    func ping() async {
        let cluster = self.phase.cluster.configuration
        guard let broker = try? await self.phase.cluster.describeCluster().brokers.first?.address else { return }
        do {
            let connection = try await KafkaConnection.connect(
                to: broker, configuration: cluster.connection, security: cluster.security,
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
            while !Task.isCancelled, MonotonicClock.now < self.control.endTime {
                let start = MonotonicClock.now
                _ = try await connection.send(ApiVersionsRequest(), versions: 0...0)
                let end = MonotonicClock.now
                if self.control.counts(start) { self.pings.withLock { $0.record(end - start) } }
                try await Task.sleep(for: Self.pingInterval)
            }
            await connection.close()
        } catch {
            // Its figures are an extra: what ails the cluster shows in those of the load.
        }
    }
}
