// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire

@testable import KafkaClient

/// Brokers and networks at their worst, and a `SenderMachine` that has to cope with them: a seed decides what happens.
///
/// A partition has one log, whoever leads it. A request lies in a broker's socket before it is carried out, and may be
/// carried out long after the connection has ended: that is where records would be written twice.
struct SenderMachineModel {
    /// A run of records of one partition, numbered in the order of `enqueue`.
    struct Token: Sendable, Hashable {
        var partition: Int
        var records: Range<Int>
    }

    struct LoggedBatch {
        var baseSequence: Int32
        var count: Int32
        var baseOffset: Int64
    }

    /// What a broker knows of a producer id.
    struct ProducerEntry {
        var epoch: Int16
        var batches: [LoggedBatch]
    }

    struct Log {
        var leader: Int32
        var records: [Int] = []
        var producers: [Int64: ProducerEntry] = [:]
        /// All batches, with what they were sent with, as a broker finds them when it reads its log.
        var batches: [(stamp: BatchStamp, batch: LoggedBatch)] = []
    }

    struct Arrived {
        var connection: Int
        var request: SenderMachine<Token>.Request
    }

    enum Report {
        case written(baseOffset: Int64?)
        case failed(mayBeWritten: Bool)
    }

    static let nodes: Int32 = 3
    /// A batch with more records is too large for the brokers.
    static let recordsMax = 6

    var machine: SenderMachine<Token>
    var generator: JitterGenerator
    var nowMs: Int64 = 0
    var logs: [Log] = []
    /// Requests that lie in the sockets of the nodes; those of connections that have ended, too.
    var sockets: [Int32: [Arrived]] = [:]
    /// The connection to each node, and what is on its way over it, the oldest first.
    var connections: [Int32: Int] = [:]
    var outstanding: [Int: [UInt64]] = [:]
    var lastConnection = 0
    var lastSerial: UInt64 = 0
    var nextRecord: [Int] = []
    var expected: Set<Token> = []
    var reports: [Int: Report] = [:]
    var offsets: [Int: Int64] = [:]
    var violations: [String] = []
    /// Brokers lose what was written last, acknowledged or not, now and then.
    var losesTails = false
    /// What was written and got lost that way.
    var lost: Set<Int> = []
    /// Nothing goes wrong any more.
    var isHealed = false
    private var nextProducerID: Int64 = 100

    init(_ settings: SenderMachine<Token>.Settings, partitions: Int, seed: UInt64) {
        self.machine = SenderMachine(settings, seed: seed)
        self.generator = JitterGenerator(state: seed &* 31 &+ 7)
        for index in 0..<partitions {
            let slot = self.machine.addPartition(leader: nil)
            precondition(slot == index)
            self.logs.append(Log(leader: Int32(index) % Self.nodes))
            self.nextRecord.append(index * 1_000_000)
        }
    }

    mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self.generator) == 0 }

    private mutating func isUnlucky(_ count: Int) -> Bool { !self.isHealed && self.oneIn(count) }

    // MARK: One step

    mutating func step() {
        switch Int.random(in: 0..<12, using: &self.generator) {
        case 0, 1, 2: if !self.isHealed { self.enqueue() }
        case 3, 4, 5, 6: self.carryOut()
        case 7: self.nowMs += Int64.random(in: 0...400, using: &self.generator)
        case 8: if self.isUnlucky(3) { self.breakConnection() }
        case 9: if self.isUnlucky(4) { self.moveLeader() }
        case 10:
            if self.isUnlucky(20) { self.nowMs += 3_000 }
            if self.losesTails, self.isUnlucky(8) { self.loseTail() }
        default: self.nowMs += 5
        }
        self.work()
    }

    private mutating func enqueue() {
        let partition = Int.random(in: 0..<self.logs.count, using: &self.generator)
        let count = Int.random(in: 1...8, using: &self.generator)
        let first = self.nextRecord[partition]
        self.nextRecord[partition] += count
        let token = Token(partition: partition, records: first..<first + count)
        self.expected.insert(token)
        self.lastSerial += 1
        self.machine.enqueue(
            token, order: .init(serial: self.lastSerial, firstRecord: 0), recordCount: Int32(count),
            byteCount: count * 100, createdMs: self.nowMs, to: partition)
    }

    private mutating func work() {
        self.machine.expire(nowMs: self.nowMs)
        for request in self.machine.drain(nowMs: self.nowMs) { self.send(request) }
        self.collect()
        if self.machine.takeIdentityNeed(nowMs: self.nowMs) {
            if self.isUnlucky(5) {
                self.machine.identityFailed(KafkaClientError(.connectionFailed, "away"), nowMs: self.nowMs)
            } else {
                self.nextProducerID += 1
                self.machine.identified(.init(producerID: self.nextProducerID, epoch: 0))
            }
        }
        if self.isUnlucky(40) {
            // What is known of topics is asked for anew now and then, also where a leader is known.
            let index = Int.random(in: 0..<self.logs.count, using: &self.generator)
            self.machine.leaderKnown(self.logs[index].leader, of: index)
        }
        let leaderless = self.machine.takeLeaderNeed(nowMs: self.nowMs)
        guard !leaderless.isEmpty else { return }
        for index in leaderless where !self.isUnlucky(4) {
            // What the cluster says may be old.
            let node =
                self.isUnlucky(4) ? Int32.random(in: 0..<Self.nodes, using: &self.generator) : self.logs[index].leader
            self.machine.leaderKnown(node, of: index)
        }
        self.machine.leadersAnswered(nowMs: self.nowMs)
    }

    private mutating func send(_ request: SenderMachine<Token>.Request) {
        self.checkLimits()
        if self.isUnlucky(15) {
            let error = KafkaClientError(.connectionFailed, "refused")
            return self.machine.answered(request.id, [:], otherwise: .unsent(error), nowMs: self.nowMs)
        }
        if self.connections[request.node] == nil {
            self.lastConnection += 1
            self.connections[request.node] = self.lastConnection
        }
        let connection = self.connections[request.node] ?? 0
        self.outstanding[connection, default: []].append(request.id)
        self.sockets[request.node, default: []].append(Arrived(connection: connection, request: request))
    }

    private mutating func checkLimits() {
        for (index, partition) in self.machine.partitions.enumerated() {
            if partition.inFlight.count > self.machine.settings.inFlightMax {
                self.violations.append("\(partition.inFlight.count) batches of partition \(index) are on their way")
            }
        }
        for (node, count) in self.machine.busy where count > self.machine.settings.inFlightMax {
            self.violations.append("\(count) requests are on their way to node \(node)")
        }
    }

    // MARK: What goes wrong

    /// A connection ends. Its requests may still be carried out, or get lost from some point on.
    private mutating func breakConnection() {
        guard let node = self.connections.keys.sorted().randomElement(using: &self.generator),
            let connection = self.connections.removeValue(forKey: node)
        else { return }
        if self.oneIn(2) {
            let count = self.sockets[node]?.count ?? 0
            let kept = Int.random(in: 0...count, using: &self.generator)
            let old = self.sockets[node] ?? []
            self.sockets[node] = old.enumerated().filter { $0.offset < kept || $0.element.connection != connection }
                .map(\.element)
            if self.sockets[node]?.isEmpty == true { self.sockets[node] = nil }
        }
        self.ended(connection, to: node)
    }

    private mutating func ended(_ connection: Int, to node: Int32) {
        self.machine.disconnected(from: node)
        let error = KafkaClientError(.connectionClosed, "lost")
        for id in self.outstanding.removeValue(forKey: connection) ?? [] {
            self.machine.answered(id, [:], otherwise: .lost(error), nowMs: self.nowMs)
        }
    }

    private mutating func moveLeader() {
        let index = Int.random(in: 0..<self.logs.count, using: &self.generator)
        self.logs[index].leader = Int32.random(in: 0..<Self.nodes, using: &self.generator)
    }

    /// A partition comes back without its last batches: its leader has lost power, with them and what lay in its sockets,
    /// and leads it again, or another replica does that had not got them yet. What the log says of producers is all that
    /// the new leader knows of them.
    private mutating func loseTail() {
        let index = Int.random(in: 0..<self.logs.count, using: &self.generator)
        let old = self.logs[index].leader
        self.logs[index].leader = Int32.random(in: 0..<Self.nodes, using: &self.generator)
        self.sockets[old] = nil
        if let connection = self.connections.removeValue(forKey: old) { self.ended(connection, to: old) }
        let count = min(Int.random(in: 0...4, using: &self.generator), self.logs[index].batches.count)
        guard let cut = self.logs[index].batches.suffix(count).first?.batch.baseOffset else { return }
        self.lost.formUnion(self.logs[index].records[Int(cut)...])
        self.logs[index].records.removeSubrange(Int(cut)...)
        self.logs[index].batches.removeLast(count)
        self.logs[index].producers = [:]
        for (stamp, batch) in self.logs[index].batches { self.logs[index].note(batch, stamp) }
    }

    /// A broker carries out a request: the oldest of one of its connections.
    mutating func carryOut() {
        guard let node = self.sockets.keys.sorted().randomElement(using: &self.generator),
            let connections = self.sockets[node].map({ Set($0.map(\.connection)) }),
            let connection = connections.sorted().randomElement(using: &self.generator),
            let position = self.sockets[node]?.firstIndex(where: { $0.connection == connection }),
            let arrived = self.sockets[node]?.remove(at: position)
        else { return }
        if self.sockets[node]?.isEmpty == true { self.sockets[node] = nil }
        var answers: [Int: SenderMachine<Token>.Answer] = [:]
        for sent in arrived.request.batches { answers[sent.partition] = self.carryOut(sent, at: node) }
        guard self.connections[node] == connection, self.outstanding[connection]?.first == arrived.request.id else {
            return
        }
        self.outstanding[connection]?.removeFirst()
        self.machine.answered(
            arrived.request.id, answers, otherwise: .lost(KafkaClientError(.malformedResponse, "lacks it")),
            nowMs: self.nowMs)
    }

    private mutating func carryOut(_ sent: SenderMachine<Token>.Sent, at node: Int32) -> SenderMachine<Token>.Answer {
        guard self.logs[sent.partition].leader == node else { return .refused(.notLeaderOrFollower, message: nil) }
        if self.isUnlucky(12) { return .refused(.notEnoughReplicas, message: nil) }
        if self.isUnlucky(40) { return .refused(.invalidRecord, message: nil) }
        if sent.token.records.count > Self.recordsMax { return .refused(.messageTooLarge, message: nil) }
        let answer = self.append(sent)
        guard case .written = answer else { return answer }
        if self.isUnlucky(12) { return .refused(.notEnoughReplicasAfterAppend, message: nil) }
        if self.isUnlucky(20) { return .refused(.requestTimedOut, message: nil) }
        return answer
    }

    private mutating func append(_ sent: SenderMachine<Token>.Sent) -> SenderMachine<Token>.Answer {
        let count = Int32(sent.token.records.count)
        let stamp = sent.stamp
        let baseOffset = Int64(self.logs[sent.partition].records.count)
        if stamp.producerID >= 0 {
            let entry = self.logs[sent.partition].producers[stamp.producerID]
            if let refusal = Self.judge(stamp, count, entry) { return refusal }
        }
        let batch = LoggedBatch(baseSequence: stamp.sequence, count: count, baseOffset: baseOffset)
        self.logs[sent.partition].batches.append((stamp, batch))
        self.logs[sent.partition].note(batch, stamp)
        self.logs[sent.partition].records += sent.token.records
        return .written(baseOffset: baseOffset, logAppendTime: nil)
    }

    /// As brokers judge (see `ProducerEntry` of `CommitLog`); nil: append.
    private static func judge(
        _ stamp: BatchStamp, _ count: Int32, _ entry: ProducerEntry?
    ) -> SenderMachine<Token>.Answer? {
        guard let entry else { return nil }
        if stamp.epoch < entry.epoch { return .refused(.invalidProducerEpoch, message: nil) }
        if stamp.epoch > entry.epoch {
            return stamp.sequence == 0 ? nil : .refused(.outOfOrderSequenceNumber, message: nil)
        }
        if let known = entry.batches.last(where: { $0.baseSequence == stamp.sequence && $0.count == count }) {
            return .written(baseOffset: known.baseOffset, logAppendTime: nil)
        }
        if let last = entry.batches.last, last.baseSequence + last.count == stamp.sequence { return nil }
        if let first = entry.batches.first, stamp.sequence + count <= first.baseSequence {
            return .refused(.duplicateSequenceNumber, message: nil)
        }
        return .refused(.outOfOrderSequenceNumber, message: nil)
    }

    // MARK: What the machine says

    private mutating func collect() {
        for outcome in self.machine.takeOutcomes() {
            switch outcome {
            case .written(let token, let baseOffset, _):
                for (position, record) in token.records.enumerated() {
                    if let baseOffset { self.offsets[record] = baseOffset + Int64(position) }
                }
                self.report(token, .written(baseOffset: baseOffset))
            case .failed(let token, _, let mayBeWritten):
                self.report(token, .failed(mayBeWritten: mayBeWritten))
            case .split(let partition, let order, let token):
                let middle = (token.records.lowerBound + token.records.upperBound) / 2
                let halves = [token.records.lowerBound..<middle, middle..<token.records.upperBound]
                self.machine.replace(
                    order, of: partition,
                    with: halves.map { (Token(partition: partition, records: $0), Int32($0.count), $0.count * 100) })
            }
        }
    }

    private mutating func report(_ token: Token, _ report: Report) {
        for record in token.records {
            if self.reports[record] != nil { self.violations.append("record \(record) was reported twice") }
            self.reports[record] = report
        }
    }
}

