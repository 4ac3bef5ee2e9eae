// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire

extension Fetcher {
    /// One Fetch.
    struct Plan: Sendable {
        struct Entry: Sendable {
            var position: FetchPosition
            var number: Int
        }

        var number: Int
        var broker: BrokerAddress
        var entries: [Entry]
        /// What the answer may have, in bytes.
        var bytesMax: Int
    }

    /// What to do about a broker.
    enum Step: Sendable {
        case fetch(Plan)
        /// There is no room, or nothing that can be fetched.
        case wait
        /// It leads nothing that is assigned.
        case end
    }

    /// What a Fetch brought of one partition, already parsed.
    struct Answer: Sendable {
        var partition: TopicPartition
        var errorCode: ErrorCode
        var highWatermark: Int64
        var logStartOffset: Int64
        var batches: FetchedBatches
        /// Where what may be read ends, with read-committed; nil when that is the high watermark.
        var lastStableOffset: Int64?
    }

    /// What an answer means beyond its records.
    enum Trouble: Sendable {
        /// The leader has to be looked up again.
        case moved(TopicPartition, KafkaClientError)
        /// The partition does not have this offset. `range` is what it has, where the broker says so.
        case outOfRange(TopicPartition, offset: Int64, range: ClosedRange<Int64>?)
        /// It will not go away.
        case failed(KafkaClientError)
    }

    /// The brokers that lead partitions which are assigned.
    var brokers: [BrokerAddress] { Array(self.order.keys) }

    // MARK: Plans

    /// What to do about a broker now. A plan counts as sent: its end has to be reported. Linear in the partitions of
    /// the broker.
    mutating func step(for broker: BrokerAddress) -> Step {
        guard let partitions = self.order[broker] else { return .end }
        guard self.asked[broker] == nil else { return .wait }
        var entries: [Plan.Entry] = []
        for partition in partitions {
            guard let state = self.partitions[partition], let leader = state.leader, state.isFetchable else { continue }
            if state.bufferedBytes >= self.limits.partitionBytesMax { return .wait }
            let position = FetchPosition(
                partition: partition, topicID: state.topicID, offset: state.fetchOffset, leaderEpoch: leader.epoch)
            entries.append(Plan.Entry(position: position, number: state.number))
        }
        guard !entries.isEmpty else { return .wait }
        let bytes = self.share(partitions: entries.count)
        guard self.bytesInUse + bytes <= self.limits.bytesMax else { return .wait }
        self.asked[broker] = bytes
        self.lastPlan += 1
        return .fetch(Plan(number: self.lastPlan, broker: broker, entries: entries, bytesMax: bytes))
    }

    /// What one Fetch may bring: half of the limit is for what is buffered, the other half is shared by the brokers.
    private func share(partitions: Int) -> Int {
        let ofPartitions = self.limits.partitionBytesMax.multipliedReportingOverflow(by: partitions)
        let share = self.limits.bytesMax / 2 / max(self.order.count, 1)
        return max(
            1, min(self.limits.answerBytesMax, share, ofPartitions.overflow ? Int.max : ofPartitions.partialValue))
    }

    // MARK: Answers

    /// Takes in the answer to a plan.
    mutating func received(
        _ plan: Plan, _ answers: [Answer], nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> [Trouble] {
        self.asked[plan.broker] = nil
        var entries: [TopicPartition: Plan.Entry] = [:]
        for entry in plan.entries { entries[entry.position.partition] = entry }
        var served: Set<TopicPartition> = []
        var troubles: [Trouble] = []
        for answer in answers {
            // Whoever was asked for once is answered once.
            guard let entry = entries.removeValue(forKey: answer.partition),
                let state = self.partitions[answer.partition], state.number == entry.number, state.isFetchable,
                state.fetchOffset == entry.position.offset
            else { continue }
            if let trouble = self.received(answer, plan, nowMs: nowMs, using: &generator) { troubles.append(trouble) }
            if !answer.batches.items.isEmpty { served.insert(answer.partition) }
        }
        // Brokers fill an answer in the order of the request: who got something goes to the end of the next one.
        if !served.isEmpty, let order = self.order[plan.broker] {
            self.order[plan.broker] = order.filter { !served.contains($0) } + order.filter(served.contains)
        }
        return troubles
    }

    private mutating func received(
        _ answer: Answer, _ plan: Plan, nowMs: Int64, using generator: inout some RandomNumberGenerator
    ) -> Trouble? {
        let partition = answer.partition
        switch answer.errorCode {
        case .none:
            self.partitions[partition]?.failures = 0
            self.partitions[partition]?.highWatermark = answer.highWatermark
            self.partitions[partition]?.lastStableOffset = answer.lastStableOffset
            if !answer.batches.items.isEmpty { self.buffer(answer.batches, of: partition, charge: plan.number) }
            guard let damage = answer.batches.damage else { return nil }
            return self.unlessBuffered(partition, .failed(damage))
        case .offsetOutOfRange:
            let range = answer.logStartOffset >= 0 && answer.highWatermark >= answer.logStartOffset
            return self.unlessBuffered(
                partition,
                .outOfRange(
                    partition, offset: self.partitions[partition]?.fetchOffset ?? 0,
                    range: range ? answer.logStartOffset...answer.highWatermark : nil))
        case let code where Self.meansMoved(code):
            let error = KafkaClientError(code, subject: "\(partition)")
            self.lookUpAgain([partition], nowMs: nowMs, using: &generator)
            return .moved(partition, error)
        default:
            return .failed(KafkaClientError(answer.errorCode, subject: "\(partition)"))
        }
    }

    /// What is wrong after records that are still to be delivered is told when they have been: it is met again then.
    private mutating func unlessBuffered(_ partition: TopicPartition, _ trouble: Trouble) -> Trouble? {
        guard let state = self.partitions[partition], !state.chunks.isEmpty else { return trouble }
        self.partitions[partition]?.isHeld = true
        return nil
    }

    /// Somebody else leads the partition now, or is about to.
    static func meansMoved(_ code: ErrorCode) -> Bool {
        switch code {
        case .fencedLeaderEpoch, .unknownLeaderEpoch, .unknownTopicID, .inconsistentTopicID, .unknownTopicOrPartition,
            .offsetNotAvailable, .leaderNotAvailable, .replicaNotAvailable, .kafkaStorageError:
            true
        default: code.isRetriable
        }
    }

    /// The plan came to nothing: whoever leads its partitions has to be looked up again. Linear in the partitions.
    mutating func failed(_ plan: Plan, nowMs: Int64, using generator: inout some RandomNumberGenerator) {
        self.asked[plan.broker] = nil
        let lost = plan.entries.map(\.position.partition).filter {
            self.partitions[$0]?.leader?.address == plan.broker
        }
        self.lookUpAgain(lost, nowMs: nowMs, using: &generator)
    }
}
