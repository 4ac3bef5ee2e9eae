// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes

import KafkaMessages
import KafkaWire

/// An idempotent or transactional producer that has written to a partition lately (KIP-664).
public struct ActiveProducer: Sendable {
    /// Who it is.
    public var producerID: ProducerID
    /// Its incarnation.
    public var epoch: Int32
    /// The sequence number of its last record; nil when it is not known.
    public var lastSequence: Int32?
    /// When it wrote last, in milliseconds since 1970; nil when it is not known.
    public var lastTimestamp: Int64?
    /// The epoch of the transaction coordinator that ended its last transaction; nil for none.
    public var coordinatorEpoch: Int32?
    /// The first record of its open transaction: no committed reader gets beyond. Nil when none is open.
    public var transactionStart: Offset?
}

/// What a transaction is doing. The set is open.
public struct TransactionState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Kafka's name of the state.
    public var rawValue: String
    /// Any name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The producer has begun nothing.
    public static let empty = TransactionState(rawValue: "Empty")
    /// It is open.
    public static let ongoing = TransactionState(rawValue: "Ongoing")
    /// It will be committed whatever happens; markers are being written.
    public static let prepareCommit = TransactionState(rawValue: "PrepareCommit")
    /// It will be aborted whatever happens; markers are being written.
    public static let prepareAbort = TransactionState(rawValue: "PrepareAbort")
    /// It was committed.
    public static let completeCommit = TransactionState(rawValue: "CompleteCommit")
    /// It was aborted.
    public static let completeAbort = TransactionState(rawValue: "CompleteAbort")

    /// Kafka's name.
    public var description: String { self.rawValue }
}

/// A transaction as ListTransactions shows it.
public struct TransactionListing: Sendable {
    /// Whose it is.
    public var transactionalID: String
    /// The producer that has the id at present.
    public var producerID: ProducerID
    /// What it is doing.
    public var state: TransactionState
}

/// A transaction and what it has touched.
public struct TransactionDescription: Sendable {
    /// What it is doing.
    public var state: TransactionState
    /// The producer that has the transactional id at present.
    public var producerID: ProducerID
    /// Its incarnation.
    public var producerEpoch: ProducerEpoch
    /// After this time it is aborted: the producer's `transaction.timeout.ms`.
    public var timeout: Duration
    /// When it began, in milliseconds since 1970; nil when none is open.
    public var startTimestamp: Int64?
    /// What it has written to, ascending.
    public var partitions: [TopicPartition]
}

extension KafkaCluster {
    /// The producers that the leaders of partitions remember, ascending by id. Partitions fail on their own.
    ///
    /// One request to each leader: DescribeProducers 0, Kafka 2.8.
    public func describeProducers(of partitions: [TopicPartition]) async throws -> PartitionResults<[ActiveProducer]> {
        try await self.atLeaders(of: partitions) { connection, partitions in
            var request = DescribeProducersRequest()
            request.topics = partitions.groupedByTopic { name, partitions in
                var topic = DescribeProducersRequest.TopicRequest()
                topic.name = name
                topic.partitionIndexes = partitions.map(\.partition.rawValue)
                return topic
            }
            var results = PartitionResults<[ActiveProducer]>(missing: partitions, api: "DescribeProducers")
            for topic in try await connection.send(request).topics {
                for entry in topic.partitions {
                    let partition = TopicPartition(topic: topic.name, partition: PartitionIndex(entry.partitionIndex))
                    results[partition] = Self.outcome(
                        entry.activeProducers.map(ActiveProducer.init).sorted { $0.producerID < $1.producerID },
                        entry.errorCode, subject: "\(partition)", message: entry.errorMessage)
                }
            }
            return results
        }
    }

    /// The transactions that each broker coordinates, ascending by transactional id; only those in one of these states
    /// and of one of these producers, unless that is empty. Brokers fail on their own.
    ///
    /// One request to each broker: ListTransactions 0, Kafka 3.0.
    public func listTransactions(
        states: [TransactionState] = [], producers: [ProducerID] = []
    ) async throws -> [NodeID: Result<[TransactionListing], KafkaClientError>] {
        var request = ListTransactionsRequest()
        request.stateFilters = states.map(\.rawValue)
        request.producerIDFilters = producers.map(\.rawValue)
        let nodes = try await self.describeCluster().brokers.map(\.nodeID)
        return try await self.atNodes(nodes) { [request] connection in
            let response = try await connection.send(request)
            try Self.check(response.errorCode, subject: "the transactions of \(connection.address)")
            return response.transactionStates.map { entry in
                TransactionListing(
                    transactionalID: entry.transactionalID, producerID: ProducerID(entry.producerID),
                    state: TransactionState(rawValue: entry.transactionState))
            }.sorted { $0.transactionalID < $1.transactionalID }
        }
    }

