// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// A Produce request and what its answer means: the same for one batch and for many.
struct ProduceExchange: Sendable {
    struct Part: Sendable {
        var partition: TopicPartition
        /// The topic's identity, nil when not known.
        var topicID: TopicID?
        var batch: RecordBatch
    }

    /// What a broker said of one partition.
    struct Result: Sendable {
        var errorCode: ErrorCode
        /// For people, records that were objected to included; nil when the broker gave none.
        var message: String?
        var written: ProducedBatch
    }

    /// At most one batch per partition.
    let parts: [Part]
    let acks: RequiredAcks
    /// How long the broker may wait for the replicas.
    let timeoutMs: Int32

    /// From version 13 on topics have ids instead of names; zstd needs 7 (KIP-110).
    var versions: ClosedRange<Int16> {
        let lowest: Int16 = self.parts.contains { $0.batch.header.codec == .zstd } ? 7 : 0
        return lowest...(self.parts.contains { $0.topicID == nil } ? 12 : Int16.max)
    }

    /// What the request refers to: the batches are sent from where they are.
    var attachments: [ByteBuffer] { self.parts.map(\.batch.bytes) }

    var request: ProduceRequest {
        var topics: [String: ProduceRequest.TopicProduceData] = [:]
        for (token, part) in self.parts.enumerated() {
            var data = ProduceRequest.PartitionProduceData()
            data.index = part.partition.partition.rawValue
            data.records = .external(token: token, byteCount: part.batch.bytes.readableBytes)
            if topics[part.partition.topic] == nil {
                var topic = ProduceRequest.TopicProduceData()
                topic.name = part.partition.topic
                topic.topicID = part.topicID ?? .zero
                topics[part.partition.topic] = topic
            }
            topics[part.partition.topic]?.partitionData.append(data)
        }
        var request = ProduceRequest()
        request.acks = self.acks.rawValue
        request.timeoutMs = self.timeoutMs
        request.topicData = Array(topics.values)
        return request
    }

    /// The results by position in `parts`; those that the answer lacks are left out.
    func results(_ response: ProduceResponse) -> [Int: Result] {
        var positions: [TopicPartition: Int] = [:]
        var names: [TopicID: String] = [:]
        for (position, part) in self.parts.enumerated() {
            positions[part.partition] = position
            if let id = part.topicID { names[id] = part.partition.topic }
        }
        var results: [Int: Result] = [:]
        for topic in response.responses {
            guard let name = topic.name.isEmpty ? names[topic.topicID] : topic.name else { continue }
            for entry in topic.partitionResponses {
                let partition = TopicPartition(topic: name, partition: PartitionIndex(entry.index))
                if let position = positions[partition] { results[position] = Result(entry) }
            }
        }
        return results
    }
}

extension ProduceExchange.Result {
    /// As many objections to single records are named.
    private static let recordErrorsMax = 3

    init(_ entry: ProduceResponse.PartitionProduceResponse) {
        self.errorCode = ErrorCode(rawValue: entry.errorCode)
        let records = entry.recordErrors.prefix(Self.recordErrorsMax).compactMap { error in
            error.batchIndexErrorMessage.map { "record \(error.batchIndex): \($0)" }
        }
        let messages = [entry.errorMessage].compactMap(\.self) + records
        self.message = messages.isEmpty ? nil : messages.joined(separator: "; ")
        self.written = ProducedBatch(
            baseOffset: entry.baseOffset < 0 ? nil : Offset(entry.baseOffset),
            logAppendTime: entry.logAppendTimeMs < 0 ? nil : entry.logAppendTimeMs,
            logStartOffset: entry.logStartOffset < 0 ? nil : Offset(entry.logStartOffset))
    }
}
