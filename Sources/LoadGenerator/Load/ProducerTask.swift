// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Synchronization

/// One producer at work: sends records when they are due, or as fast as it goes, until the phase ends.
struct ProducerTask {
    /// Records between two looks at the clock, where no rate says when one is due.
    private static let burst = 16
    /// Bursts after which other tasks of the same thread have their turn.
    private static let burstsBeforeYield = 16
    /// How long nobody looks whether the run was stopped, in nanoseconds.
    private static let sleepMax: Int64 = 100_000_000

    let producer: KafkaProducer
    /// The names of its topics.
    let topics: [String]
    let thread: LoadThread
    let control: RunControl
    /// Nil for as fast as it goes.
    let schedule: Schedule?
    /// Nil for no limit but time.
    let recordsMax: Int?
    let recorder: Recorder
    let errors: ErrorCounts
    let tally: LoadTally
    /// Of stamps; nil for records without.
    let run: UInt32?

    private var source: RecordSource
    private var lanes: [(handle: ProduceHandle, pending: PendingBatch)?]
    private var sent = 0

    init(
        _ producer: KafkaProducer, topics: [String], source: RecordSource, thread: LoadThread, control: RunControl,
        schedule: Schedule?, recordsMax: Int?, recorder: Recorder, errors: ErrorCounts, tally: LoadTally,
        run: UInt32?
    ) {
        self.producer = producer
        self.topics = topics
        self.source = source
        self.thread = thread
        self.control = control
        self.schedule = schedule
        self.recordsMax = recordsMax
        self.recorder = recorder
        self.errors = errors
        self.tally = tally
        self.run = run
        self.lanes = Array(repeating: nil, count: source.laneCount)
    }

    /// Sends until the end, and returns when it has sent the last: not when that is acknowledged.
    ///
    /// Throws `CancellationError`; an error of the producer ends it and is counted.
    mutating func work() async throws {
        defer { self.tally.sent(self.sent) }
        do {
            if let schedule {
                try await self.keepTo(schedule)
            } else {
                try await self.goAsFastAsItGoes()
            }
        } catch let error as KafkaClientError {
            // The record that it could not take was to be sent, too.
            self.sent += 1
            self.errors.add(error.errorCode?.name ?? "\(error.code)", error.message, 1)
            self.recorder.failed(1)
        }
    }

    private func isOver(_ now: Int64) -> Bool {
        now >= self.control.endTime || self.recordsMax.map { self.sent >= $0 } ?? false
    }

    private mutating func keepTo(_ schedule: Schedule) async throws {
        while true {
            let now = MonotonicClock.now
            // What was due before the end is sent, however late this task has come to it.
            let end = self.control.endTime
            let due = min(schedule.count(dueBy: min(now, end - 1)), self.recordsMax ?? Int.max)
            while self.sent < due {
                let time = schedule.due(self.sent)
                // The end may have come nearer meanwhile.
                guard time < self.control.endTime else { return }
                try await self.send(due: time)
            }
            guard !self.isOver(now) else { return }
            let next = min(schedule.due(self.sent), now &+ Self.sleepMax)
            try await self.thread.sleep(until: next, now: MonotonicClock.now)
        }
    }

    private mutating func goAsFastAsItGoes() async throws {
        var bursts = 0
        try await self.thread.sleep(until: self.control.start, now: MonotonicClock.now)
        while true {
            let now = MonotonicClock.now
            guard !self.isOver(now) else { return }
            let count = self.recordsMax.map { min(Self.burst, $0 - self.sent) } ?? Self.burst
            // A record that has to wait for memory was due before; those after it are due when there was some.
            var due = now
            for _ in 0..<count where try await self.send(due: due) { due = MonotonicClock.now }
            bursts &+= 1
            if bursts.isMultiple(of: Self.burstsBeforeYield) { await Task.yield() }
        }
    }

    /// True when it had to wait.
    @discardableResult
    private mutating func send(due: Int64) async throws -> Bool {
        let choice = self.source.next(self.sent)
        let stamp = self.run.map { RecordStamp(run: $0, due: due) }
        let handle: ProduceHandle
        var hasWaited = false
        let bytes: Int
        do {
            let value = self.source.value(choice, stamp: stamp)
            bytes = value.readableBytes
            let record = ProducerRecord(
                topic: self.topics[choice.topic], partition: choice.partition, key: choice.key, value: value)
            if let placed = try self.producer.tryEnqueue(record) {
                handle = placed
            } else {
                let start = MonotonicClock.now
                handle = try await self.producer.enqueue(record)
                self.tally.waited(MonotonicClock.now &- start)
                hasWaited = true
            }
        }
        self.sent += 1
        self.note(handle, lane: choice.lane ?? choice.topic, due: due, bytes: bytes)
        return hasWaited
    }

    private mutating func note(_ handle: ProduceHandle, lane: Int, due: Int64, bytes: Int) {
        if let open = self.lanes[lane], open.handle.sharesBatch(with: handle) {
            open.pending.add(due: due, bytes: bytes)
        } else {
            let pending = PendingBatch(handle, recorder: self.recorder, errors: self.errors, tally: self.tally)
            pending.add(due: due, bytes: bytes)
            self.lanes[lane] = (handle, pending)
        }
    }
}
