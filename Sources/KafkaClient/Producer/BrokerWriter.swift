// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization

/// A request as the machine decided on it, with what is needed to send it.
struct PlannedRequest: Sendable {
    struct Part: Sendable {
        var slot: Int
        var partition: TopicPartition
        var topicID: TopicID?
        var batch: OutgoingBatch
        var stamp: BatchStamp
    }

    var id: UInt64
    var address: BrokerAddress
    var parts: [Part]
}

/// What became of a request.
struct ProduceAnswer: Sendable {
    typealias Answer = SenderMachine<OutgoingBatch>.Answer

    var id: UInt64
    /// By slot.
    var answers: [Int: Answer]
    /// Of the partitions that are not among them.
    var otherwise: Answer
}

/// Sends requests to one broker, one at a time: connects if need be, compresses, and writes. Answers are reported as they
/// come, while the next request is written.
final class BrokerWriter: Sendable {
    private let cluster: KafkaCluster
    private let signals: SenderSignals
    private let node: Int32
    private let configuration: KafkaProducerConfiguration
    /// Nobody waits for it, nor for the other one, since one request is sent at a time.
    private let compressor = Mutex(Compressor())
    /// The end of this connection is told.
    private let watched = Mutex<KafkaConnection?>(nil)

    init(cluster: KafkaCluster, signals: SenderSignals, node: Int32, configuration: KafkaProducerConfiguration) {
        self.cluster = cluster
        self.signals = signals
        self.node = node
        self.configuration = configuration
    }

    /// Sends a request now; false when that takes time, for connecting or compressing.
    func trySend(_ request: PlannedRequest) -> Bool {
        guard self.configuration.codec == .none,
            let connection = self.cluster.pool.readyConnection(to: request.address, lane: .general)
        else { return false }
        self.send(request, on: connection)
        return true
    }

    /// Sends a request, however long that takes.
    func send(_ request: PlannedRequest) async {
        do {
            self.send(request, on: try await self.cluster.advertisedConnection(to: request.address))
        } catch let error as KafkaClientError {
            self.report(request.id, [:], otherwise: .unsent(error))
        } catch {
            // Cancelled: the producer ends, and nobody waits for the answer.
            let ended = KafkaClientError(.connectionClosed, "the producer ended", cause: error)
            self.report(request.id, [:], otherwise: .unsent(ended))
        }
    }

    private func send(_ request: PlannedRequest, on connection: KafkaConnection) {
        var answers: [Int: ProduceAnswer.Answer] = [:]
        var parts: [ProduceExchange.Part] = []
        var slots: [Int] = []
        for part in request.parts {
            do throws(RecordError) {
                let isRepeated = part.batch.isEncoded
                let batch = try self.compressor.withLock { (compressor) throws(RecordError) in
                    try part.batch.encode(part.stamp, using: compressor)
                }
                self.report(batch, of: part.partition, isRepeated: isRepeated)
                parts.append(.init(partition: part.partition, topicID: part.topicID, batch: batch))
                slots.append(part.slot)
            } catch {
                let reason = "\(part.partition): the batch cannot be encoded: \(error)"
                answers[part.slot] = .unsent(KafkaClientError(.invalidRequest, reason, cause: error))
            }
        }
        let exchange = ProduceExchange(
            parts: parts, acks: self.configuration.acks,
            timeoutMs: Int32(clamping: self.configuration.requestTimeout.milliseconds))
        do throws(KafkaClientError) {
            guard !parts.isEmpty else { throw KafkaClientError(.invalidRequest, "no batch is left to be sent") }
            self.watch(connection)
            try self.write(exchange, slots, request.id, answers, to: connection)
        } catch {
            self.report(request.id, answers, otherwise: .unsent(error))
        }
    }

    /// The end of a connection is news also while nothing is on its way over it.
    private func watch(_ connection: KafkaConnection) {
        let isNew = self.watched.withLock { watched in
            defer { watched = connection }
            return watched !== connection
        }
        guard isNew else { return }
        let (signals, node) = (self.signals, self.node)
        connection.requests.channel.closeFuture.whenComplete { _ in signals.post(.disconnected(node)) }
    }

    private func report(_ batch: RecordBatch, of partition: TopicPartition, isRepeated: Bool) {
        guard let metrics = self.cluster.telemetry.metrics else { return }
        let recordCount = Int(batch.header.recordCount)
        if isRepeated {
            metrics.batchRetried(partition, recordCount: recordCount)
        } else {
            metrics.batchSent(to: partition, recordCount: recordCount, bytes: batch.bytes.readableBytes)
        }
    }

    private func write(
        _ exchange: ProduceExchange, _ slots: [Int], _ id: UInt64, _ answers: [Int: ProduceAnswer.Answer],
        to connection: KafkaConnection
    ) throws(KafkaClientError) {
        let version = try connection.version(of: ProduceRequest.self, in: exchange.versions)
        let expectsAnswer = self.configuration.acks != .none
        connection.begin(
            exchange.request, version: version, attachments: exchange.attachments, expectsAnswer: expectsAnswer,
            timeout: self.configuration.requestTimeout
        ).whenComplete { result in
            var answers = answers
            do {
                let bytes = try result.get()
                guard expectsAnswer else {
                    return self.report(id, answers, otherwise: .written(baseOffset: nil, logAppendTime: nil))
                }
                let response = try connection.decode(bytes, as: ProduceResponse.self, of: .produce, version: version)
                let results = exchange.results(response)
                for (position, result) in results { answers[slots[position]] = .init(result) }
                let isComplete = results.count == exchange.parts.count
                let missing = isComplete ? "" : "the answer of \(connection.address) to Produce lacks a partition"
                self.report(id, answers, otherwise: .lost(KafkaClientError(.malformedResponse, missing)))
            } catch let error as KafkaClientError where error.code == .invalidRequest {
                self.report(id, answers, otherwise: .unsent(error))
            } catch {
                let reason = error as? KafkaClientError ?? KafkaClientError(.connectionClosed, "\(error)", cause: error)
                self.report(id, answers, otherwise: .lost(reason))
            }
        }
    }

    private func report(_ id: UInt64, _ answers: [Int: ProduceAnswer.Answer], otherwise: ProduceAnswer.Answer) {
        self.signals.post(.answered(ProduceAnswer(id: id, answers: answers, otherwise: otherwise)))
    }
}

extension SenderMachine.Answer {
    init(_ result: ProduceExchange.Result) {
        if result.errorCode == .none {
            self = .written(
                baseOffset: result.written.baseOffset?.rawValue, logAppendTime: result.written.logAppendTime)
        } else {
            self = .refused(result.errorCode, message: result.message)
        }
    }
}

extension KafkaConnection {
    /// Sends a request now; the future is the answer, undecoded, or why there is none. It always comes: with the answer,
    /// with `timedOut`, or when the connection ends.
    func begin(
        _ request: some KafkaRequest, version: Int16, attachments: [ByteBuffer], expectsAnswer: Bool, timeout: Duration
    ) -> EventLoopFuture<ByteBuffer> {
        let answer = self.requests.channel.eventLoop.makePromise(of: ByteBuffer.self)
        self.requests.submit(
            request, version: version, attachments: attachments, expectsAnswer: expectsAnswer, timeout: timeout,
            answer: answer)
        return answer.futureResult
    }

    /// Takes an answer apart. Throws `malformedResponse`.
    func decode<Response: KafkaMessage>(
        _ answer: ByteBuffer, as: Response.Type, of api: APIKey, version: Int16
    ) throws(KafkaClientError) -> Response {
        try self.requests.decode(answer, as: Response.self, api: api, version: version)
    }
}
