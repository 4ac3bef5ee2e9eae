// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

extension Workload {
    /// How the producers of a run behave.
    var producerConfiguration: KafkaProducerConfiguration {
        var configuration = KafkaProducerConfiguration()
        configuration.acks = self.acks
        configuration.isIdempotent = self.acks == .all && self.inFlight <= Self.idempotentInFlightMax
        configuration.codec = self.codec
        configuration.linger = .milliseconds(self.lingerMs)
        configuration.batchBytesMax = self.batchBytes
        // A record is the smallest thing that can be sent, with what stands around it.
        let largest = self.size.range.upperBound + Self.recordOverhead
        configuration.requestBytesMax = min(max(configuration.requestBytesMax, self.batchBytes, largest), 1 << 30)
        configuration.bufferBytesMax = max(
            configuration.bufferBytesMax, Self.batchesBuffered * configuration.requestBytesMax)
        configuration.inFlightRequestsMax = self.inFlight
        configuration.createsTopics = false
        return configuration
    }

    /// A partition has at most this many idempotent batches on their way (KIP-98).
    private static let idempotentInFlightMax = 5
    /// Of a record beside its value: a key of the run, lengths, the header of its batch.
    private static let recordOverhead = 1024
    /// Requests for which a producer has memory: those on their way, and as many that fill meanwhile.
    private static let batchesBuffered = 10

    /// How a consumer of a run behaves.
    func consumerConfiguration(
        _ reader: LoadPlan.Reader, topics: [String], groupPrefix: String
    ) -> KafkaConsumerConfiguration {
        var configuration: KafkaConsumerConfiguration
        if self.usesGroups {
            configuration = KafkaConsumerConfiguration(
                group: "\(groupPrefix)-subscription-\(reader.subscription)", topics: reader.topics.map { topics[$0] })
        } else {
            let partitions = reader.partitions.map { partition in
                TopicPartition(topic: topics[partition.topic], partition: PartitionIndex(partition.index))
            }
            configuration = KafkaConsumerConfiguration(
                subscription: .assignment(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) })))
        }
        configuration.offsetReset = .earliest
        configuration.fetchBytesMin = self.fetchBytesMin
        configuration.fetchMaxWait = .milliseconds(self.fetchWaitMs)
        configuration.partitionBytesMax = max(configuration.partitionBytesMax, self.batchBytes)
        return configuration
    }
}
