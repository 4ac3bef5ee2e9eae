// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Logging
import NIOCore
import Synchronization

/// The connections of a cluster: one for each broker and lane in use, made when they are asked for.
///
/// The task that asks first connects, and others that want the same connection wait for it. A broker that could not be
/// reached is left alone for a while: who asks for it then waits.
final class ConnectionPool: Sendable {
    /// With more slots than this those without a connection are given up, in case a cluster hands out ever new addresses.
    private static let slotsMax = 1000

    private struct Key: Hashable, Sendable {
        var address: BrokerAddress
        var lane: ConnectionLane
    }

    /// A place for one connection.
    private final class Slot: Sendable {
        struct State {
            var connection: KafkaConnection?
            var isClosed = false
        }

        let state = Mutex(State())
        let connecting = SharedWork<KafkaConnection>()

        var open: KafkaConnection? { self.state.withLock { $0.connection.flatMap { $0.isOpen ? $0 : nil } } }

        /// False when the slot was closed meanwhile.
        func take(_ connection: KafkaConnection) -> Bool {
            self.state.withLock { state in
                guard !state.isClosed else { return false }
                state.connection = connection
                return true
            }
        }

        func close() -> KafkaConnection? {
            self.state.withLock { state in
                state.isClosed = true
                defer { state.connection = nil }
                return state.connection
            }
        }
    }

    private struct State {
        var slots: [Key: Slot] = [:]
        /// Connections by the IP address and port of their other end, which may be another than the one they were made by.
        var remotes: [Key: KafkaConnection] = [:]
        var backoff: ReconnectBackoff
        var generator = SystemRandomNumberGenerator()
        var laneCount = 0
        var isClosed = false
        var hasConnected = false
    }

    let security: ConnectionSecurity
    private let configuration: KafkaConnectionConfiguration
    private let metrics: (any ClientMetrics)?
    private let eventLoopGroup: any EventLoopGroup
    private let logger: Logger
    private let clock: any Clock<Duration>
    private let uptime: @Sendable () -> Duration
    private let state: Mutex<State>

    init(
        _ configuration: KafkaClusterConfiguration, security: ConnectionSecurity,
        metrics: (any ClientMetrics)? = nil, eventLoopGroup: any EventLoopGroup, logger: Logger,
        clock: any Clock<Duration>
    ) {
        self.configuration = configuration.connection
        self.metrics = metrics
        self.security = security
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.clock = clock
        self.uptime = clock.stopwatch()
        self.state = Mutex(State(backoff: ReconnectBackoff(configuration.reconnect)))
    }

    /// A broker was reached once: from then on, brokers that are out of reach are expected to come back.
    var hasConnected: Bool { self.state.withLock(\.hasConnected) }

    func makeLane(_ purpose: String) -> ConnectionLane {
        self.state.withLock { state in
            state.laneCount += 1
            return ConnectionLane(purpose, number: state.laneCount)
        }
    }

    /// The connection to a broker, made if there is none. Throws what ``KafkaConnection`` throws when it connects, and
    /// `connectionClosed` once the pool is closed.
    func connection(to address: BrokerAddress, lane: ConnectionLane) async throws -> KafkaConnection {
        let key = Key(address: address, lane: lane)
        if let open = self.openConnection(key) {
            try await open.renewSession()
            return open
        }
        let slot = self.state.withLock { state -> Slot? in
            guard !state.isClosed else { return nil }
            if let slot = state.slots[key] { return slot }
            if state.slots.count >= Self.slotsMax { state.slots = state.slots.filter { $0.value.open != nil } }
            let slot = Slot()
            state.slots[key] = slot
            return slot
        }
        guard let slot else { throw KafkaClientError(.connectionClosed, "this KafkaCluster is closed") }
        return try await slot.connecting.run { try await self.connect(key, slot) }
    }

    /// The connection to a broker, if it can be used as it is: without waiting for anything.
    func readyConnection(to address: BrokerAddress, lane: ConnectionLane) -> KafkaConnection? {
        self.openConnection(Key(address: address, lane: lane)).flatMap { $0.isSessionDue ? nil : $0 }
    }

    /// There is an open connection to this broker.
    func isConnected(to address: BrokerAddress, lane: ConnectionLane) -> Bool {
        self.openConnection(Key(address: address, lane: lane)) != nil
    }

    /// How long a broker is left alone after connecting has failed.
    func wait(for address: BrokerAddress) -> Duration {
        self.state.withLock { $0.backoff.wait(for: address, now: self.uptime()) }
    }

    private func openConnection(_ key: Key) -> KafkaConnection? {
        self.state.withLock { state in
            if let open = state.slots[key]?.open { return open }
            guard let remote = state.remotes[key] else { return nil }
            if remote.isOpen { return remote }
            state.remotes[key] = nil
            return nil
        }
    }

    private func connect(_ key: Key, _ slot: Slot) async throws -> KafkaConnection {
        // Somebody may have connected between the look at the slot and this.
        if let open = slot.open { return open }
        let wait = self.wait(for: key.address)
        if wait > .zero { try await self.clock.sleep(for: wait) }
        let connection: KafkaConnection
        let start = self.uptime()
        do {
            connection = try await KafkaConnection.connect(
                to: key.address, configuration: self.configuration, security: self.security, metrics: self.metrics,
                eventLoop: self.eventLoopGroup.next(), logger: self.logger)
            self.metrics?.connected(to: key.address, after: self.uptime() - start)
        } catch let error as KafkaClientError {
            self.metrics?.connectFailed(to: key.address, error)
            self.state.withLock { state in
                state.backoff.failed(key.address, now: self.uptime(), using: &state.generator)
            }
            throw error
        }
        guard slot.take(connection) else {
            await connection.close()
            throw KafkaClientError(.connectionClosed, "this KafkaCluster is closed")
        }
        self.state.withLock { state in
            state.hasConnected = true
            state.backoff.succeeded(key.address)
            // A broker that was reached by name is often advertised by the IP address behind it: one connection is
            // enough.
            guard let remote = connection.remoteAddress, remote != key.address else { return }
            state.remotes = state.remotes.filter { $0.value.isOpen }
            state.remotes[Key(address: remote, lane: key.lane)] = connection
        }
        return connection
    }

    // MARK: Closing

    /// Closes the connections of a lane that is not needed any more.
    func close(_ lane: ConnectionLane) async {
        let slots = self.state.withLock { state in
            state.remotes = state.remotes.filter { $0.key.lane != lane }
            let slots = state.slots.filter { $0.key.lane == lane }
            state.slots = state.slots.filter { $0.key.lane != lane }
            return slots.map(\.value)
        }
        for slot in slots { await slot.close()?.close() }
    }

    /// Closes all connections; those that are asked for later are made anew.
    func closeAll() async {
        for lane in self.state.withLock({ Set($0.slots.keys.map(\.lane)) }) { await self.close(lane) }
    }

    /// Closes all connections for good.
    func close() async {
        self.state.withLock { $0.isClosed = true }
        await self.closeAll()
    }
}

extension Clock where Duration == Swift.Duration {
    /// Tells the time since this call.
    func stopwatch() -> @Sendable () -> Duration {
        let start = self.now
        return { start.duration(to: self.now) }
    }
}
