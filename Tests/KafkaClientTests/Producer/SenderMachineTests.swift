// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import Testing

@testable import KafkaClient

/// Single decisions of `SenderMachine`; what they add up to is shown by `SenderMachineModelTests`.
@Suite struct SenderMachineTests {
    typealias Machine = SenderMachine<String>

    /// A machine with its clock, and one request after the other.
    struct Sender {
        var machine: Machine
        var nowMs: Int64 = 1_000
        private var serial: UInt64 = 0

        init(leaders: [Int32] = [1], _ change: (inout Machine.Settings) -> Void = { _ in }) {
            var settings = Machine.Settings()
            settings.deliveryTimeoutMs = 10_000
            settings.retry.jitter = 0
            settings.retry.firstDelay = .milliseconds(100)
            settings.retry.delayMax = .milliseconds(400)
            change(&settings)
            self.machine = Machine(settings, seed: 1)
            for leader in leaders { _ = self.machine.addPartition(leader: leader) }
            self.machine.identified(.init(producerID: 7, epoch: 0))
        }

        /// A batch of ten records.
        mutating func enqueue(_ token: String, to partition: Int = 0, byteCount: Int = 100) {
            self.serial += 1
            self.machine.enqueue(
                token, order: .init(serial: self.serial, firstRecord: 0), recordCount: 10, byteCount: byteCount,
                createdMs: self.nowMs, to: partition)
        }

        mutating func drain() -> [Machine.Request] { self.machine.drain(nowMs: self.nowMs) }

        /// What is sent now, as token, epoch and sequence.
        mutating func sent() -> [String] { self.drain().flatMap(\.batches).map(Self.text) }

        static func text(_ sent: Machine.Sent) -> String {
            "\(sent.token) \(sent.stamp.producerID)/\(sent.stamp.epoch) \(sent.stamp.sequence)"
        }

        mutating func answer(_ request: Machine.Request, _ answer: Machine.Answer) {
            self.machine.answered(request.id, [:], otherwise: answer, nowMs: self.nowMs)
        }

        /// Has everything acknowledged that can be sent now, a batch at a time, so that the broker knows the producer.
        mutating func acknowledge() {
            for request in self.drain() { self.answer(request, Self.written) }
            _ = self.machine.takeOutcomes()
        }

        static let written = Machine.Answer.written(baseOffset: 0, logAppendTime: nil)
        static let lost = Machine.Answer.lost(KafkaClientError(.connectionClosed, "gone"))
        static func refused(_ code: ErrorCode) -> Machine.Answer { .refused(code, message: nil) }

        mutating func outcomes() -> [String] {
            self.machine.takeOutcomes().map { outcome in
                switch outcome {
                case .written(let token, _, _): "\(token) written"
                case .failed(let token, let reason, let mayBeWritten):
                    "\(token) \(Self.text(reason))\(mayBeWritten ? ", perhaps written" : "")"
                case .split(_, _, let token): "\(token) split"
                }
            }
        }

        private static func text(_ reason: Machine.Reason) -> String {
            switch reason {
            case .refused(let code, _): "refused \(code.name)"
            case .error(let error): "error \(error.code)"
            case .deliveryTimeout: "timed out"
            case .inDoubt: "in doubt"
            }
        }

        /// With a leader that is known again.
        mutating func leaderFound(_ leader: Int32 = 1, of partition: Int = 0) {
            self.machine.leaderKnown(leader, of: partition)
        }
    }

    /// Five requests of a batch each on their way, `b` to `f`, after `a` was acknowledged.
    private static func fiveInFlight() -> (sender: Sender, requests: [Machine.Request]) {
        var sender = Sender()
        sender.enqueue("a")
        sender.acknowledge()
        var requests: [Machine.Request] = []
        for token in ["b", "c", "d", "e", "f"] {
            sender.enqueue(token)
            requests += sender.drain()
        }
        return (sender, requests)
    }

    // MARK: Sequences

