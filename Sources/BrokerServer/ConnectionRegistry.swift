// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import Logging
import NIOCore
import PrometheusText
import Synchronization

/// The open connections: how many there may be, and who has to be told when the broker shuts down.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var countByIP: [String: Int] = [:]
        var isDraining = false
        var whenEmpty: EventLoopPromise<Void>?
    }

    private let maxConnections: Int
    private let maxConnectionsPerIP: Int
    private let metrics: ConnectionMetrics
    private let state = Mutex(State())
    private let complaints: Mutex<LogLimit>

    init(maxConnections: Int, maxConnectionsPerIP: Int, metrics: ConnectionMetrics) {
        self.metrics = metrics
        self.maxConnections = maxConnections
        self.maxConnectionsPerIP = maxConnectionsPerIP
        self.complaints = Mutex(LogLimit())
    }

    /// Counts a new connection until it closes; false when there are too many, or the broker shuts down.
    func admit(_ channel: any Channel, logger: Logger) -> Bool {
        let ip = channel.remoteAddress?.ipAddress ?? ""
        let refusal: ConnectionMetrics.Refusal? = self.state.withLock { state in
            if state.isDraining { return .stopping }
            if state.channels.count >= self.maxConnections { return .maxConnections }
            let count = state.countByIP[ip, default: 0]
            if count >= self.maxConnectionsPerIP { return .maxConnectionsPerIP }
            state.countByIP[ip] = count + 1
            state.channels[ObjectIdentifier(channel)] = channel
            return nil
        }
        if let refusal {
            self.metrics.refused(refusal)
            self.complain(of: refusal, ip, logger)
            return false
        }
        self.metrics.opened.add()
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.remove(id, ip: ip) }
        return true
    }

    /// Connections that are open.
    var count: Int { self.state.withLock { $0.channels.count } }

    /// Whoever is refused comes again at once, so that not every time is worth a line.
    private func complain(of refusal: ConnectionMetrics.Refusal, _ ip: String, _ logger: Logger) {
        guard let left = self.complaints.withLock({ $0.pass(now: .now()) }) else { return }
        let reason =
            switch refusal {
            case .stopping: "the broker is shutting down"
            case .maxConnections: "max.connections (\(self.maxConnections)) are open"
            case .maxConnectionsPerIP: "max.connections.per.ip (\(self.maxConnectionsPerIP)) are open"
            }
        var metadata: Logger.Metadata = ["peer": "\(ip)", "reason": "\(reason)"]
        if left > 0 { metadata["not-logged"] = "\(left)" }
        logger.warning("refusing a connection", metadata: metadata)
    }

    private func remove(_ id: ObjectIdentifier, ip: String) {
        let promise = self.state.withLock { state -> EventLoopPromise<Void>? in
            state.channels[id] = nil
            let count = state.countByIP[ip, default: 1] - 1
            state.countByIP[ip] = count > 0 ? count : nil
            return state.channels.isEmpty ? state.whenEmpty.take() : nil
        }
        promise?.succeed()
    }

    /// Asks every connection to finish and close, and waits until they have, or `grace` is over and they are closed.
    func drain(grace: TimeAmount, on eventLoop: any EventLoop) async {
        let promise = eventLoop.makePromise(of: Void.self)
        let open = self.state.withLock { state -> [any Channel] in
            state.isDraining = true
            if state.channels.isEmpty { return [] }
            state.whenEmpty = promise
            return Array(state.channels.values)
        }
        if open.isEmpty { promise.succeed() }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(DrainRequest()) }
        let timer = eventLoop.scheduleTask(in: grace) { self.closeAll() }
        try? await promise.futureResult.get()
        timer.cancel()
    }

    /// Closes every connection at once.
    func closeAll() {
        for channel in self.state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }
}
