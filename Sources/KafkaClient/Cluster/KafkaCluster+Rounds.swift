// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// Operations on many items, each of which succeeds or fails on its own, at several brokers at once.
extension KafkaCluster {
    /// Carries out an operation on items in rounds, until each has succeeded, failed for good, or the retry policy gives
    /// up: then its last failure stays.
    ///
    /// `locate` says which broker each item is to be asked of, or why that is not known. `operation` gets the items of one
    /// broker; what it throws as a `KafkaClientError` is the failure of all of them. `prepareRetry` is told of every
    /// failure that may go away, to forget what turned out wrong, and says whether to try this item again.
    func inRounds<Item: Hashable & Sendable, Broker: Hashable & Sendable, Value: Sendable>(
        _ items: [Item],
        locate: ([Item]) async throws -> (groups: [Broker: [Item]], failed: [Item: KafkaClientError]),
        prepareRetry: (Item, KafkaClientError) -> Bool,
        operation: @escaping @Sendable (Broker, [Item]) async throws -> [Item: Result<Value, KafkaClientError>]
    ) async throws -> [Item: Result<Value, KafkaClientError>] {
        var results: [Item: Result<Value, KafkaClientError>] = [:]
        var open = items
        var attempt = 1
        while true {
            let (groups, failed) = try await locate(open)
            let round = try await Self.atOnce(groups, failed: failed, operation)
            open = []
            var lastError: KafkaClientError?
            for (item, result) in round {
                results[item] = result
                guard case .failure(let error) = result, error.isRetriable, prepareRetry(item, error) else { continue }
                open.append(item)
                lastError = error
            }
            guard let lastError else { return results }
            do {
                try await self.backOff(attempt: attempt, after: lastError)
            } catch is KafkaClientError {
                return results
            }
            attempt += 1
        }
    }

    /// Carries out an operation at all brokers at once. What fails at one of them fails for its items only.
    static func atOnce<Item: Hashable & Sendable, Broker: Hashable & Sendable, Value: Sendable>(
        _ groups: [Broker: [Item]], failed: [Item: KafkaClientError],
        _ operation: @escaping @Sendable (Broker, [Item]) async throws -> [Item: Result<Value, KafkaClientError>]
    ) async throws -> [Item: Result<Value, KafkaClientError>] {
        try await withThrowingTaskGroup(of: [Item: Result<Value, KafkaClientError>].self) { tasks in
            for (broker, items) in groups {
                tasks.addTask {
                    do {
                        return try await operation(broker, items)
                    } catch let error as KafkaClientError {
                        return Dictionary(items.map { ($0, .failure(error)) }) { first, _ in first }
                    }
                }
            }
            return try await tasks.reduce(into: failed.mapValues { .failure($0) }) { merged, part in
                merged.merge(part) { _, last in last }
            }
        }
    }

    /// As ``inRounds(_:locate:prepareRetry:operation:)`` for one operation at each of these brokers, by their numbers.
    func atNodes<Value: Sendable>(
        _ nodes: [NodeID], _ operation: @escaping @Sendable (KafkaConnection) async throws -> Value
    ) async throws -> [NodeID: Result<Value, KafkaClientError>] {
        try await self.inRounds(nodes) { nodes in
            let brokers = ClusterDescription(try await self.retrying { try await self.refreshMetadata(topics: []) })
                .brokers
            var groups: [BrokerAddress: [NodeID]] = [:]
            var failed: [NodeID: KafkaClientError] = [:]
            for node in nodes {
                if let broker = brokers.first(where: { $0.nodeID == node }) {
                    groups[broker.address, default: []].append(node)
                } else {
                    failed[node] = KafkaClientError(unknownBroker: node)
                }
            }
            return (groups, failed)
        } prepareRetry: { _, _ in
            true
        } operation: { address, nodes in
            let value = try await operation(try await self.advertisedConnection(to: address))
            return Dictionary(nodes.map { ($0, .success(value)) }) { first, _ in first }
        }
    }

    /// Sends a change to the controller, and to the new one when it has moved.
    ///
    /// `errorCodes` takes the error codes out of an answer. What was sent and not answered is an error: it may have been
    /// carried out, and sent again it would fail for having succeeded.
    func changeAtController<Request: KafkaRequest>(
        _ request: Request, versions: ClosedRange<Int16>? = nil, timeout: Duration? = nil,
        _ errorCodes: (Request.Response) -> [Int16]
    ) async throws -> Request.Response {
        try await self.retrying {
            let connection = try await self.controllerConnection()
            let response: Request.Response
            do {
                response = try await connection.send(request, versions: versions, timeout: timeout)
            } catch let error as KafkaClientError where error.code == .timedOut || error.code == .connectionClosed {
                throw Final(error)
            }
            if errorCodes(response).contains(ErrorCode.notController.rawValue) {
                self.forgetController()
                throw KafkaClientError(.notController, subject: "\(connection.address)")
            }
            return response
        }
    }

    /// Asks any broker, and again when that fails for a reason that goes away. `errorCode` is what concerns the whole
    /// answer; it is thrown.
    func askAnyone<Request: KafkaRequest>(
        _ request: Request, subject: String, versions: ClosedRange<Int16>? = nil,
        _ error: (Request.Response) -> (code: Int16, message: String?)
    ) async throws -> Request.Response {
        try await self.retrying {
            let response = try await self.anyConnection().send(request, versions: versions)
            let (code, message) = error(response)
            try Self.check(code, subject: subject, message: message)
            return response
        }
    }

    /// Throws the error that a code of an answer stands for.
    static func check(_ errorCode: Int16, subject: String, message: String? = nil) throws(KafkaClientError) {
        let errorCode = ErrorCode(rawValue: errorCode)
        guard errorCode == .none else { throw KafkaClientError(errorCode, subject: subject, message: message) }
    }

    /// What an item of an answer came to.
    static func outcome<Value>(
        _ value: @autoclosure () -> Value, _ errorCode: Int16, subject: String, message: String? = nil
    ) -> Result<Value, KafkaClientError> {
        let errorCode = ErrorCode(rawValue: errorCode)
        guard errorCode == .none else {
            return .failure(KafkaClientError(errorCode, subject: subject, message: message))
        }
        return .success(value())
    }
}