    /// Transactions by their transactional ids. Each fails on its own, with `transactionalIDNotFound` for one that no
    /// producer has used, or not for long.
    ///
    /// A request to any broker to find the coordinators, and one to each of these: DescribeTransactions 0, Kafka 3.0.
    public func describeTransactions(
        _ transactionalIDs: [String]
    ) async throws -> [String: Result<TransactionDescription, KafkaClientError>] {
        try await self.inRounds(transactionalIDs) { ids in
            try await self.transactionCoordinators(of: ids)
        } prepareRetry: { _, _ in
            true
        } operation: { address, ids in
            var request = DescribeTransactionsRequest()
            request.transactionalIDs = ids
            let response = try await self.advertisedConnection(to: address).send(request)
            var results: [String: Result<TransactionDescription, KafkaClientError>] = [:]
            for id in ids {
                results[id] = .failure(
                    KafkaClientError(.malformedResponse, "the answer to DescribeTransactions lacks \(id)"))
            }
            for entry in response.transactionStates {
                results[entry.transactionalID] = Self.outcome(
                    TransactionDescription(entry), entry.errorCode, subject: "transactional id \(entry.transactionalID)"
                )
            }
            return results
        }
    }

    private func transactionCoordinators(
        of ids: [String]
    ) async throws -> (groups: [BrokerAddress: [String]], failed: [String: KafkaClientError]) {
        var request = FindCoordinatorRequest()
        request.keyType = 1
        request.coordinatorKeys = Set(ids).sorted()
        // Whoever can describe transactions finds several coordinators at once (KIP-699).
        let connection = try await self.retrying { try await self.anyConnection() }
        let response = try await connection.send(request, versions: 4...Int16.max)
        var groups: [BrokerAddress: [String]] = [:]
        var failed: [String: KafkaClientError] = [:]
        for id in ids {
            failed[id] = KafkaClientError(.malformedResponse, "the answer to FindCoordinator lacks \(id)")
        }
        for found in response.coordinators {
            let errorCode = ErrorCode(rawValue: found.errorCode)
            if errorCode == .none {
                failed[found.key] = nil
                groups[BrokerAddress(host: found.host, port: Int(found.port)), default: []].append(found.key)
            } else {
                failed[found.key] = KafkaClientError(
                    errorCode, subject: "the coordinator of transactional id \(found.key)",
                    message: found.errorMessage)
            }
        }
        return (groups, failed)
    }
}

extension ActiveProducer {
    init(_ state: DescribeProducersResponse.ProducerState) {
        self.producerID = ProducerID(state.producerID)
        self.epoch = state.producerEpoch
        self.lastSequence = state.lastSequence < 0 ? nil : state.lastSequence
        self.lastTimestamp = state.lastTimestamp < 0 ? nil : state.lastTimestamp
        self.coordinatorEpoch = state.coordinatorEpoch < 0 ? nil : state.coordinatorEpoch
        self.transactionStart = state.currentTxnStartOffset < 0 ? nil : Offset(state.currentTxnStartOffset)
    }
}

extension TransactionDescription {
    init(_ state: DescribeTransactionsResponse.TransactionState) {
        self.state = TransactionState(rawValue: state.transactionState)
        self.producerID = ProducerID(state.producerID)
        self.producerEpoch = ProducerEpoch(state.producerEpoch)
        self.timeout = .milliseconds(Int64(state.transactionTimeoutMs))
        self.startTimestamp = state.transactionStartTimeMs < 0 ? nil : state.transactionStartTimeMs
        self.partitions = state.topics.flatMap { topic in
            topic.partitions.map { TopicPartition(topic: topic.topic, partition: PartitionIndex($0)) }
        }.sorted()
    }
}
