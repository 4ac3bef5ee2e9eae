// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

/// Incremental fetch sessions (KIP-227): a consumer names its partitions once, then sends only what changes, and is
/// told only of partitions that have something new.
///
/// A value without IO: time and randomness come in as parameters. Guarded by the broker's mutex.
///
/// | Request                        | Effect                                                         |
/// | ------------------------------ | -------------------------------------------------------------- |
/// | epoch -1 (or no session field) | a full fetch without a session; ends the session it names      |
/// | epoch 0                        | a full fetch; ends the session it names, begins a new one      |
/// | epoch n, session known         | an incremental fetch, if n is the epoch that comes next        |
///
/// Invariants: at most `maxSessions` sessions and `maxPartitions` partitions are remembered; a session that has been
/// used within `idleBeforeEviction` is not evicted for another one, which then goes without.
struct FetchSessionCache {
    /// Nanoseconds a session must have been unused before a new one may take its place: two minutes, as in Kafka.
    static let idleBeforeEviction: Int64 = 120 * 1_000_000_000
    /// Partitions of all sessions together; about 100 bytes each.
    static let maxPartitions = 500_000
    /// The epoch of a fetch without a session, or of one that ends it.
    static let finalEpoch: Int32 = -1
    /// The epoch of a full fetch that asks for a new session.
    static let initialEpoch: Int32 = 0

    private let maxSessions: Int
    private var sessions: [Int32: Session] = [:]
    private(set) var partitionCount = 0

    /// - Parameter maxSessions: the config `max.incremental.fetch.session.cache.slots`.
    init(maxSessions: Int) {
        self.maxSessions = maxSessions
    }

    var sessionCount: Int { self.sessions.count }

    /// Moves a session to a later epoch, for tests of its end.
    mutating func setNextEpoch(_ epoch: Int32, of sessionID: Int32) {
        self.sessions[sessionID]?.nextEpoch = epoch
    }

    /// What a fetch asks for, as far as sessions care.
    struct Request {
        var sessionID: Int32
        var epoch: Int32
        /// Whether it names topics by id (version 13 on). A session keeps to one way.
        var usesTopicIDs: Bool
        var targets: [FetchTarget]
        var forgotten: [FetchTarget.Key]
    }

    /// What to fetch, and under which session to answer.
    struct Plan: Sendable {
        /// 0 when the answer belongs to no session.
        var sessionID: Int32
        var isIncremental: Bool
        /// In the order in which to read; partitions that gave data last time come last.
        var targets: [FetchTarget]
    }

    /// Finds or begins the session of a request.
    ///
    /// - Returns: what to fetch, or the error that answers the whole request.
    mutating func begin(
        _ request: Request,
        now: Int64,
        using generator: inout some RandomNumberGenerator
    ) -> Result<Plan, SessionError> {
        if request.epoch == Self.finalEpoch || request.epoch == Self.initialEpoch {
            self.remove(request.sessionID)
            var request = request
            request.targets = Self.withoutRepeats(request.targets)
            let id = request.epoch == Self.initialEpoch ? self.create(request, now: now, using: &generator) : 0
            return .success(Plan(sessionID: id, isIncremental: false, targets: request.targets))
        }
        guard var session = self.sessions[request.sessionID] else { return .failure(.notFound) }
        guard session.nextEpoch == request.epoch else { return .failure(.wrongEpoch) }
        guard session.usesTopicIDs == request.usesTopicIDs else { return .failure(.mixedTopicIDs) }

        let countBefore = session.partitions.count
        session.update(request)
        session.nextEpoch = Session.epoch(after: request.epoch)
        session.lastUsed = now
        self.partitionCount += session.partitions.count - countBefore
        if session.partitions.isEmpty {
            self.sessions[request.sessionID] = nil
            return .success(Plan(sessionID: 0, isIncremental: true, targets: []))
        }
        self.sessions[request.sessionID] = session
        return .success(Plan(sessionID: request.sessionID, isIncremental: true, targets: session.targets))
    }

    /// Notes what is about to be answered and says which partitions the answer names: all of a full fetch, and of an
    /// incremental one those with records, an error or a changed offset.
    mutating func finish(_ plan: Plan, _ fetched: [FetchedPartition]) -> [FetchedPartition] {
        guard plan.sessionID != 0, self.sessions[plan.sessionID] != nil else { return fetched }
        return self.sessions[plan.sessionID]?.note(fetched, isIncremental: plan.isIncremental) ?? fetched
    }