    @Test("sequences count records, and begin again after the largest")
    func sequences() {
        var sender = Sender()
        sender.enqueue("a")
        #expect(sender.sent() == ["a 7/0 0"])
        #expect(Machine.sequence(20, plus: 10) == 30)
        #expect(Machine.sequence(.max, plus: 1) == 0)
        #expect(Machine.sequence(.max - 1, plus: 10) == 8)
        let (_, requests) = Self.fiveInFlight()
        #expect(requests.flatMap(\.batches).map(\.stamp.sequence) == [10, 20, 30, 40, 50])
    }

    @Test("nothing is sent before there is a producer id, and what waits fails when there will be none")
    func identity() {
        var sender = Sender()
        sender.machine.identity = nil
        sender.enqueue("a")
        #expect(sender.drain().count == 0)
        #expect(sender.machine.takeIdentityNeed(nowMs: sender.nowMs) == true)
        #expect(sender.machine.takeIdentityNeed(nowMs: sender.nowMs) == false, "it is asked for once")
        sender.machine.identityFailed(KafkaClientError(.connectionFailed, "away"), nowMs: sender.nowMs)
        #expect(sender.machine.takeIdentityNeed(nowMs: sender.nowMs + 99) == false)
        #expect(sender.machine.nextEventMs(nowMs: sender.nowMs) == sender.nowMs + 100)
        #expect(sender.machine.takeIdentityNeed(nowMs: sender.nowMs + 100) == true)
        let refused = KafkaClientError(.clusterAuthorizationFailed, subject: "InitProducerId")
        sender.machine.identityFailed(refused, nowMs: sender.nowMs)
        #expect(sender.outcomes() == ["a error brokerError"])
    }

    @Test("a batch that was given up and cannot be there leaves its sequence to the next")
    func holeWithoutDoubt() {
        var sender = Sender()
        sender.enqueue("a")
        let request = sender.drain()[0]
        sender.enqueue("b")
        sender.answer(request, Sender.refused(.invalidRecord))
        #expect(sender.outcomes() == ["a refused INVALID_RECORD"])
        #expect(sender.sent() == ["b 7/0 0"])
    }

    @Test("a batch that was given up and may be there is shut out by a new epoch")
    func holeInDoubt() {
        var sender = Sender()
        sender.enqueue("a")
        sender.answer(sender.drain()[0], Sender.lost)
        sender.nowMs += 9_000
        sender.enqueue("b")
        sender.leaderFound()
        sender.nowMs += 1_000
        sender.machine.expire(nowMs: sender.nowMs)
        #expect(sender.outcomes() == ["a timed out, perhaps written"])
        #expect(sender.sent() == ["b 7/1 0"])
    }

    @Test("what follows a lost batch and may be there itself is not sent under other sequences")
    func runInDoubt() {
        var (sender, requests) = Self.fiveInFlight()
        for request in requests.prefix(2) { sender.answer(request, Sender.lost) }
        for request in requests.dropFirst(2) { sender.answer(request, Sender.refused(.outOfOrderSequenceNumber)) }
        sender.leaderFound()
        // The first is refused for good, and nobody knows whether an attempt before that was written.
        sender.nowMs += 1_000
        let first = sender.drain()
        #expect(first.flatMap(\.batches).map(\.token) == ["b"])
        sender.answer(first[0], Sender.refused(.invalidRecord))
        #expect(sender.outcomes() == ["b refused INVALID_RECORD, perhaps written"])
        // The one after it tells: it is sent as it was.
        let second = sender.drain()
        #expect(second.flatMap(\.batches).map(Sender.text) == ["c 7/0 20"])
        sender.answer(second[0], Sender.refused(.outOfOrderSequenceNumber))
        #expect(sender.sent() == ["d 7/1 0"])
        #expect(sender.outcomes() == ["c in doubt, perhaps written"])
    }

    @Test("a broker that takes the batch after a lost one says thereby that the lost one is there")
    func probeSucceeds() {
        var (sender, requests) = Self.fiveInFlight()
        for request in requests { sender.answer(request, Sender.lost) }
        sender.leaderFound()
        sender.nowMs += 1_000
        sender.answer(sender.drain()[0], Sender.refused(.invalidRecord))
        sender.answer(sender.drain()[0], Sender.written)
        #expect(sender.outcomes() == ["b refused INVALID_RECORD, perhaps written", "c written"])
        #expect(sender.sent() == ["d 7/0 30", "e 7/0 40", "f 7/0 50"])
    }

