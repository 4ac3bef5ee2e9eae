// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Synchronization

extension KafkaCluster {
    /// The connection to the broker at `address`, made if there is none.
    public func connection(to address: BrokerAddress) async throws -> KafkaConnection {
        try await self.connection(to: address, lane: .general)
    }

    /// The connection to the broker at `address` in a lane, made if there is none.
    func connection(to address: BrokerAddress, lane: ConnectionLane) async throws -> KafkaConnection {
        try await self.pool.connection(to: address, lane: lane)
    }

    /// A connection to any broker: one that is open, otherwise the first that can be made.
    ///
    /// Throws `clusterUnreachable`, which names every address that was tried; or the code that all failures have in
    /// common, if that is `notKafka` or `tlsFailed`. A broker that refuses the login ends the search with
    /// `authenticationFailed`: others would refuse it, too, and some lock users out who try often.
    public func anyConnection() async throws -> KafkaConnection { try await self.anyConnection(lane: .general) }

    func anyConnection(lane: ConnectionLane) async throws -> KafkaConnection {
        var failures: [KafkaClientError] = []
        for address in self.candidates(lane: lane) {
            do {
                return try await self.connection(to: address, lane: lane)
            } catch let error as KafkaClientError {
                if error.code == .authenticationFailed || error.code == .invalidConfiguration { throw error }
                failures.append(error)
            }
        }
        let codes = Set(failures.map(\.code))
        let code: KafkaClientError.Code =
            codes == [.notKafka] || codes == [.tlsFailed] ? failures[0].code : .clusterUnreachable
        throw KafkaClientError(code, failures.map(\.message).joined(separator: "; "), cause: failures.first)
    }

    /// Whom to ask, in this order: brokers that are connected, those of the configuration, the others that are known.
    /// Those that could not be reached lately come last.
    private func candidates(lane: ConnectionLane) -> [BrokerAddress] {
        let known = self.state.withLock { $0.metadata.brokers.values.sorted { "\($0)" < "\($1)" } }
        let open = known.filter { self.pool.isConnected(to: $0, lane: lane) }
        var candidates: [(address: BrokerAddress, wait: Duration)] = []
        for address in open + self.configuration.bootstrap + known
        where !candidates.contains(where: { $0.address == address }) {
            candidates.append((address, open.contains(address) ? .zero : self.pool.wait(for: address)))
        }
        let ready = candidates.filter { $0.wait == .zero }
        return (ready + candidates.filter { $0.wait > .zero }.sorted { $0.wait < $1.wait }).map(\.address)
    }

    /// A connection to an address that the cluster itself handed out. When that fails the reason is most often the
    /// cluster's configuration, so the error says where the address comes from.
    func advertisedConnection(
        to address: BrokerAddress, lane: ConnectionLane = .general
    ) async throws -> KafkaConnection {
        do {
            return try await self.connection(to: address, lane: lane)
        } catch var error as KafkaClientError where error.code == .connectionFailed {
            let isBootstrap = self.configuration.bootstrap.contains(address)
            guard !isBootstrap else { throw error }
            error.message +=
                " (the cluster hands out this address: if it is wrong from here, set the broker's advertised.listeners)"
            throw error
        }
    }

    /// A connection to the controller, or to any broker while it is not known: newer ones forward what is meant for it.
    func controllerConnection() async throws -> KafkaConnection {
        var address = self.controllerAddress
        if address == nil {
            _ = try await self.refreshMetadata(topics: [])
            address = self.controllerAddress
        }
        guard let address else { return try await self.anyConnection() }
        return try await self.advertisedConnection(to: address)
    }

    private var controllerAddress: BrokerAddress? {
        self.state.withLock { state in state.metadata.controller.flatMap { state.metadata.brokers[$0] } }
    }

    func forgetController() { self.state.withLock { $0.metadata.forgetController() } }

    // MARK: Lanes

    /// A lane that nobody else uses. Close it when it is not needed any more.
    func makeLane(_ purpose: String) -> ConnectionLane { self.pool.makeLane(purpose) }

    /// Closes the connections of a lane; requests on their way in it fail with `connectionClosed`.
    func close(_ lane: ConnectionLane) async { await self.pool.close(lane) }
}
