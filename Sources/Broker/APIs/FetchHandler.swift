// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import KafkaConfig
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore

/// Fetch (key 1): reads records from some partitions, waiting until there are enough of them.
///
/// Served: 4-18. From version 7 on with incremental sessions (KIP-227), from 9 on the client's leader epoch is checked
/// (KIP-320), from 12 on divergence is told (KIP-595), from 13 on topics go by id (KIP-516).
///
/// - Only what is below the high watermark is served. In an answer whose limit is smaller than the first batch, that
///   batch is sent all the same.
/// - Records leave as slices of the log's files (sendfile); small ones are copied.
/// - Followers are not served yet: a replica id is ignored and the request answered as a consumer's.
struct FetchHandler: Sendable {
    let broker: Broker

    let context: RequestContext

    static let route = Route(
        apiKey: .fetch,
        servedVersions: FetchRequest.validVersions,
        advertisedVersions: FetchRequest.validVersions
    ) { (broker, context, reader) throws(WireError) in
        let request = try FetchRequest.decodeWhole(&reader, version: context.apiVersion)
        return try FetchHandler(broker: broker, context: context).run(request)
    }

    private func run(_ request: FetchRequest) throws(WireError) -> Outcome {
        let plan: FetchSessionCache.Plan
        switch self.broker.beginFetch(request.sessionRequest(version: self.context.apiVersion)) {
        case .failure(let error):
            var response = FetchResponse()
            response.errorCode = error.errorCode.rawValue
            self.broker.metrics.requests.count(response, of: .fetch)
            return .frame(try ResponseFrame(encoding: response, for: context))
        case .success(let begun): plan = begun
        }

        let limits = FetchReader.Limits(
            maxBytes: min(Int(max(0, request.maxBytes)), self.broker.config.fetchMaxBytes),
            minBytes: Int(request.minBytes)
        )
        let answer = FetchAnswer(
            broker: self.broker,
            context: self.context,
            plan: plan,
            isReadCommitted: request.isolationLevel == 1
        )
        // Most of the time the records are there and in memory.
        let result = self.broker.fetchReader.readCached(
            plan.targets,
            limits: limits,
            evenTooLittle: request.maxWaitMs <= 0
        )
        if let result, !result.isTooLittle {
            return try answer.outcome(result)
        }
        return self.wait(for: plan, limits, maxWait: .milliseconds(Int64(request.maxWaitMs)), answer)
    }

    /// Answers when there is enough, the time is over, the connection closes or the broker shuts down.
    private func wait(
        for plan: FetchSessionCache.Plan,
        _ limits: FetchReader.Limits,
        maxWait: TimeAmount,
        _ answer: FetchAnswer
    ) -> Outcome {
        let promise = self.context.eventLoop.makePromise(of: FetchReader.Result.self)
        let operation = FetchOperation(
            targets: plan.targets,
            limits: limits,
            maxWait: maxWait,
            reader: self.broker.fetchReader,
            readers: self.broker.readers,
            clock: self.broker.clock,
            metrics: self.broker.metrics,
            shard: self.context.connection.metricsShard,
            promise: promise
        )
        let connection = self.context.connection
        let stopHandler = connection.onStopWaiting { operation.finishNow() }
        let answered = promise.futureResult.flatMapThrowing { result -> Outcome in
            connection.removeStopHandler(stopHandler)
            return try answer.outcome(result)
        }
        operation.start()
        return .later(answered)
    }
}

/// Turns what was read into the answer of one fetch.
private struct FetchAnswer: Sendable {
    let broker: Broker
    let context: RequestContext
    let plan: FetchSessionCache.Plan
    let isReadCommitted: Bool

    func outcome(_ result: FetchReader.Result) throws(WireError) -> Outcome {
        let named = self.broker.finishFetch(self.plan, result.partitions)
        let (response, slices) = FetchResponse.naming(
            named,
            sessionID: self.plan.sessionID,
            isReadCommitted: self.isReadCommitted
        )
        self.broker.metrics.requests.count(response, of: .fetch)
        let shard = self.context.connection.metricsShard
        for partition in named where partition.recordByteCount > 0 {
            partition.metrics?.fetched(records: partition.recordCount, bytes: partition.recordByteCount, shard: shard)
        }
        return .frame(try ResponseFrame(encoding: response, for: self.context, slices: slices))
    }
}

extension FetchRequest {
    /// Sessions exist from version 7 on; before, every fetch is a full one.
    fileprivate func sessionRequest(version: Int16) -> FetchSessionCache.Request {
        let targets = self.topics.flatMap { topic in
            topic.partitions.map { partition in
                FetchTarget(
                    key: .init(topic: topic.topic, topicID: topic.topicID, partition: partition.partition),
                    fetchOffset: partition.fetchOffset,
                    maxBytes: partition.partitionMaxBytes,
                    currentLeaderEpoch: partition.currentLeaderEpoch,
                    lastFetchedEpoch: partition.lastFetchedEpoch
                )
            }
        }
        let forgotten = self.forgottenTopicsData.flatMap { topic in
            topic.partitions.map { FetchTarget.Key(topic: topic.topic, topicID: topic.topicID, partition: $0) }
        }
        return FetchSessionCache.Request(
            sessionID: self.sessionID,
            epoch: self.sessionEpoch,
            usesTopicIDs: version >= 13,
            targets: targets,
            forgotten: forgotten
        )
    }
}

extension FetchResponse {
    /// Builds the answer: partitions of one topic that stand together become one topic entry.
    ///
    /// - Returns: the response, and the log slices that its external records stand for.
    fileprivate static func naming(
        _ partitions: [FetchedPartition],
        sessionID: Int32,
        isReadCommitted: Bool
    ) -> (FetchResponse, [LogSlice]) {
        var response = FetchResponse()
        response.sessionID = sessionID
        var slices: [LogSlice] = []
        var lastTopic: (name: String, id: TopicID)?
        for fetched in partitions {
            if lastTopic == nil || lastTopic! != (fetched.key.topic, fetched.key.topicID) {
                var topic = FetchableTopicResponse()
                topic.topic = fetched.key.topic
                topic.topicID = fetched.key.topicID
                response.responses.append(topic)
                lastTopic = (fetched.key.topic, fetched.key.topicID)
            }
            let data = PartitionData(fetched, isReadCommitted: isReadCommitted, slices: &slices)
            response.responses[response.responses.count - 1].partitions.append(data)
        }
        return (response, slices)
    }
}

extension FetchResponse.PartitionData {
    fileprivate init(_ fetched: FetchedPartition, isReadCommitted: Bool, slices: inout [LogSlice]) {
        self.init()
        self.partitionIndex = fetched.key.partition
        self.errorCode = fetched.errorCode.rawValue
        self.highWatermark = fetched.highWatermark
        self.lastStableOffset = fetched.lastStableOffset
        self.logStartOffset = fetched.logStartOffset
        // Null says "not asked for"; a read-committed consumer expects a list, empty until transactions arrive.
        self.abortedTransactions = isReadCommitted ? [] : nil
        if let divergence = fetched.divergence {
            self.divergingEpoch.epoch = divergence.epoch
            self.divergingEpoch.endOffset = divergence.endOffset
        }
        switch fetched.records {
        case .none: self.records = .buffer(ByteBuffer())
        case .bytes(let bytes): self.records = bytes
        case .slice(let slice):
            self.records = .external(token: slices.count, byteCount: slice.byteCount)
            slices.append(slice)
        }
    }
}
