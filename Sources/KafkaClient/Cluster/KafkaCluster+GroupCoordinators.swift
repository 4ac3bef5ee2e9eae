// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire

/// What an operation came to for each group, by its name.
typealias GroupResults<Value> = [String: Result<Value, KafkaClientError>]

extension KafkaCluster {
    /// Carries out an operation on groups, each at its coordinator, all coordinators at once.
    ///
    /// `operation` gets the groups that one broker looks after. Groups whose result is retriable are tried again,
    /// after they were looked up anew unless their coordinator only has to finish loading. An operation that must not
    /// be carried out twice sets `isRepeatable` to false: a lost answer is an error then.
    func atCoordinators<Value: Sendable>(
        of groupIDs: [String], isRepeatable: Bool = true,
        _ operation:
            @escaping @Sendable (KafkaConnection, BrokerDescription, [String]) async throws
            -> GroupResults<Value>
    ) async throws -> GroupResults<Value> {
        try await self.inRounds(groupIDs) { groupIDs in
            try await self.groupedByCoordinator(groupIDs)
        } prepareRetry: { groupID, error in
            if error.errorCode != .coordinatorLoadInProgress { self.forgetCoordinator(of: groupID) }
            return isRepeatable || !(error.code == .timedOut || error.code == .connectionClosed)
        } operation: { coordinator, groupIDs in
            let connection = try await self.advertisedConnection(to: coordinator.address)
            return try await operation(connection, coordinator, groupIDs)
        }
    }

    /// As ``atCoordinators(of:isRepeatable:_:)`` for one group; throws what went wrong.
    func atCoordinator<Value: Sendable>(
        of groupID: String, isRepeatable: Bool = true,
        _ operation: @escaping @Sendable (KafkaConnection) async throws -> Value
    ) async throws -> Value {
        let results = try await self.atCoordinators(of: [groupID], isRepeatable: isRepeatable) { connection, _, _ in
            [groupID: .success(try await operation(connection))]
        }
        guard let result = results[groupID] else { throw Self.missing(groupID, api: "FindCoordinator") }
        return try result.get()
    }

    private func groupedByCoordinator(
        _ groupIDs: [String]
    ) async throws -> (groups: [BrokerDescription: [String]], failed: [String: KafkaClientError]) {
        var coordinators: [BrokerDescription: [String]] = [:]
        var failed: [String: KafkaClientError] = [:]
        for (groupID, result) in try await self.findCoordinators(of: groupIDs) {
            switch result {
            case .success(let coordinator): coordinators[coordinator, default: []].append(groupID)
            case .failure(let error): failed[groupID] = error
            }
        }
        // Requests and what is shown of them have the order of the names.
        return (coordinators.mapValues { $0.sorted() }, failed)
    }

    /// The brokers that look after these groups: from the cache, otherwise asked for once. Groups fail on their own.
    func findCoordinators(of groupIDs: [String]) async throws -> GroupResults<BrokerDescription> {
        var results: GroupResults<BrokerDescription> = [:]
        var unknown: Set<String> = []
        for groupID in groupIDs {
            if let known = self.cachedCoordinator(of: groupID) {
                results[groupID] = .success(known)
            } else {
                unknown.insert(groupID)
            }
        }
        guard !unknown.isEmpty else { return results }
        for (groupID, result) in try await self.askForCoordinators(of: unknown.sorted()) {
            results[groupID] = result
            if case .success(let coordinator) = result { self.remember(coordinator, of: groupID) }
        }
        return results
    }

    private func askForCoordinators(of groupIDs: [String]) async throws -> GroupResults<BrokerDescription> {
        let connection = try await self.retrying { try await self.anyConnection() }
        var results: GroupResults<BrokerDescription> = [:]
        for groupID in groupIDs { results[groupID] = .failure(Self.missing(groupID, api: "FindCoordinator")) }
        do {
            if try connection.version(of: FindCoordinatorRequest.self) >= 4 {
                var request = FindCoordinatorRequest()
                request.coordinatorKeys = groupIDs
                for found in try await connection.send(request, versions: 4...Int16.max).coordinators {
                    results[found.key] = Self.coordinator(
                        of: found.key, found.nodeID, host: found.host, port: found.port, found.errorCode,
                        found.errorMessage)
                }
                return results
            }
            // Older brokers take one group at a time (KIP-699 brought more).
            for groupID in groupIDs {
                var request = FindCoordinatorRequest()
                request.key = groupID
                let found = try await connection.send(request, versions: 0...3)
                results[groupID] = Self.coordinator(
                    of: groupID, found.nodeID, host: found.host, port: found.port, found.errorCode, found.errorMessage)
            }
        } catch let error as KafkaClientError {
            return Dictionary(uniqueKeysWithValues: groupIDs.map { ($0, .failure(error)) })
        }
        return results
    }

    private static func coordinator(
        of groupID: String, _ nodeID: Int32, host: String, port: Int32, _ errorCode: Int16, _ message: String?
    ) -> Result<BrokerDescription, KafkaClientError> {
        let errorCode = ErrorCode(rawValue: errorCode)
        guard errorCode == .none else {
            return .failure(
                KafkaClientError(errorCode, subject: "the coordinator of group \(groupID)", message: message))
        }
        let address = BrokerAddress(host: host, port: Int(port))
        return .success(BrokerDescription(nodeID: NodeID(nodeID), address: address, rack: nil))
    }

    static func missing(_ groupID: String, api: String) -> KafkaClientError {
        KafkaClientError(.malformedResponse, "the answer to \(api) lacks the group \(groupID)")
    }

    /// The error of a group, in words that fit groups.
    static func groupError(_ errorCode: ErrorCode, _ groupID: String, message: String? = nil) -> KafkaClientError {
        var error = KafkaClientError(errorCode, subject: "group \(groupID)", message: message)
        switch errorCode {
        case .groupIDNotFound: error.message = "the group \(groupID) does not exist"
        case .nonEmptyGroup: error.message = "the group \(groupID) has members"
        default: break
        }
        return error
    }
}
