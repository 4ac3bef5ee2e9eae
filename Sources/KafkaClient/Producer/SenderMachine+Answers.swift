// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import NIOCore

extension SenderMachine {
    /// What a broker, or the connection to it, said to a request. Batches that it says nothing about count as lost.
    mutating func answered(_ id: UInt64, _ answers: [Int: Answer], otherwise: Answer, nowMs: Int64) {
        guard let request = self.requests.removeValue(forKey: id) else { return }
        let others = self.busy[request.node, default: 1] - 1
        self.busy[request.node] = others > 0 ? others : nil
        for sent in request.batches {
            let inFlight = self.partitions[sent.partition].inFlight
            guard let position = inFlight.firstIndex(where: { $0.order == sent.order }) else { continue }
            let batch = self.partitions[sent.partition].inFlight.remove(at: position)
            self.settle(batch, of: sent.partition, answers[sent.partition] ?? otherwise, nowMs: nowMs)
        }
    }

    private mutating func settle(_ batch: Batch, of index: Int, _ answer: Answer, nowMs: Int64) {
        var batch = batch
        switch answer {
        case .written(let baseOffset, let logAppendTime):
            self.written(batch, of: index, baseOffset: baseOffset, logAppendTime: logAppendTime, nowMs: nowMs)
        case .refused(let code, let message):
            self.refused(batch, of: index, code, message, nowMs: nowMs)
        case .lost(let error):
            batch.mayBeWritten = true
            self.leaderIsUnknown(of: index)
            if self.settings.isIdempotent || self.settings.resendsInDoubt {
                self.retry(batch, of: index, nowMs: nowMs)
            } else {
                self.fail(batch, of: index, .error(error))
            }
        case .unsent(let error):
            guard error.isRetriable || error.isUnreachable else {
                return self.fail(batch, of: index, .error(error))
            }
            self.leaderIsUnknown(of: index)
            self.retry(batch, of: index, nowMs: nowMs)
        }
    }

    /// Who leads the partition next may have forgotten the producer, or never have heard of it.
    private mutating func leaderIsUnknown(of index: Int) {
        self.partitions[index].leader = nil
        self.partitions[index].provenMs = nil
        self.leaderless.insert(index)
    }

    /// A connection to this node has ended: who is behind the next one may have lost its memory. Linear in the number of
    /// partitions.
    mutating func disconnected(from node: Int32) {
        for index in self.partitions.indices where self.partitions[index].leader == node {
            self.partitions[index].provenMs = nil
        }
    }

    private mutating func written(
        _ batch: Batch, of index: Int, baseOffset: Int64?, logAppendTime: Int64?, nowMs: Int64
    ) {
        self.partitions[index].failures = 0
        if batch.stamp?.epoch == self.partitions[index].identity?.epoch { self.partitions[index].provenMs = nowMs }
        // The broker took a sequence after the hole: the one in the hole was written.
        self.partitions[index].holes.removeAll { $0.order < batch.order }
        guard !batch.isReported else { return }
        self.outcomes.append(.written(batch.token, baseOffset: baseOffset, logAppendTime: logAppendTime))
    }

    private mutating func refused(
        _ batch: Batch, of index: Int, _ code: ErrorCode, _ message: String?, nowMs: Int64
    ) {
        var batch = batch
        if self.settings.isIdempotent, let kind = SequenceRefusal(code) {
            // Of a batch that was never in doubt the broker cannot have a duplicate.
            if kind == .duplicate, batch.mayBeWritten {
                self.written(batch, of: index, baseOffset: nil, logAppendTime: nil, nowMs: nowMs)
            } else {
                self.sequenceRefused(batch, of: index, kind, nowMs: nowMs)
            }
            return
        }
        if !code.isRefusalBeforeWriting { batch.mayBeWritten = true }
        if code.meansOtherLeader { self.leaderIsUnknown(of: index) }
        if code == .messageTooLarge || code == .recordListTooLarge, batch.recordCount > 1, !batch.isReported {
            batch.isSplitting = true
            self.requeue(batch, of: index)
            self.outcomes.append(.split(partition: index, batch.order, batch.token))
        } else if code.isRetriable, self.mayRetry(batch, after: code) {
            self.retry(batch, of: index, nowMs: nowMs)
        } else {
            self.fail(batch, of: index, .refused(code, message: message))
        }
    }

    /// A broker that is not the leader says so before it writes; the exception, a leader that is deposed while it waits
    /// for the replicas, is left to idempotence.
    private func mayRetry(_ batch: Batch, after code: ErrorCode) -> Bool {
        self.settings.isIdempotent || self.settings.resendsInDoubt || !batch.mayBeWritten
            || code == .notLeaderOrFollower
    }

    // MARK: Sequences

    /// How a broker objects to the stamp of a batch.
    private enum SequenceRefusal {
        case outOfOrder, duplicate
        /// The identity is of no use any more.
        case identity

        init?(_ code: ErrorCode) {
            switch code {
            case .outOfOrderSequenceNumber, .unknownProducerID: self = .outOfOrder
            case .duplicateSequenceNumber: self = .duplicate
            case .invalidProducerEpoch, .producerFenced, .invalidProducerIDMapping: self = .identity
            default: return nil
            }
        }
    }

