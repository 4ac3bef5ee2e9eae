// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaMessages
import KafkaRecords
import KafkaTypes
import KafkaWire
import NIOCore

/// Produce (key 0): appends one record batch to each of some partitions.
///
/// Served: 3-13. From version 8 on the answer has messages and, for refused records, their indexes in the batch
/// (KIP-467); from 13 on topics go by id (KIP-516).
///
/// - acks=-1 (all): answered when the batch is on stable storage; see `Durability` for topics that relax this.
/// - acks=1: answered when the batch is written, acks=0: not at all; what fails then closes the connection, which is
///   the only way to tell the producer.
/// - Without room on the disk (`log.dir.min.free.bytes`) every batch is refused with KAFKA_STORAGE_ERROR, which producers
///   take for something that passes: they wait and try again.
/// - Transactions are not served yet: a transactional id or batch is refused.
struct ProduceHandler: Sendable {
    let broker: Broker

    let context: RequestContext

    static let route = Route(
        apiKey: .produce,
        servedVersions: ProduceRequest.validVersions,
        // librdkafka turns Produce off altogether unless version 0 is announced (KIP-896 kept it for that).
        advertisedVersions: 0...ProduceRequest.validVersions.upperBound
    ) { (broker, context, reader) throws(WireError) in
        let request = try ProduceRequest.decodeWhole(&reader, version: context.apiVersion)
        return try ProduceHandler(broker: broker, context: context).run(request)
    }

    private func run(_ request: ProduceRequest) throws(WireError) -> Outcome {
        let pass = ProducePass(
            request,
            version: self.context.apiVersion,
            topics: self.broker.topics,
            space: self.broker.space,
            compression: self.context.connection.compression.value,
            now: self.broker.clock.wallMilliseconds()
        )

        if pass.accepted.isEmpty {
            return try self.outcome(pass.response([]), request.acks)
        }
        let space = self.broker.space
        space.accepted(pass.acceptedBytes)
        let promise = self.context.eventLoop.makePromise(of: [AppendTracker.Outcome].self)
        self.submit(pass.accepted, acks: request.acks, promise: promise)
        let acks = request.acks
        let answered = promise.futureResult.flatMapThrowing { [pass, self] results in
            pass.count(results, shard: self.context.connection.metricsShard)
            if let full = results.lazy.compactMap(\.noRoom).first { space.writeFailed(full) }
            return try self.outcome(pass.response(results), acks)
        }
        return .later(answered)
    }

    /// Puts the batches on the way to the IO threads of their partitions, in the order in which the request has them.
    private func submit(
        _ accepted: [ProducePass.Accepted],
        acks: Int16,
        promise: EventLoopPromise<[AppendTracker.Outcome]>
    ) {
        let tracker = AppendTracker(count: accepted.count) { promise.succeed($0) }
        let pending = self.context.connection.pendingAppends.value
        let now = self.broker.metrics.now
        for (index, item) in accepted.enumerated() {
            pending.add(
                IOThread.Append(
                    partition: item.partition,
                    batch: item.batch,
                    waitsForDisk: acks == -1,
                    origin: .produce,
                    queuedAt: now,
                    tracker: tracker,
                    index: index
                )
            )
        }
    }

    private func outcome(_ response: ProduceResponse, _ acks: Int16) throws(WireError) -> Outcome {
        self.broker.metrics.requests.count(response, of: .produce)
        if acks != 0 { return .frame(try ResponseFrame(encoding: response, for: self.context)) }
        for topic in response.responses {
            for partition in topic.partitionResponses where partition.errorCode != ErrorCode.none.rawValue {
                let error = ErrorCode(partition.errorCode)
                return .close(
                    reason: "a produce with acks=0 to \(topic.name)-\(partition.index) failed with \(error.name)"
                )
            }
        }
        return .nothing
    }
}

extension AppendTracker.Outcome {
    /// The error of an append for which there was no room on the disk.
    fileprivate var noRoom: LogError? {
        if case .failure(.storage(let error)) = self, error.isFull { return error }
        return nil
    }
}
