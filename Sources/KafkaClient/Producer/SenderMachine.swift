// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import NIOCore

/// Decides which batches a producer sends when, and what answers mean, without any IO. Time is in milliseconds of any
/// clock that does not go back; partitions are numbers that `addPartition` hands out, nodes are those of brokers.
///
/// Invariants, of which the first three hold whatever brokers and networks do, as long as a broker that answers tells the
/// truth and refuses sequences that do not follow each other:
///
/// 1. With idempotence every batch is written at most once, and batches of a partition in the order of `enqueue`. Without,
///    a batch is sent again only when it was certainly not written, unless `resendsInDoubt`.
/// 2. A batch is reported written only after a broker said so of this very batch.
/// 3. A batch is reported failed without `mayBeWritten` only when no attempt at it can be written any more.
/// 4. Every batch is reported exactly once, at the latest when its delivery time-out has passed.
/// 5. Of one partition there are never batches on their way to two nodes, nor more than `inFlightMax`; and only one
///    while the broker may not know the producer yet, or not any more, since it would take any sequence then.
/// 6. A sequence, once it was sent, stays with its batch until the batch was written, or certainly was not and never
///    will be. Sequences begin again (`beginAgain`) only when nothing is on its way; under a new epoch, which shuts out what
///    of the old one may still lie in a broker's socket, unless nothing can.
struct SenderMachine<Token: Sendable>: Sendable {
    struct Settings: Sendable {
        var isIdempotent = true
        var resendsInDoubt = false
        /// Requests per node, and batches per partition.
        var inFlightMax = 5
        var requestBytesMax = 1024 * 1024
        var deliveryTimeoutMs: Int64 = 120_000
        var retry = RetryPolicy()
    }

    struct Identity: Sendable, Hashable {
        var producerID: Int64
        var epoch: Int16
    }

    /// The order of batches in a partition, and their names: halves of a batch stand where it stood.
    struct Order: Sendable, Hashable, Comparable {
        var serial: UInt64
        var firstRecord: Int32

        static func < (lhs: Order, rhs: Order) -> Bool {
            (lhs.serial, lhs.firstRecord) < (rhs.serial, rhs.firstRecord)
        }
    }

    struct Batch: Sendable {
        var order: Order
        var token: Token
        var recordCount: Int32
        var byteCount: Int
        var expiresMs: Int64
        /// What it was or will be sent with; nil before that, and again when sequences begin anew.
        var stamp: BatchStamp?
        /// An attempt with this stamp ended without an answer that rules it out.
        var mayBeWritten = false
        /// Reported as failed while it was on its way; the answer still tells something about sequences.
        var isReported = false
        /// Too large for the broker: waits for `replace`.
        var isSplitting = false
    }

    /// A sequence that a batch had which will never be acknowledged: those after it cannot be written as they are.
    struct Hole: Sendable {
        var order: Order
        var sequence: Int32
        /// The batch may be in the log all the same, and then those after it can be written.
        var mayBeWritten: Bool
        /// The broker knows something else of this producer than we do.
        var mustBump = false
        /// A new epoch would not do.
        var needsNewID = false
        /// The batch after it was refused.
        var isProbed = false
    }

    struct Partition: Sendable {
        var leader: Int32?
        /// In their order; those that were sent and came back are in front.
        var queue = CircularBuffer<Batch>()
        /// In the order in which they were sent, all to the same node.
        var inFlight: [Batch] = []
        var inFlightNode: Int32 = -1
        var identity: Identity?
        var nextSequence: Int32 = 0
        /// When the broker last acknowledged something under this identity; nil: never, or not since it may have become
        /// another.
        var provenMs: Int64?
        /// In the order of their batches.
        var holes: [Hole] = []
        /// Something came back: the rest has to be back, too, before anything is sent.
        var isRecovering = false
        var failures = 0
        var retryMs = Int64.min
        var isActive = false

        /// The broker cannot take this batch as it is, unless the one in the hole was written.
        func isBehindHole(_ batch: Batch) -> Bool { self.holes.first.map { $0.order <= batch.order } ?? false }
    }

    struct Sent: Sendable {
        var partition: Int
        var order: Order
        var token: Token
        var stamp: BatchStamp
    }

    struct Request: Sendable {
        var id: UInt64
        var node: Int32
        /// One batch per partition.
        var batches: [Sent]
    }

    enum Answer: Sendable {
        case written(baseOffset: Int64?, logAppendTime: Int64?)
        case refused(ErrorCode, message: String?)
        /// It was sent, or may have been, and no answer came.
        case lost(KafkaClientError)
        /// It certainly was not sent.
        case unsent(KafkaClientError)
    }

    enum Reason: Sendable {
        case refused(ErrorCode, message: String?)
        case error(KafkaClientError)
        case deliveryTimeout
        /// It followed a batch of which nobody knows whether it was written, and nobody knows it of this one either.
        case inDoubt
    }

    enum Outcome: Sendable {
        case written(Token, baseOffset: Int64?, logAppendTime: Int64?)
        case failed(Token, Reason, mayBeWritten: Bool)
        /// Make two of it and call `replace`.
        case split(partition: Int, Order, Token)
    }

