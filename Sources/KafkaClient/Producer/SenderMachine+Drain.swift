// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import NIOCore

extension SenderMachine {
    /// After so long without an acknowledgement a broker may have forgotten the producer: one batch at a time again.
    /// Brokers forget after a day by default (`producer.id.expiration.ms`).
    private static var provenForMs: Int64 { 600_000 }

    /// The requests that can be sent now, in the order in which those to one node have to be written.
    mutating func drain(nowMs: Int64) -> [Request] {
        var complete: [Request] = []
        var hasSent = true
        while hasSent {
            hasSent = false
            var open: [Int32: (request: Request, byteCount: Int)] = [:]
            var nodes: [Int32] = []
            for index in self.active {
                guard let node = self.target(of: index, nowMs: nowMs) else { continue }
                if open[node] == nil, self.busy[node, default: 0] >= self.settings.inFlightMax { continue }
                guard self.prepareHead(of: index), let head = self.partitions[index].queue.first else { continue }
                if let request = open[node], request.byteCount + head.byteCount > self.settings.requestBytesMax {
                    guard self.busy[node, default: 0] < self.settings.inFlightMax else { continue }
                    complete.append(request.request)
                    open[node] = nil
                }
                if open[node] == nil {
                    self.lastRequest += 1
                    self.busy[node, default: 0] += 1
                    if !nodes.contains(node) { nodes.append(node) }
                    open[node] = (Request(id: self.lastRequest, node: node, batches: []), 0)
                }
                let sent = self.sendHead(of: index, to: node)
                open[node]?.request.batches.append(sent)
                open[node]?.byteCount += head.byteCount
                hasSent = true
            }
            complete += nodes.compactMap { open[$0]?.request }
        }
        for request in complete { self.requests[request.id] = request }
        self.rotate()
        return complete
    }

    /// The node that the head of the queue may be sent to now.
    private func target(of index: Int, nowMs: Int64) -> Int32? {
        let partition = self.partitions[index]
        guard let leader = partition.leader, let head = partition.queue.first, !head.isSplitting,
            nowMs >= partition.retryMs
        else { return nil }
        guard !partition.inFlight.isEmpty else { return leader }
        guard partition.inFlightNode == leader, !partition.isRecovering, !partition.isBehindHole(head) else {
            return nil
        }
        return partition.inFlight.count < self.inFlightMax(of: partition, nowMs: nowMs) ? leader : nil
    }

    private func inFlightMax(of partition: Partition, nowMs: Int64) -> Int {
        guard self.settings.isIdempotent else { return self.settings.inFlightMax }
        guard let provenMs = partition.provenMs, nowMs - provenMs < Self.provenForMs else { return 1 }
        return self.settings.inFlightMax
    }

    /// Gives the head of the queue a stamp, after sequences have begun again if they must. False when that has to wait, or
    /// nothing is left.
    private mutating func prepareHead(of index: Int) -> Bool {
        guard self.settings.isIdempotent else { return true }
        guard self.identity != nil else {
            self.isIdentityNeeded = true
            return false
        }
        if let hole = self.partitions[index].holes.first, let head = self.partitions[index].queue.first,
            self.partitions[index].isBehindHole(head)
        {
            // The batch after the hole tells whether the one in the hole was written: it is sent as it is.
            if hole.mayBeWritten, !hole.isProbed, head.mayBeWritten { return true }
            guard self.beginAgain(index, after: hole) else { return false }
        }
        guard let head = self.partitions[index].queue.first else { return false }
        if head.stamp == nil { self.stampHead(of: index) }
        return true
    }

    private mutating func stampHead(of index: Int) {
        if self.partitions[index].identity == nil {
            self.partitions[index].identity = self.identity
            self.partitions[index].nextSequence = 0
        }
        // Nothing is held of the partition meanwhile: a copy of it would make the change copy its whole queue.
        let sequence = self.partitions[index].nextSequence
        guard let identity = self.partitions[index].identity,
            let recordCount = self.partitions[index].queue.first?.recordCount
        else { return }
        let stamp = BatchStamp(producerID: identity.producerID, epoch: identity.epoch, sequence: sequence)
        self.partitions[index].queue[self.partitions[index].queue.startIndex].stamp = stamp
        self.partitions[index].nextSequence = Self.sequence(sequence, plus: recordCount)
    }

    private mutating func sendHead(of index: Int, to node: Int32) -> Sent {
        let batch = self.partitions[index].queue.removeFirst()
        if self.partitions[index].inFlight.isEmpty { self.partitions[index].isRecovering = false }
        self.partitions[index].inFlight.append(batch)
        self.partitions[index].inFlightNode = node
        return Sent(partition: index, order: batch.order, token: batch.token, stamp: batch.stamp ?? BatchStamp())
    }

    /// Another partition is the first next time; those without batches are left out.
    private mutating func rotate() {
        self.active.removeAll { index in
            guard self.partitions[index].queue.isEmpty else { return false }
            self.partitions[index].isActive = false
            return true
        }
        if let first = self.active.first {
            self.active.removeFirst()
            self.active.append(first)
        }
    }

    // MARK: Sequences

    /// Fills a hole: what follows it gets sequences anew. Nothing of the partition is on its way. False when a new
    /// identity is needed first.
    ///
    /// What may have been written is not sent with other sequences. That can only be a run of batches right after the
    /// hole, if the batch in the hole may have been written: after one that certainly was not, none was. Those of the run
    /// fail, and the new epoch sees to it that they are not written later. When nothing of the old sequences can be
    /// written any more, they go on in the old epoch where the hole is.
    private mutating func beginAgain(_ index: Int, after hole: Hole) -> Bool {
        if hole.mayBeWritten {
            while let head = self.partitions[index].queue.first, head.mayBeWritten {
                self.partitions[index].queue.removeFirst()
                self.report(head, .inDoubt, mayBeWritten: true)
            }
        }
        // The sequences of other holes may still turn up, so no other batch may have them.
        let partition = self.partitions[index]
        let isClean =
            !partition.holes.contains { $0.mayBeWritten || $0.mustBump }
            && !partition.queue.contains(where: \.mayBeWritten)
        if isClean {
            self.partitions[index].nextSequence = hole.sequence
        } else {
            guard
                let identity = self.identity(
                    after: partition.identity, isNewID: partition.holes.contains(where: \.needsNewID))
            else {
                return false
            }
            self.partitions[index].identity = identity
            self.partitions[index].nextSequence = 0
            self.partitions[index].provenMs = nil
        }
        self.partitions[index].holes = []
        for position in self.partitions[index].queue.indices {
            self.partitions[index].queue[position].stamp = nil
            self.partitions[index].queue[position].mayBeWritten = false
        }
        return true
    }

    /// An identity that shuts out `old`: the epoch after it (KIP-360), or a new id when there is none.
    private mutating func identity(after old: Identity?, isNewID: Bool) -> Identity? {
        guard let current = self.identity, let old else { return self.identity }
        if current.producerID != old.producerID { return current }
        if !isNewID {
            if current.epoch > old.epoch { return current }
            if current.epoch < Int16.max {
                self.identity?.epoch += 1
                return self.identity
            }
        }
        self.identity = nil
        self.isIdentityNeeded = true
        return nil
    }
}