extension SenderMachineModel {
    /// Lets everything come to an end, and says what is wrong then.
    mutating func finish(keepsOrder: Bool) -> [String] {
        self.isHealed = true
        var steps = 0
        while !self.machine.isIdle, steps < 20_000 {
            self.step()
            steps += 1
        }
        if !self.machine.isIdle { self.violations.append("something is left after \(steps) steps") }
        // Whatever still lies in a socket is carried out at the very end.
        while !self.sockets.isEmpty { self.carryOut() }
        for (index, log) in self.logs.enumerated() { self.check(log, index, keepsOrder: keepsOrder) }
        for token in self.expected {
            for record in token.records where self.reports[record] == nil {
                self.violations.append("record \(record) was never reported")
            }
        }
        return self.violations
    }

    private mutating func check(_ log: Log, _ index: Int, keepsOrder: Bool) {
        var positions: [Int: Int] = [:]
        for (offset, record) in log.records.enumerated() {
            if let first = positions[record] {
                self.violations.append("record \(record) is in partition \(index) at \(first) and at \(offset)")
            }
            positions[record] = offset
        }
        let certain = log.records.filter { record in
            if case .failed = self.reports[record] { false } else { true }
        }
        if keepsOrder, certain != certain.sorted() {
            self.violations.append("partition \(index) is out of order")
        }
        for record in index * 1_000_000..<self.nextRecord[index] {
            switch self.reports[record] {
            case .written:
                // What a broker has lost nobody can help.
                if self.lost.contains(record) { continue }
                guard let offset = positions[record] else {
                    self.violations.append("record \(record) was acknowledged and is not there")
                    continue
                }
                if let told = self.offsets[record], told != Int64(offset) {
                    self.violations.append("record \(record) is at \(offset), not at \(told)")
                }
            case .failed(mayBeWritten: false):
                if positions[record] != nil { self.violations.append("record \(record) failed for good and is there") }
            case .failed, nil: break
            }
        }
    }
}

extension SenderMachineModel.Log {
    /// Remembers a batch of a producer, the last five of an epoch.
    mutating func note(_ batch: SenderMachineModel.LoggedBatch, _ stamp: BatchStamp) {
        guard stamp.producerID >= 0 else { return }
        var entry = self.producers[stamp.producerID] ?? .init(epoch: stamp.epoch, batches: [])
        if entry.epoch != stamp.epoch { entry = .init(epoch: stamp.epoch, batches: []) }
        entry.batches.append(batch)
        if entry.batches.count > 5 { entry.batches.removeFirst() }
        self.producers[stamp.producerID] = entry
    }
}