    let settings: Settings
    var partitions: [Partition] = []
    /// Partitions whose queues are not empty, and some whose are.
    var active: [Int] = []
    var requests: [UInt64: Request] = [:]
    /// Requests on their way, per node.
    var busy: [Int32: Int] = [:]
    var lastRequest: UInt64 = 0
    /// No batch expires before this; `Int64.max` when there is none.
    var nextExpiryMs = Int64.max
    var outcomes: [Outcome] = []
    var generator: JitterGenerator

    /// The identity for partitions that begin.
    var identity: Identity?
    var isIdentityNeeded = false
    var isAskingForIdentity = false
    var identityFailures = 0
    var identityMs = Int64.min

    /// Partitions whose leader has to be asked for.
    var leaderless: Set<Int> = []
    var isAskingForLeaders = false
    var leaderFailures = 0
    var leaderMs = Int64.min

    /// The seed is for the jitter of waits.
    init(_ settings: Settings, seed: UInt64) {
        self.settings = settings
        self.generator = JitterGenerator(state: seed)
    }

    // MARK: Batches come

    /// A partition, whose leader is asked for when it is nil.
    mutating func addPartition(leader: Int32?) -> Int {
        self.partitions.append(Partition(leader: leader))
        if leader == nil { self.leaderless.insert(self.partitions.count - 1) }
        return self.partitions.count - 1
    }

    mutating func enqueue(
        _ token: Token, order: Order, recordCount: Int32, byteCount: Int, createdMs: Int64, to partition: Int
    ) {
        let expiresMs = createdMs + self.settings.deliveryTimeoutMs
        let batch = Batch(
            order: order, token: token, recordCount: recordCount, byteCount: byteCount, expiresMs: expiresMs)
        self.partitions[partition].queue.append(batch)
        self.nextExpiryMs = min(self.nextExpiryMs, expiresMs)
        self.activate(partition)
    }

    mutating func activate(_ index: Int) {
        guard !self.partitions[index].isActive else { return }
        self.partitions[index].isActive = true
        self.active.append(index)
    }

    /// A batch that is not full yet could be sent soon: it need not wait for more.
    func wants(_ index: Int) -> Bool {
        let partition = self.partitions[index]
        guard partition.queue.isEmpty, partition.inFlight.count < self.settings.inFlightMax else { return false }
        guard let leader = partition.leader else { return true }
        return (self.busy[leader] ?? 0) < self.settings.inFlightMax
    }

    /// Puts the parts of a batch in its place, as `split` asked for; none when it cannot be split: it fails.
    mutating func replace(
        _ order: Order, of index: Int, with parts: [(token: Token, recordCount: Int32, byteCount: Int)]
    ) {
        guard let position = self.partitions[index].queue.firstIndex(where: { $0.order == order }) else { return }
        let whole = self.partitions[index].queue[position]
        let distance = self.partitions[index].queue.distance(
            from: self.partitions[index].queue.startIndex, to: position)
        self.partitions[index].queue.remove(at: position)
        guard !parts.isEmpty else {
            self.fail(whole, of: index, .refused(.messageTooLarge, message: nil))
            return
        }
        var part = whole
        part.isSplitting = false
        for (offset, (token, recordCount, byteCount)) in parts.enumerated() {
            (part.token, part.recordCount, part.byteCount) = (token, recordCount, byteCount)
            self.partitions[index].queue.insert(part, at: distance + offset)
            part.order.firstRecord += recordCount
            if let stamp = part.stamp { part.stamp?.sequence = Self.sequence(stamp.sequence, plus: recordCount) }
        }
    }

    /// Nothing waits and nothing is on its way.
    var isIdle: Bool { self.requests.isEmpty && self.partitions.allSatisfy { $0.queue.isEmpty } }

    /// What became of batches since the last call.
    mutating func takeOutcomes() -> [Outcome] {
        defer { self.outcomes = [] }
        return self.outcomes
    }

    /// Sequences wrap around: after 2,147,483,647 comes 0.
    static func sequence(_ sequence: Int32, plus count: Int32) -> Int32 {
        Int32(truncatingIfNeeded: (Int64(sequence) + Int64(count)) & 0x7fff_ffff)
    }

    mutating func delay(afterFailures failures: Int) -> Int64 {
        var policy = self.settings.retry
        // How long it goes on is up to the delivery time-out.
        policy.attemptsMax = Int.max
        return policy.delay(afterAttempt: max(failures, 1), using: &self.generator)?.milliseconds ?? 0
    }
}

extension CircularBuffer {
    /// Inserts an element so that it is the one at `distance` from the first. Linear in the length.
    ///
    /// By distance, since an index of the buffer is good only until it changes.
    mutating func insert(_ element: Element, at distance: Int) {
        self.append(element)
        var position = self.count - 1
        while position > distance {
            self.swapAt(
                self.index(self.startIndex, offsetBy: position - 1), self.index(self.startIndex, offsetBy: position))
            position -= 1
        }
    }
}

/// Randomness for jitter, from a seed: SplitMix64.
struct JitterGenerator: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
