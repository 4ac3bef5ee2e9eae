// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import Synchronization

/// The records that a producer put into one batch, until the batch is acknowledged: when each was due.
final class PendingBatch: Sendable {
    private struct State {
        var runs: [DueRun] = []
        var records = 0
        var bytes = 0
        /// When the batch came to its end; nil before.
        var endedAt: Int64?
        var hasFailed = false
    }

    private let state = Mutex(State())
    private let recorder: Recorder
    private let errors: ErrorCounts
    private let tally: LoadTally

    /// Watches the batch of a record from now on.
    init(_ handle: ProduceHandle, recorder: Recorder, errors: ErrorCounts, tally: LoadTally) {
        self.recorder = recorder
        self.errors = errors
        self.tally = tally
        handle.whenDone { self.end($0, at: MonotonicClock.now) }
    }

    /// A record went into the batch, which may have come to its end since.
    func add(due: Int64, bytes: Int) {
        let isLate = self.state.withLock { state -> (at: Int64, failed: Bool)? in
            if let at = state.endedAt { return (at, state.hasFailed) }
            state.records += 1
            state.bytes += bytes
            if let last = state.runs.indices.last, state.runs[last].due == due {
                state.runs[last].count += 1
            } else {
                state.runs.append(DueRun(due: due, count: 1))
            }
            return nil
        }
        guard let isLate else { return }
        if isLate.failed {
            self.recorder.failed(1)
        } else {
            self.recorder.succeeded([DueRun(due: due, count: 1)], records: 1, bytes: bytes, at: isLate.at)
            self.tally.acknowledged(1)
        }
    }

    /// A batch that had to be split may end in parts, and differently: its records count as its first does.
    private func end(_ result: Result<RecordMetadata, KafkaClientError>, at now: Int64) {
        let failure: KafkaClientError? = if case .failure(let error) = result { error } else { nil }
        let ended = self.state.withLock { state -> State in
            state.endedAt = now
            state.hasFailed = failure != nil
            defer { state.runs = [] }
            return state
        }
        if let failure {
            self.recorder.failed(ended.records)
            self.errors.add("\(failure.errorCode?.name ?? "\(failure.code)")", failure.message, ended.records)
        } else {
            self.recorder.succeeded(ended.runs, records: ended.records, bytes: ended.bytes, at: now)
            self.tally.acknowledged(ended.records)
        }
    }
}

/// What went wrong, how often, and what was said about it first.
final class ErrorCounts: Sendable {
    struct Entry: Sendable, Equatable {
        var kind: String
        var message: String
        var count: Int
    }

    /// Kinds that are told apart: there are not many, and a broker cannot make up more.
    private static let kindsMax = 100
    /// What the client calls requests that it was told to give up.
    private static let givenUp = "\(KafkaClientError.Code.closed)"
    private let entries = Mutex<[String: Entry]>([:])
    private let patience = Mutex<String?>(nil)

    /// Nobody waits for answers any more, for this reason: what the client gives up from now on is said to be
    /// `unanswered`.
    func giveUp(_ reason: String) { self.patience.withLock { $0 = reason } }

    func add(_ kind: String, _ message: String, _ count: Int) {
        guard count > 0 else { return }
        let reason = kind == Self.givenUp ? self.patience.withLock { $0 } : nil
        let (kind, message) = reason.map { ("unanswered", $0) } ?? (kind, message)
        self.entries.withLock { entries in
            let kind = entries[kind] != nil || entries.count < Self.kindsMax ? kind : "other"
            entries[kind, default: Entry(kind: kind, message: message, count: 0)].count += count
        }
    }

    /// The most frequent first.
    var all: [Entry] {
        self.entries.withLock { $0.values.sorted { ($1.count, $0.kind) < ($0.count, $1.kind) } }
    }
}