    @Test(
        "a broker that has forgotten what it acknowledged is met with a new epoch, and one that knows better with a new id",
        arguments: [
            (ErrorCode.outOfOrderSequenceNumber, "7/1"), (.unknownProducerID, "7/1"), (.duplicateSequenceNumber, "7/1"),
            (.invalidProducerEpoch, "8/0"), (.producerFenced, "8/0"), (.invalidProducerIDMapping, "8/0"),
        ])
    func forgotten(code: ErrorCode, identity: String) {
        var sender = Sender()
        sender.enqueue("a")
        sender.acknowledge()
        sender.enqueue("b")
        sender.answer(sender.drain()[0], Sender.refused(code))
        sender.nowMs += 100
        var sent = sender.sent()
        if sender.machine.takeIdentityNeed(nowMs: sender.nowMs) {
            #expect(sent.isEmpty)
            sender.machine.identified(.init(producerID: 8, epoch: 0))
            sent = sender.sent()
        }
        #expect(sent == ["b \(identity) 0"])
        #expect(sender.outcomes() == [])
    }

    @Test("after the last epoch there is a new id")
    func lastEpoch() {
        var sender = Sender()
        sender.machine.identified(.init(producerID: 7, epoch: .max))
        sender.enqueue("a")
        sender.answer(sender.drain()[0], Sender.refused(.outOfOrderSequenceNumber))
        sender.nowMs += 100
        #expect(sender.sent() == [])
        #expect(sender.machine.takeIdentityNeed(nowMs: sender.nowMs) == true)
    }

    @Test("a duplicate of a batch whose answer got lost counts as written")
    func duplicate() {
        var sender = Sender()
        sender.enqueue("a")
        sender.answer(sender.drain()[0], Sender.lost)
        sender.leaderFound()
        sender.nowMs += 100
        sender.answer(sender.drain()[0], Sender.refused(.duplicateSequenceNumber))
        #expect(sender.outcomes() == ["a written"])
    }

    // MARK: Order

