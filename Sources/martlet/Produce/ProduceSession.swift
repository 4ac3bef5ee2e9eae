// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import NIOCore

/// Reads input, collects batches and sends them, several partitions at a time.
///
/// A partition has one batch on its way while the next one is collected. When the input pauses everything is sent, so a
/// line that a person types is there at once.
struct ProduceSession {
    /// Batches on their way, of all partitions.
    static let batchesInFlightMax = 8

    let cluster: KafkaCluster
    let target: ProduceTarget
    var isVerbose = false
    /// Records per second, at most; nil for as many as go.
    var rate: Double?

    /// Writes a record per line of each input, one after the other. Returns what was written.
    func run(lines inputs: [InputFile], parser: RecordParser) async throws -> ProduceSummary {
        let sizes = inputs.map(\.size)
        let total = sizes.contains(nil) ? nil : sizes.reduce(0) { $0 + ($1 ?? 0) }
        return try await self.withSender(total: total) { work in
            for input in inputs {
                work.begin(input.name)
                try await self.read(input, parser, &work)
            }
        }
    }

    private func read(_ input: InputFile, _ parser: RecordParser, _ work: inout ProduceWork) async throws {
        var splitter = LineSplitter()
        reading: while true {
            switch try await input.reader.next(patience: work.isEmpty ? nil : self.target.linger) {
            case .bytes(let bytes):
                work.noteTime()
                splitter.append(bytes)
                while let line = try splitter.nextLine() {
                    try await work.take(line, parser)
                    work.progress.advance(by: Int64(line.readableBytes + 1))
                }
            case .idle:
                // Nothing else is to be done, and whoever types wants to know what became of the line.
                try await work.sendAll()
                try await work.sender.drain()
            case .end:
                break reading
            }
        }
        if let line = splitter.lastLine() { try await work.take(line, parser) }
        try await work.sendAll()
    }

    /// Writes a record per file, with all its bytes.
    func run(files: [String], parser: RecordParser) async throws -> ProduceSummary {
        try await self.withSender(total: nil) { work in
            for file in files {
                work.begin(file)
                try await work.take(file: try await InputReader.contents(of: file), parser)
            }
        }
    }

    /// Where records without a key begin is left to chance, so that short inputs do not all go to partition 0.
    private func withSender(
        total: Int64?, _ body: (inout ProduceWork) async throws -> Void
    ) async throws -> ProduceSummary {
        let batcher = ProduceBatcher(self.target, firstPartition: Int32.random(in: 0..<self.target.partitionCount))
        let progress = ProgressBar(
            "produce", unit: .bytes, total: total, sharesTerminal: self.isVerbose, isWanted: total != nil)
        defer { progress.clear() }
        return try await withThrowingTaskGroup(of: BatchSender.Receipt.self) { tasks in
            let sender = BatchSender(
                cluster: self.cluster, target: self.target, isVerbose: self.isVerbose, tasks: tasks)
            var work = ProduceWork(
                batcher: batcher, sender: sender, progress: progress, linger: .milliseconds(self.target.linger),
                rate: self.rate)
            do {
                try await body(&work)
                try await work.sendAll()
                try await work.sender.drain()
            } catch let error as CommandFailure {
                // The input is at fault: what was good before it is written first.
                try await work.sendAll()
                try await work.sender.drain()
                throw ProduceFailure(cause: error, writtenBefore: work.sender.summary.records)
            }
            return work.sender.summary
        }
    }
}

/// What a session has in hand: batches that are collected, and those on their way.
struct ProduceWork {
    private var batcher: ProduceBatcher
    var sender: BatchSender
    let progress: ProgressBar
    private let linger: Duration
    private var pacer: RatePacer?
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    /// When nothing was collected last.
    private var emptyAt: Duration = .zero
    /// Milliseconds since 1970: the timestamp of records that have none.
    private var now = ProcessEnvironment.wallMilliseconds()
    private var name: String?
    private var lineNumber = 0

    init(batcher: ProduceBatcher, sender: BatchSender, progress: ProgressBar, linger: Duration, rate: Double?) {
        self.batcher = batcher
        self.sender = sender
        self.progress = progress
        self.linger = linger
        self.start = self.clock.now
        self.pacer = rate.map { RatePacer(perSecond: $0, now: .zero) }
    }

    var isEmpty: Bool { self.batcher.isEmpty }

    /// The input that the next lines come from; nil for the standard input.
    mutating func begin(_ name: String?) {
        self.name = name
        self.lineNumber = 0
        self.noteTime()
    }

    mutating func noteTime() { self.now = ProcessEnvironment.wallMilliseconds() }

    /// Takes the record of the next line. Throws `CommandFailure`, which names the line, and `ProduceFailure`.
    mutating func take(_ line: ByteBuffer, _ parser: RecordParser) async throws {
        self.lineNumber += 1
        do {
            guard var record = try parser.record(line: line) else { return }
            record.line = self.lineNumber
            try await self.add(record)
        } catch let error as JSONReader.Malformed {
            throw CommandFailure("\(self.place) is not the JSON of a record: \(error)")
        } catch let error as RecordError {
            throw CommandFailure("\(self.place) does not fit into a batch: \(error)")
        } catch let error as CommandFailure {
            throw CommandFailure("\(self.place): \(error.message)", hint: error.hint, status: error.status)
        }
    }

    /// Takes a record that is a whole file.
    mutating func take(file bytes: ByteBuffer, _ parser: RecordParser) async throws {
        do {
            try await self.add(parser.record(file: bytes))
        } catch let error as RecordError {
            throw CommandFailure("\(self.name ?? "the input") does not fit into a batch: \(error)")
        }
    }

    private var place: String { "line \(self.lineNumber)" + (self.name.map { " of \($0)" } ?? "") }

    private mutating func add(_ record: InputRecord) async throws {
        try await self.pace()
        if let ready = try self.batcher.append(record, now: self.now) { try await self.send(ready) }
    }

    /// Waits until the next record may go. What was collected before is not kept waiting for longer than it would.
    private mutating func pace() async throws {
        guard self.pacer != nil else { return }
        let time = self.start.duration(to: self.clock.now)
        guard let wait = self.pacer?.wait(now: time) else { return }
        if self.batcher.isEmpty {
            self.emptyAt = time
        } else if time + wait - self.emptyAt >= self.linger {
            try await self.sendAll()
            self.emptyAt = time
        }
        guard wait > .zero else { return }
        try await self.clock.sleep(for: wait)
        self.noteTime()
    }

    mutating func sendAll() async throws {
        for ready in try self.batcher.finishAll() { try await self.send(ready) }
    }

    private mutating func send(_ ready: ReadyBatch) async throws {
        var ready = ready
        if ready.lines != nil { ready.source = self.name }
        try await self.sender.send(ready)
    }
}
