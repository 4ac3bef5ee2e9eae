// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Logging

extension ProducerSender {
    // MARK: Topics

    /// Has a topic described whose partitions somebody waits for.
    func describe(_ name: String, in group: inout DiscardingTaskGroup) {
        let (cluster, signals, createsTopic) = (self.cluster, self.signals, self.configuration.createsTopics)
        self.start(in: &group) {
            cluster.forget(topic: name)
            let result = await clientResult { try await cluster.topic(name, createsTopic: createsTopic) }
            signals.post(.topicDescribed(name, result))
        }
    }

    func described(_ name: String, _ result: Result<TopicDescription, KafkaClientError>) {
        switch result {
        case .failure(let error):
            self.lookups.settle(name, .failure(error))
        case .success(let topic):
            guard !topic.partitions.isEmpty else {
                return self.lookups.settle(
                    name, .failure(KafkaClientError(.malformedResponse, "the topic \(name) has no partitions")))
            }
            self.take(topic)
            self.lookups.settle(name, .success(()))
        }
    }

    /// Takes over what is known of a topic: leaders, and lanes for the partitions that are new.
    private func take(_ topic: TopicDescription) {
        self.topicIDs[topic.name] = topic.topicID
        let known = self.topics[topic.name]
        var lanes = known?.lanes ?? []
        if lanes.count < topic.partitions.count, self.state == .running {
            for index in lanes.count..<topic.partitions.count {
                let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(Int32(index)))
                let slot = self.machine.addPartition(leader: nil)
                let lane = ProducerLane(partition: partition, slot: slot, pool: self.pool)
                self.lanes.append(lane)
                lanes.append(lane)
            }
            let choice = PartitionChoice(
                self.configuration.partitioner, count: Int32(lanes.count), seed: self.machine.generator.next())
            self.topics.insert(TopicLanes(name: topic.name, lanes: lanes, choice: choice))
        }
        self.learnLeaders(of: lanes)
    }

    // MARK: Leaders

    /// Asks who leads the partitions that have no leader, and from time to time what became of all topics.
    func askForLeaders(nowMs: Int64, in group: inout DiscardingTaskGroup) {
        var names = Set(self.machine.takeLeaderNeed(nowMs: nowMs).map { self.lanes[$0].partition.topic })
        if nowMs >= self.metadataMs {
            self.metadataMs = nowMs + self.configuration.metadataMaxAge.milliseconds
            names.formUnion(self.topics.all.map(\.name))
        }
        guard !names.isEmpty else { return }
        let (cluster, signals, topics) = (self.cluster, self.signals, names.sorted())
        self.start(in: &group) {
            let result = await clientResult {
                try await cluster.refreshMetadata(topics: topics).topics.map(TopicDescription.init)
            }
            signals.post(.leadersKnown(topics, result))
        }
    }

    func leadersKnown(_ names: [String], _ result: Result<[TopicDescription], KafkaClientError>) {
        switch result {
        case .failure(let error):
            self.cluster.logger.debug("leaders are not known", metadata: [KafkaLogKey.reason: "\(error)"])
        case .success(let topics):
            for topic in topics where names.contains(topic.name) {
                if topic.errorCode == .none {
                    self.take(topic)
                    continue
                }
                guard !topic.errorCode.isRetriable else { continue }
                let error = KafkaClientError(topic.errorCode, subject: topic.name)
                for lane in self.topics[topic.name]?.lanes ?? [] { self.machine.failQueue(of: lane.slot, error) }
            }
        }
        self.machine.leadersAnswered(nowMs: self.clock.nowMs())
    }

    private func learnLeaders(of lanes: [ProducerLane]) {
        for lane in lanes {
            guard let leader = self.cluster.cachedLeader(of: lane.partition) else { continue }
            self.addresses[leader.node.rawValue] = leader.address
            self.machine.leaderKnown(leader.node.rawValue, of: lane.slot)
        }
    }

    // MARK: Identity

    func askForIdentity(in group: inout DiscardingTaskGroup) {
        let (cluster, signals) = (self.cluster, self.signals)
        self.start(in: &group) {
            signals.post(.identity(await clientResult { try await cluster.initProducerID() }))
        }
    }

    // MARK: Errors

    /// The error that the records of a batch fail with.
    func error(
        _ reason: SenderMachine<OutgoingBatch>.Reason, mayBeWritten: Bool, _ partition: TopicPartition
    ) -> KafkaClientError {
        let fate = mayBeWritten ? "; it may be in the log all the same, since an answer got lost" : ""
        var error: KafkaClientError
        switch reason {
        case .refused(let code, let message):
            error = KafkaClientError(code, subject: "\(partition)", message: message)
            error.message += fate
        case .error(let cause):
            error = cause
            error.message = "\(partition): the record was not acknowledged: \(cause.message)\(fate)"
        case .deliveryTimeout:
            let limit = self.configuration.deliveryTimeout
            error = KafkaClientError(
                .timedOut, "\(partition): the record was not acknowledged within deliveryTimeout, \(limit)\(fate)")
        case .inDoubt:
            error = KafkaClientError(
                .timedOut,
                "\(partition): the record follows one whose fate is not known, and its own is not known either: it is"
                    + " not sent again, since it could be in the log twice then")
        }
        error.mayBeWritten = mayBeWritten
        return error
    }
}

/// The result of something that only throws `KafkaClientError`, unless its task is cancelled: that happens when the
/// producer ends, and nobody looks at the result then.
private func clientResult<Value: Sendable>(
    _ body: @Sendable () async throws -> Value
) async -> Result<Value, KafkaClientError> {
    do {
        return .success(try await body())
    } catch let error as KafkaClientError {
        return .failure(error)
    } catch {
        return .failure(KafkaClientError(.connectionClosed, "the producer ended: \(error)", cause: error))
    }
}