    /// Each partition once, at its first place and as it was named last: a fetch that waits looks at every one of them
    /// whenever a record comes.
    private static func withoutRepeats(_ targets: [FetchTarget]) -> [FetchTarget] {
        if targets.count < 2 { return targets }
        var unique: [FetchTarget] = []
        var places: [FetchTarget.Key: Int] = [:]
        unique.reserveCapacity(targets.count)
        for target in targets {
            if let place = places[target.key] {
                unique[place] = target
            } else {
                places[target.key] = unique.count
                unique.append(target)
            }
        }
        return unique
    }

    private mutating func remove(_ id: Int32) {
        if let session = self.sessions.removeValue(forKey: id) { self.partitionCount -= session.partitions.count }
    }

    /// The id of a new session, or 0 when there is no room for one.
    private mutating func create(
        _ request: Request,
        now: Int64,
        using generator: inout some RandomNumberGenerator
    ) -> Int32 {
        if request.targets.isEmpty || self.partitionCount + request.targets.count > Self.maxPartitions { return 0 }
        if self.sessions.count >= self.maxSessions {
            guard let oldest = self.sessions.min(by: { $0.value.lastUsed < $1.value.lastUsed }),
                now - oldest.value.lastUsed > Self.idleBeforeEviction
            else { return 0 }
            self.remove(oldest.key)
        }
        var id: Int32 = 0
        while id == 0 || self.sessions[id] != nil { id = Int32.random(in: 1...Int32.max, using: &generator) }
        var session = Session(usesTopicIDs: request.usesTopicIDs, lastUsed: now)
        session.update(request)
        self.partitionCount += session.partitions.count
        self.sessions[id] = session
        return id
    }
}

extension FetchSessionCache {
    /// Why a request cannot go on with the session that it names.
    enum SessionError: Error, Equatable {
        case notFound
        case wrongEpoch
        case mixedTopicIDs

        var errorCode: ErrorCode {
            switch self {
            case .notFound: .fetchSessionIDNotFound
            case .wrongEpoch: .invalidFetchSessionEpoch
            case .mixedTopicIDs: .fetchSessionTopicIDError
            }
        }
    }
}

/// One session: the partitions it fetches, in reading order, and what the client was last told of each.
private struct Session {
    struct Remembered {
        var target: FetchTarget
        var highWatermark: Int64 = -1
        var logStartOffset: Int64 = -1
    }

    let usesTopicIDs: Bool
    var nextEpoch: Int32 = 1
    var lastUsed: Int64
    private(set) var partitions: [FetchTarget.Key: Remembered] = [:]
    private var order: [FetchTarget.Key] = []

    init(usesTopicIDs: Bool, lastUsed: Int64) {
        self.usesTopicIDs = usesTopicIDs
        self.lastUsed = lastUsed
    }

    /// Epochs count up and start again at 1.
    static func epoch(after epoch: Int32) -> Int32 { epoch == Int32.max ? 1 : epoch + 1 }

    var targets: [FetchTarget] { self.order.compactMap { self.partitions[$0]?.target } }

    /// Takes over what a request adds, changes and forgets.
    mutating func update(_ request: FetchSessionCache.Request) {
        for target in request.targets {
            if self.partitions[target.key] == nil {
                self.order.append(target.key)
                self.partitions[target.key] = Remembered(target: target)
            } else {
                self.partitions[target.key]?.target = target
            }
        }
        if request.forgotten.isEmpty { return }
        for key in request.forgotten { self.partitions[key] = nil }
        self.order.removeAll { self.partitions[$0] == nil }
    }

    /// Remembers what is answered, and returns the partitions that the answer has to name.
    mutating func note(_ fetched: [FetchedPartition], isIncremental: Bool) -> [FetchedPartition] {
        var named: [FetchedPartition] = []
        var gaveRecords: Set<FetchTarget.Key> = []
        for partition in fetched {
            guard var remembered = self.partitions[partition.key] else { continue }
            let hasRecords = partition.recordByteCount > 0
            if hasRecords { gaveRecords.insert(partition.key) }
            let isNews =
                hasRecords || partition.errorCode != .none || partition.divergence != nil
                || remembered.highWatermark != partition.highWatermark
                || remembered.logStartOffset != partition.logStartOffset
            if isNews || !isIncremental { named.append(partition) }
            // After an error the next answer without one is news, whatever its offsets.
            remembered.highWatermark = partition.errorCode == .none ? partition.highWatermark : -1
            remembered.logStartOffset = partition.logStartOffset
            self.partitions[partition.key] = remembered
        }
        if !gaveRecords.isEmpty, gaveRecords.count < self.order.count {
            // Whoever got records goes to the end, so that a few busy partitions do not starve the rest.
            self.order = self.order.filter { !gaveRecords.contains($0) } + self.order.filter(gaveRecords.contains)
        }
        return named
    }
}
