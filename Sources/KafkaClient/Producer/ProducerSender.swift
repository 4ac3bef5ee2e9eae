// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import KafkaWire
import Logging
import NIOCore

/// What a producer's `run()` does: carries out what `SenderMachine` decides.
///
/// It sleeps until something is posted to the signals: by those who put records in, by connections that got an answer, by
/// timers and look-ups, which are child tasks. Then it does everything that there is to do, and sleeps again.
///
/// It runs on the event loop on which the producer's connections live. So a batch changes threads twice, to that loop and
/// back to those who wait for it: waking a thread takes longer than all the rest that is done here for a batch.
actor ProducerSender {
    enum State {
        case running
        /// No new records; those that are there go out.
        case closing
        case cancelled
    }

    /// The way to one broker.
    private struct Outlet {
        let writer: BrokerWriter
        /// As many as may be on their way to a broker at most.
        var waiting = CircularBuffer<PlannedRequest>()
        /// A task sends what waits.
        var isBusy = false
    }

    private let executor: EventLoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.unownedSerial }

    let configuration: KafkaProducerConfiguration
    let cluster: KafkaCluster
    let pool: BatchPool
    let topics: TopicTable
    let lookups: TopicLookups
    let clock: ProducerClock
    var signals: SenderSignals { self.pool.signals }

    var machine: SenderMachine<OutgoingBatch>
    /// By slot.
    var lanes: [ProducerLane] = []
    var state = State.running
    var addresses: [Int32: BrokerAddress] = [:]
    var topicIDs: [String: TopicID] = [:]
    /// When what is known of topics has become old.
    var metadataMs: Int64
    private var outlets: [Int32: Outlet] = [:]

    /// Since when each slot has had an open batch, as far as was seen.
    private var openSinceMs: [Int: Int64] = [:]
    /// Slots and the times of their open batches, in the order of those.
    private var lingering = CircularBuffer<(slot: Int, sinceMs: Int64)>()
    /// Slots whose open batches need not wait any longer.
    private var due: Set<Int> = []
    /// The times of the timers that are set.
    private var timers: [Int64] = []

    init(
        _ configuration: KafkaProducerConfiguration, cluster: KafkaCluster, pool: BatchPool, topics: TopicTable,
        lookups: TopicLookups, clock: ProducerClock, seed: UInt64
    ) {
        self.executor = EventLoopExecutor(cluster.eventLoopGroup.next())
        self.configuration = configuration
        self.cluster = cluster
        self.pool = pool
        self.topics = topics
        self.lookups = lookups
        self.clock = clock
        self.metadataMs = clock.nowMs() + configuration.metadataMaxAge.milliseconds
        var settings = SenderMachine<OutgoingBatch>.Settings()
        settings.isIdempotent = configuration.isIdempotent
        settings.resendsInDoubt = configuration.resendsInDoubt
        settings.inFlightMax = configuration.inFlightRequestsMax
        settings.requestBytesMax = configuration.requestBytesMax
        settings.deliveryTimeoutMs = configuration.deliveryTimeout.milliseconds
        settings.retry = configuration.retry
        self.machine = SenderMachine(settings, seed: seed)
    }

    /// Until the producer is closed and everything is done, or the task is cancelled; in the end every batch is done.
    nonisolated func run() async {
        await withTaskExecutorPreference(self.executor) { await self.sendUntilDone() }
    }

    private func sendUntilDone() async {
        let signals = self.signals
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !self.isDone {
                    for signal in await signals.next() { self.handle(signal, in: &group) }
                    self.work(in: &group)
                }
                self.end()
                group.cancelAll()
            }
        } onCancel: {
            signals.post(.cancel)
        }
    }

    private var isDone: Bool {
        switch self.state {
        case .running: false
        case .closing: self.machine.isIdle && self.pool.unfinishedBatches.isEmpty
        case .cancelled: true
        }
    }

    private func handle(_ signal: SenderSignals.Signal, in group: inout DiscardingTaskGroup) {
        let nowMs = self.clock.nowMs()
        switch signal {
        case .lane(let lane): self.harvest(lane, includingOpen: false)
        case .topic(let name): self.describe(name, in: &group)
        case .sendEverything: self.due.formUnion(self.lanes.indices)
        case .answered(let answer):
            self.machine.answered(answer.id, answer.answers, otherwise: answer.otherwise, nowMs: nowMs)
        case .disconnected(let node): self.machine.disconnected(from: node)
        case .topicDescribed(let name, let result): self.described(name, result)
        case .leadersKnown(let names, let result): self.leadersKnown(names, result)
        case .identity(.success(let identity)):
            self.machine.identified(
                .init(producerID: identity.producerID.rawValue, epoch: identity.epoch.rawValue))
        case .identity(.failure(let error)): self.machine.identityFailed(error, nowMs: nowMs)
        case .timer(let timeMs): self.timers.removeAll { $0 == timeMs }
        case .close: self.close()
        case .cancel:
            self.close()
            self.state = .cancelled
        }
    }

    /// Begins something that takes time, away from the event loop.
    func start(in group: inout DiscardingTaskGroup, _ work: @escaping @Sendable () async -> Void) {
        group.addTask(executorPreference: globalConcurrentExecutor, operation: work)
    }

    // MARK: Batches

    private func harvest(_ lane: ProducerLane, includingOpen: Bool) {
        let harvest = lane.harvest(includingOpen: includingOpen)
        for batch in harvest.batches {
            self.machine.enqueue(
                batch, order: .init(serial: batch.owner.serial, firstRecord: 0),
                recordCount: Int32(batch.records.count), byteCount: batch.byteCount, createdMs: batch.owner.createdMs,
                to: lane.slot)
        }
        if includingOpen, !harvest.batches.isEmpty {
            self.topics[lane.partition.topic]?.choice.rotate(from: Int(lane.partition.partition.rawValue))
        }
        guard let sinceMs = harvest.openSinceMs, self.openSinceMs[lane.slot] != sinceMs else { return }
        self.openSinceMs[lane.slot] = sinceMs
        self.lingering.append((lane.slot, sinceMs))
    }

    /// Does all that can be done now.
    private func work(in group: inout DiscardingTaskGroup) {
        let nowMs = self.clock.nowMs()
        let lingerMs = self.configuration.linger.milliseconds
        while let first = self.lingering.first, first.sinceMs + lingerMs <= nowMs {
            self.lingering.removeFirst()
            if self.openSinceMs[first.slot] == first.sinceMs { self.due.insert(first.slot) }
        }
        if self.pool.room.isExhausted || self.state == .closing { self.due.formUnion(self.lanes.indices) }
        self.machine.expire(nowMs: nowMs)
        // Parts of a batch that was too large can go at once.
        self.settle()
        repeat {
            for request in self.machine.drain(nowMs: nowMs) { self.dispatch(request, in: &group) }
            self.settle()
        } while self.harvestDue(nowMs: nowMs)
        if self.machine.takeIdentityNeed(nowMs: nowMs) { self.askForIdentity(in: &group) }
        self.askForLeaders(nowMs: nowMs, in: &group)
        self.setTimer(nowMs: nowMs, in: &group)
    }

    /// Seals the open batches that are due and can be sent. False when there were none.
    private func harvestDue(nowMs: Int64) -> Bool {
        var found = false
        for slot in self.due {
            let isLate = self.openExpiryMs(slot) <= nowMs
            guard isLate || self.machine.wants(slot) else { continue }
            self.due.remove(slot)
            self.openSinceMs[slot] = nil
            self.harvest(self.lanes[slot], includingOpen: true)
            found = true
        }
        if found { self.machine.expire(nowMs: nowMs) }
        return found
    }

    private func openExpiryMs(_ slot: Int) -> Int64 {
        guard let sinceMs = self.openSinceMs[slot] else { return Int64.max }
        return sinceMs + self.configuration.deliveryTimeout.milliseconds
    }

    /// Tells those who wait.
    private func settle() {
        for outcome in self.machine.takeOutcomes() {
            switch outcome {
            case .written(let batch, let baseOffset, let logAppendTime):
                self.report(batch, error: nil)
                self.pool.finish(batch, .written(baseOffset: baseOffset, logAppendTime: logAppendTime))
            case .failed(let batch, let reason, let mayBeWritten):
                let error = self.error(reason, mayBeWritten: mayBeWritten, batch.owner.partition)
                self.cluster.logger.debug(
                    "records failed",
                    metadata: [
                        KafkaLogKey.partition: "\(batch.owner.partition)",
                        KafkaLogKey.records: "\(batch.records.count)", KafkaLogKey.reason: "\(error)",
                    ])
                self.report(batch, error: error)
                self.pool.finish(batch, .failed(error))
            case .split(let slot, let order, let batch):
                let halves = batch.halves(self.pool.options) ?? []
                let parts = halves.map { ($0, Int32($0.records.count), $0.byteCount) }
                self.machine.replace(order, of: slot, with: parts)
            }
        }
    }

    private func report(_ batch: OutgoingBatch, error: KafkaClientError?) {
        guard let metrics = self.cluster.telemetry.metrics else { return }
        metrics.batchEnded(
            batch.owner.partition, recordCount: batch.records.count,
            after: .milliseconds(self.clock.nowMs() - batch.owner.createdMs), error: error)
        metrics.bufferUsed(bytes: self.pool.room.taken)
    }

    // MARK: Sending

    private func dispatch(_ request: SenderMachine<OutgoingBatch>.Request, in group: inout DiscardingTaskGroup) {
        guard let address = self.addresses[request.node] else {
            // The machine knows nodes only from where their addresses come from.
            let error = KafkaClientError(.noLeader, "broker \(request.node) has no address")
            let answer = ProduceAnswer(id: request.id, answers: [:], otherwise: .unsent(error))
            return self.signals.post(.answered(answer))
        }
        let parts = request.batches.map { sent in
            let partition = self.lanes[sent.partition].partition
            return PlannedRequest.Part(
                slot: sent.partition, partition: partition, topicID: self.topicIDs[partition.topic], batch: sent.token,
                stamp: sent.stamp)
        }
        self.send(PlannedRequest(id: request.id, address: address, parts: parts), to: request.node, in: &group)
    }

    /// Sends at once what can be sent at once, and the rest in its order from a task.
    private func send(_ request: PlannedRequest, to node: Int32, in group: inout DiscardingTaskGroup) {
        var outlet =
            self.outlets[node]
            ?? Outlet(
                writer: BrokerWriter(
                    cluster: self.cluster, signals: self.signals, node: node, configuration: self.configuration))
        defer { self.outlets[node] = outlet }
        guard !outlet.isBusy else { return outlet.waiting.append(request) }
        guard !outlet.writer.trySend(request) else { return }
        outlet.waiting.append(request)
        outlet.isBusy = true
        self.start(in: &group) { await self.sendWaiting(to: node) }
    }

    private func sendWaiting(to node: Int32) async {
        while let writer = self.outlets[node]?.writer, let request = self.outlets[node]?.waiting.popFirst() {
            await writer.send(request)
        }
        self.outlets[node]?.isBusy = false
    }

    // MARK: Time

    private func setTimer(nowMs: Int64, in group: inout DiscardingTaskGroup) {
        var next = min(self.metadataMs, self.machine.nextEventMs(nowMs: nowMs) ?? Int64.max)
        if let first = self.lingering.first {
            next = min(next, first.sinceMs + self.configuration.linger.milliseconds)
        }
        for slot in self.due { next = min(next, self.openExpiryMs(slot)) }
        guard self.timers.allSatisfy({ $0 > next }) else { return }
        self.timers.append(next)
        let (clock, signals, wait) = (self.clock.clock, self.signals, max(next - nowMs, 1))
        self.start(in: &group) { [next] in
            // Cancelled with the producer; the signal does no harm then.
            try? await clock.sleep(for: .milliseconds(wait))
            signals.post(.timer(next))
        }
    }

    // MARK: The end

    private func close() {
        guard self.state == .running else { return }
        self.state = .closing
        self.lookups.close(KafkaClientError(.closed, "the producer is closed"))
        for lane in self.lanes { lane.close() }
    }

    /// What is not done fails.
    private func end() {
        for lane in self.lanes { self.harvest(lane, includingOpen: true) }
        self.machine.failAll(KafkaClientError(.closed, "the producer was cancelled"))
        self.settle()
        self.outlets = [:]
    }
}