    @Test("after an error that passes all that were in flight go again, in their order and with their sequences")
    func order() {
        var (sender, requests) = Self.fiveInFlight()
        sender.enqueue("g")
        sender.answer(requests[0], Sender.refused(.notEnoughReplicas))
        sender.nowMs += 1_000
        #expect(sender.drain().count == 0, "the others are still on their way")
        for request in requests.dropFirst() { sender.answer(request, Sender.refused(.outOfOrderSequenceNumber)) }
        #expect(
            sender.sent() == ["b 7/0 10", "c 7/0 20", "d 7/0 30", "e 7/0 40", "f 7/0 50"],
            "and no more than five at a time")
        #expect(sender.outcomes() == [])
    }

    @Test(
        "one batch at a time until the broker has shown that it knows the producer, and again when it may be another",
        arguments: ["new", "lost", "moved", "disconnected", "silent"])
    func unproven(why: String) {
        var sender = Sender()
        if why != "new" {
            sender.enqueue("a")
            sender.acknowledge()
        }
        switch why {
        case "lost":
            sender.enqueue("b")
            sender.answer(sender.drain()[0], Sender.lost)
        case "moved":
            sender.enqueue("b")
            sender.answer(sender.drain()[0], Sender.refused(.notLeaderOrFollower))
        case "disconnected":
            sender.machine.disconnected(from: 2)
            sender.machine.disconnected(from: 1)
        default: break
        }
        sender.leaderFound()
        // Brokers forget those of whom they hear nothing, too.
        sender.nowMs += why == "silent" ? 600_000 : 100
        for token in ["c", "d", "e"] { sender.enqueue(token) }
        let first = sender.drain()
        #expect(first.flatMap(\.batches).count == 1)
        sender.answer(first[0], Sender.written)
        #expect(sender.drain().count > 1)
    }

    @Test("a connection that ends elsewhere changes nothing")
    func otherDisconnected() {
        var sender = Sender()
        sender.enqueue("a")
        sender.acknowledge()
        sender.machine.disconnected(from: 2)
        for token in ["b", "c"] { sender.enqueue(token) }
        #expect(sender.drain().count == 2)
    }

    @Test("batches of a partition go to the new leader only when none is on its way to the old one")
    func movedLeader() {
        var (sender, requests) = Self.fiveInFlight()
        sender.answer(requests.removeFirst(), Sender.written)
        // The cluster says so before the old leader does.
        sender.leaderFound(2)
        sender.enqueue("g")
        #expect(sender.drain().count == 0)
        sender.answer(requests[0], Sender.refused(.notLeaderOrFollower))
        sender.leaderFound(2)
        sender.nowMs += 1_000
        #expect(sender.drain().count == 0)
        for request in requests.dropFirst() { sender.answer(request, Sender.refused(.notLeaderOrFollower)) }
        sender.leaderFound(2)
        sender.nowMs += 1_000
        let moved = sender.drain()
        #expect(moved.map(\.node) == [2])
        #expect(moved.flatMap(\.batches).map(Sender.text) == ["c 7/0 20"])
    }

    @Test("without idempotence what may be written is not sent again, unless that is wanted", arguments: [false, true])
    func plain(resends: Bool) {
        var sender = Sender {
            $0.isIdempotent = false
            $0.resendsInDoubt = resends
        }
        sender.enqueue("a")
        sender.answer(sender.drain()[0], Sender.lost)
        sender.leaderFound()
        sender.nowMs += 100
        #expect(sender.sent() == (resends ? ["a -1/-1 -1"] : []))
        #expect(sender.outcomes() == (resends ? [] : ["a error connectionClosed, perhaps written"]))
        // A refusal before writing is no doubt.
        sender.enqueue("b")
        if let request = sender.drain().last { sender.answer(request, Sender.refused(.notEnoughReplicas)) }
        #expect(sender.outcomes() == [])
    }

    // MARK: Time

    @Test("retries wait, twice as long each time, and an acknowledgement ends that")
    func backoff() {
        var sender = Sender()
        sender.enqueue("a")
        for wait in [Int64(100), 200, 400, 400] {
            sender.answer(sender.drain()[0], Sender.refused(.notEnoughReplicas))
            #expect(sender.machine.nextEventMs(nowMs: sender.nowMs) == sender.nowMs + wait)
            sender.nowMs += wait - 1
            #expect(sender.drain().count == 0)
            sender.nowMs += 1
        }
        sender.acknowledge()
        sender.enqueue("b")
        sender.answer(sender.drain()[0], Sender.refused(.notEnoughReplicas))
        #expect(sender.machine.nextEventMs(nowMs: sender.nowMs) == sender.nowMs + 100)
    }

    @Test("what is not acknowledged in time fails, on its way or not, once")
    func deliveryTimeout() {
        var sender = Sender()
        sender.enqueue("a")
        let request = sender.drain()[0]
        sender.nowMs += 1_000
        sender.enqueue("b")
        sender.nowMs += 8_999
        sender.machine.expire(nowMs: sender.nowMs)
        #expect(sender.outcomes() == [])
        #expect(sender.machine.nextEventMs(nowMs: sender.nowMs) == sender.nowMs + 1)
        sender.nowMs += 1
        sender.machine.expire(nowMs: sender.nowMs)
        #expect(sender.outcomes() == ["a timed out, perhaps written"])
        sender.nowMs += 1_000
        sender.machine.expire(nowMs: sender.nowMs)
        #expect(sender.outcomes() == ["b timed out"])
        sender.answer(request, Sender.written)
        #expect(sender.outcomes() == [])
        #expect(sender.machine.isIdle)
    }

    @Test("a retry that would come too late is none")
    func lateRetry() {
        var sender = Sender()
        sender.enqueue("a")
        let request = sender.drain()[0]
        sender.nowMs += 10_000
        sender.answer(request, Sender.refused(.notEnoughReplicas))
        #expect(sender.outcomes() == ["a timed out"])
        #expect(sender.machine.isIdle)
    }

    @Test("leaders are asked for once at a time, and again after a wait")
    func leaders() {
        var sender = Sender(leaders: [])
        let partition = sender.machine.addPartition(leader: nil)
        sender.enqueue("a", to: partition)
        #expect(sender.drain().count == 0)
        #expect(sender.machine.takeLeaderNeed(nowMs: sender.nowMs) == [partition])
        #expect(sender.machine.takeLeaderNeed(nowMs: sender.nowMs) == [])
        sender.machine.leadersAnswered(nowMs: sender.nowMs)
        #expect(sender.machine.nextEventMs(nowMs: sender.nowMs) == sender.nowMs + 100)
        #expect(sender.machine.takeLeaderNeed(nowMs: sender.nowMs + 99) == [])
        #expect(sender.machine.takeLeaderNeed(nowMs: sender.nowMs + 100) == [partition])
        sender.leaderFound(3, of: partition)
        sender.machine.leadersAnswered(nowMs: sender.nowMs + 100)
        #expect(sender.drain().map(\.node) == [3])
    }

    // MARK: Requests

    @Test("a broker gets so many requests at a time, whatever the partitions")
    func inFlight() {
        var sender = Sender(leaders: [1, 1, 1, 2]) {
            $0.inFlightMax = 2
            $0.isIdempotent = false
            $0.requestBytesMax = 100
        }
        for partition in 0..<4 { sender.enqueue("p\(partition)", to: partition) }
        let requests = sender.drain()
        #expect(requests.map(\.node).sorted() == [1, 1, 2])
        #expect(!sender.machine.wants(0), "a batch that is not full waits as well")
        for request in requests where request.node == 1 { sender.answer(request, Sender.written) }
        #expect(sender.drain().count == 1)
    }

    @Test("a request has one batch of each partition, up to its size, and all get their turn")
    func requests() {
        var sender = Sender(leaders: [1, 1, 1]) {
            $0.inFlightMax = 1
            $0.isIdempotent = false
            $0.requestBytesMax = 250
        }
        var turns: [[String]] = []
        for round in 0..<3 {
            for partition in 0..<3 { sender.enqueue("\(partition)-\(round)", to: partition) }
        }
        for _ in 0..<6 {
            let requests = sender.drain()
            turns += requests.map { $0.batches.map(\.token) }
            for request in requests { sender.answer(request, Sender.written) }
        }
        #expect(turns.allSatisfy { $0.count <= 2 })
        #expect(Set(turns[0] + turns[1]).isSuperset(of: ["0-0", "1-0", "2-0"]))
        for partition in 0..<3 {
            let order = turns.flatMap(\.self).filter { $0.hasPrefix("\(partition)-") }
            #expect(order == (0..<3).map { "\(partition)-\($0)" })
        }
    }

    @Test("parts of a batch that was too large stand where it stood, with its sequences")
    func split() {
        var sender = Sender()
        sender.enqueue("a")
        let request = sender.drain()[0]
        sender.enqueue("b")
        sender.answer(request, Sender.refused(.messageTooLarge))
        #expect(sender.outcomes() == ["a split"])
        #expect(sender.drain().count == 0)
        sender.machine.replace(request.batches[0].order, of: 0, with: [("a1", 4, 40), ("a2", 6, 60)])
        let first = sender.drain()
        #expect(first.flatMap(\.batches).map(Sender.text) == ["a1 7/0 0"])
        sender.answer(first[0], Sender.written)
        #expect(sender.sent() == ["a2 7/0 4", "b 7/0 10"])
        var single = Sender()
        single.machine.enqueue(
            "x", order: .init(serial: 1, firstRecord: 0), recordCount: 1, byteCount: 1, createdMs: 0, to: 0)
        single.nowMs = 1
        single.answer(single.drain()[0], Sender.refused(.messageTooLarge))
        #expect(single.outcomes() == ["x refused MESSAGE_TOO_LARGE"])
    }
}