    private mutating func sequenceRefused(_ batch: Batch, of index: Int, _ kind: SequenceRefusal, nowMs: Int64) {
        guard self.isOldest(batch, of: index) else {
            // Most often because one before it came back. It goes again after that.
            return batch.isReported ? self.addHole(batch, of: index) : self.requeue(batch, of: index)
        }
        if !self.partitions[index].isBehindHole(batch) {
            // All before it were acknowledged: the broker has lost them, or its memory of them. Whatever attempts at this
            // one there were, none can be written any more.
            var hole = Hole(order: batch.order, sequence: batch.stamp?.sequence ?? 0, mayBeWritten: false)
            hole.mustBump = true
            hole.needsNewID = kind == .identity
            self.partitions[index].holes.insert(hole, at: 0)
            if batch.isReported { return }
            var batch = batch
            batch.mayBeWritten = false
            return self.retry(batch, of: index, nowMs: nowMs)
        }
        self.partitions[index].holes[0].isProbed = true
        if kind == .identity { self.partitions[index].holes[0].needsNewID = true }
        if kind != .outOfOrder { self.partitions[index].holes[0].mustBump = true }
        if !batch.isReported { self.requeue(batch, of: index) }
    }

    /// No batch before this one waits or is on its way.
    private func isOldest(_ batch: Batch, of index: Int) -> Bool {
        let partition = self.partitions[index]
        if let head = partition.queue.first, head.order < batch.order { return false }
        return !partition.inFlight.contains { $0.order < batch.order }
    }

    /// The sequence of this batch will not be acknowledged any more.
    private mutating func addHole(_ batch: Batch, of index: Int) {
        guard let stamp = batch.stamp, self.settings.isIdempotent else { return }
        let holes = self.partitions[index].holes
        let place = holes.firstIndex { $0.order >= batch.order } ?? holes.endIndex
        if place < holes.count, holes[place].order == batch.order { return }
        let hole = Hole(order: batch.order, sequence: stamp.sequence, mayBeWritten: batch.mayBeWritten)
        self.partitions[index].holes.insert(hole, at: place)
    }

    // MARK: What goes again, and what does not

    private mutating func retry(_ batch: Batch, of index: Int, nowMs: Int64) {
        if batch.isReported { return self.addHole(batch, of: index) }
        guard nowMs < batch.expiresMs else { return self.fail(batch, of: index, .deliveryTimeout) }
        self.partitions[index].failures += 1
        self.partitions[index].retryMs = nowMs + self.delay(afterFailures: self.partitions[index].failures)
        self.requeue(batch, of: index)
    }

    private mutating func requeue(_ batch: Batch, of index: Int) {
        let place = self.place(of: batch, in: self.partitions[index].queue)
        self.partitions[index].queue.insert(batch, at: place)
        self.partitions[index].isRecovering = true
        self.activate(index)
    }

    /// How many batches of the queue come before this one.
    private func place(of batch: Batch, in queue: CircularBuffer<Batch>) -> Int {
        queue.prefix { $0.order < batch.order }.count
    }

    mutating func fail(_ batch: Batch, of index: Int, _ reason: Reason) {
        self.addHole(batch, of: index)
        self.report(batch, reason, mayBeWritten: batch.mayBeWritten)
    }

    mutating func report(_ batch: Batch, _ reason: Reason, mayBeWritten: Bool) {
        guard !batch.isReported else { return }
        self.outcomes.append(.failed(batch.token, reason, mayBeWritten: mayBeWritten))
    }

    /// Fails what has waited too long. Linear in the number of partitions when something has, else free.
    mutating func expire(nowMs: Int64) {
        guard nowMs >= self.nextExpiryMs else { return }
        self.nextExpiryMs = Int64.max
        for index in self.partitions.indices {
            while let head = self.partitions[index].queue.first, head.expiresMs <= nowMs {
                self.partitions[index].queue.removeFirst()
                self.fail(head, of: index, .deliveryTimeout)
            }
            for position in self.partitions[index].inFlight.indices {
                let batch = self.partitions[index].inFlight[position]
                guard batch.expiresMs <= nowMs else {
                    self.nextExpiryMs = min(self.nextExpiryMs, batch.expiresMs)
                    continue
                }
                self.report(batch, .deliveryTimeout, mayBeWritten: true)
                self.partitions[index].inFlight[position].isReported = true
            }
            if let head = self.partitions[index].queue.first {
                self.nextExpiryMs = min(self.nextExpiryMs, head.expiresMs)
            }
        }
    }

    /// Fails everything: the producer ends here.
    mutating func failAll(_ error: KafkaClientError) {
        for index in self.partitions.indices {
            for batch in self.partitions[index].inFlight { self.report(batch, .error(error), mayBeWritten: true) }
            for batch in self.partitions[index].queue {
                self.report(batch, .error(error), mayBeWritten: batch.mayBeWritten)
            }
            self.partitions[index].inFlight = []
            self.partitions[index].queue.removeAll()
        }
        self.requests = [:]
        self.busy = [:]
    }
}

extension ErrorCode {
    /// A broker answers so before it appends anything: the batch is not in the log by this attempt.
    var isRefusalBeforeWriting: Bool {
        switch self {
        case .messageTooLarge, .recordListTooLarge, .corruptMessage, .unknownTopicOrPartition, .leaderNotAvailable,
            .notEnoughReplicas, .invalidRequiredAcks, .topicAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIDAuthorizationFailed, .invalidTimestamp, .invalidRecord, .unsupportedVersion,
            .unsupportedForMessageFormat, .unsupportedCompressionType, .policyViolation, .invalidTopicException,
            .invalidRequest, .invalidTxnState, .unknownTopicID, .inconsistentTopicID, .fencedLeaderEpoch,
            .unknownLeaderEpoch, .throttlingQuotaExceeded:
            true
        default: false
        }
    }

    /// Who leads the partition has to be asked anew.
    var meansOtherLeader: Bool {
        switch self {
        case .unknownTopicOrPartition, .leaderNotAvailable, .notLeaderOrFollower, .replicaNotAvailable,
            .kafkaStorageError, .fencedLeaderEpoch, .unknownLeaderEpoch, .unknownTopicID, .inconsistentTopicID,
            .networkException:
            true
        default: false
        }
    }
}
