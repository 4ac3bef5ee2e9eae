// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import KafkaWire
import Logging

extension KafkaConsumer {
    /// The longest that a broker's wish to be left alone is heeded.
    private static let throttleMax = Duration.seconds(30)

    /// Fetches from one broker, one Fetch after the other, as long as it leads something that is assigned.
    func fetch(from broker: BrokerAddress, _ waker: Waker) async {
        while !Task.isCancelled {
            let wakes = waker.wakes
            switch self.withState({ $0.fetcher.step(for: broker) }) {
            case .end:
                if self.stopFetching(from: broker) { return }
            case .wait:
                await waker.wait(after: wakes)
            case .fetch(let plan):
                guard await self.carryOut(plan) else { return }
            }
        }
    }

    /// False when it is of no use to go on.
    private func carryOut(_ plan: Fetcher.Plan) async -> Bool {
        do {
            let connection = try await self.cluster.advertisedConnection(to: plan.broker, lane: self.fetchLane)
            let startMs = self.now()
            let answer = try await connection.fetch(
                plan.entries.map(\.position), limits: self.limits(of: plan),
                timeout: self.configuration.fetchMaxWait + self.cluster.configuration.connection.requestTimeout)
            self.report(answer, of: plan, after: .milliseconds(self.now() - startMs))
            self.received(plan, answer)
            if answer.throttle > .zero {
                try await self.clock.sleep(for: min(answer.throttle, Self.throttleMax))
            }
            return true
        } catch let error as KafkaClientError {
            guard error.isRetriable || error.isUnreachable || error.code == .tooManyRequests else {
                self.fail(error)
                return false
            }
            self.tell(.retrying(error))
            self.logger.debug(
                "will fetch again", metadata: [KafkaLogKey.broker: "\(plan.broker)", KafkaLogKey.reason: "\(error)"])
            self.withState { $0.fetcher.failed(plan, nowMs: self.now(), using: &$0.generator) }
            return true
        } catch {
            // Cancelled: the consumer ends.
            return false
        }
    }

    private func report(_ answer: FetchAnswer, of plan: Fetcher.Plan, after duration: Duration) {
        guard let metrics = self.cluster.telemetry.metrics else { return }
        let bytes = answer.partitions.reduce(0) { $0 + $1.records.readableBytes }
        metrics.fetched(from: plan.broker, bytes: bytes, after: duration)
    }

    private func limits(of plan: Fetcher.Plan) -> FetchLimits {
        FetchLimits(
            maxWait: self.configuration.fetchMaxWait, minBytes: Int32(clamping: self.configuration.fetchBytesMin),
            maxBytes: Int32(clamping: plan.bytesMax),
            partitionMaxBytes: Int32(clamping: min(self.configuration.partitionBytesMax, plan.bytesMax)),
            isolation: self.configuration.isolation)
    }

    private func received(_ plan: Fetcher.Plan, _ answer: FetchAnswer) {
        let offsets = Dictionary(plan.entries.map { ($0.position.partition, $0.position.offset) }) { first, _ in first }
        // Checksums are verified here, where nobody waits for the lock.
        let answers = answer.partitions.compactMap { fetched -> Fetcher.Answer? in
            guard let offset = offsets[fetched.partition] else { return nil }
            return Fetcher.Answer(
                partition: fetched.partition, errorCode: fetched.errorCode, highWatermark: fetched.highWatermark,
                logStartOffset: fetched.logStartOffset,
                batches: FetchedBatches(
                    fetched, from: offset, isolation: self.configuration.isolation,
                    verifiesChecksums: self.configuration.checksCRCs),
                lastStableOffset: self.configuration.isolation == .readCommitted && fetched.lastStableOffset >= 0
                    ? min(fetched.lastStableOffset, fetched.highWatermark) : nil)
        }
        let (troubles, isAwaited) = self.withState { state in
            let troubles = state.fetcher.received(plan, answers, nowMs: self.now(), using: &state.generator)
            return (troubles, state.isAsking)
        }
        if isAwaited { self.wakeReader() }
        for trouble in troubles {
            switch trouble {
            case .moved(let partition, let error):
                self.cluster.forget(topic: partition.topic)
                self.tell(.retrying(error))
            case .outOfRange(let partition, let offset, let range):
                self.outOfRange(partition, offset, range)
            case .failed(let error):
                self.fail(error)
            }
        }
    }

    private func outOfRange(_ partition: TopicPartition, _ offset: Int64, _ range: ClosedRange<Int64>?) {
        guard let start = self.configuration.offsetReset.start else {
            var error = KafkaClientError(.offsetOutOfRange, subject: "\(partition)")
            error.message = "\(partition) has no offset \(offset)"
            if let range { error.message += ": it has \(range.lowerBound) up to \(range.upperBound)" }
            self.fail(error)
            return
        }
        self.interrupt { $0.reset(partition, from: Offset(offset), to: start) }
    }
}
