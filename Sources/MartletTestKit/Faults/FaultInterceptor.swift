// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import BrokerServer
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import Synchronization

/// Carries out on requests and answers what a test planned, and has one broker look like several.
final class FaultInterceptor: ConnectionInterceptor {
    /// An answer that waits for the test to let it go, or for its time.
    struct Held: Sendable {
        var rule: Int
        var promise: EventLoopPromise<Void>
    }

    /// A request that waits in the broker, and has to be looked at again when somebody else is to answer it.
    private struct Parked: Sendable {
        var targets: Set<RefusalTarget>
        var eventLoop: any EventLoop
        var askAgain: @Sendable () -> Void
    }

    private struct Connection: Sendable {
        var channel: any Channel
        var clientID: String?
        var node: Int32?
    }

    private struct State {
        var plan = FaultPlan()
        var connections: [ObjectIdentifier: Connection] = [:]
        var refusesAll = false
        var refusedNodes: Set<Int32> = []
        var parked: [Int: Parked] = [:]
        var lastParked = 0
        /// Holds nothing any more: the broker is being stopped.
        var isEnding = false
    }

    let nodes: Mutex<NodeTable>
    /// Requests so far, by API.
    let requests = Watched<[APIKey: Int]>([:])
    let held = Watched<[Held]>([])
    private let state = Mutex(State())

    init(_ nodes: NodeTable) { self.nodes = Mutex(nodes) }

    // MARK: Runs of the broker

    func begin() { self.state.withLock { $0.isEnding = false } }

    /// Nothing is held up any more, so that the broker can stop.
    func end() {
        self.state.withLock { $0.isEnding = true }
        self.release { _ in true }
    }

    // MARK: Connections

    func admits(_ channel: any Channel) -> Bool {
        let node = channel.localAddress?.port.flatMap { port in self.nodes.withLock { $0.node(port: port)?.id } }
        let id = ObjectIdentifier(channel)
        let isAdmitted = self.state.withLock { state in
            if state.refusesAll || node.map({ state.refusedNodes.contains($0) }) ?? false { return false }
            state.connections[id] = Connection(channel: channel, clientID: nil, node: node)
            return true
        }
        guard isAdmitted else { return false }
        channel.closeFuture.whenComplete { _ in self.state.withLock { $0.connections[id] = nil } }
        return true
    }

    func refuseConnections(_ refuses: Bool, to node: Int32?) {
        self.state.withLock { state in
            guard let node else {
                state.refusesAll = refuses
                if !refuses { state.refusedNodes = [] }
                return
            }
            if refuses { state.refusedNodes.insert(node) } else { state.refusedNodes.remove(node) }
        }
    }

    /// Closes connections, and returns when they are closed.
    func dropConnections(of clientID: String?, to node: Int32?) async -> Int {
        let dropped = self.state.withLock { state in
            state.connections.values.filter { connection in
                (clientID == nil || connection.clientID == clientID) && (node == nil || connection.node == node)
            }
        }
        for connection in dropped { try? await connection.channel.close() }
        return dropped.count
    }

    // MARK: Plans

    func plan<Result: Sendable>(_ body: (inout FaultPlan) -> Result) -> Result {
        self.state.withLock { body(&$0.plan) }
    }

    func release(where isReleased: (Held) -> Bool) {
        let released = self.held.change { held in
            let released = held.filter(isReleased)
            held.removeAll(where: isReleased)
            return released
        }
        for held in released { held.promise.succeed() }
    }

    /// Has requests looked at again that wait for somebody who is not to answer them any more.
    func moved(_ target: RefusalTarget) {
        let parked = self.state.withLock { state in
            state.parked.values.filter { $0.targets.contains(target) }
        }
        for request in parked { request.eventLoop.execute(request.askAgain) }
    }

    // MARK: Requests

    func answer(
        _ frame: ByteBuffer, from channel: any Channel, on connection: ConnectionContext, asking broker: Broker
    ) throws(WireError) -> Outcome {
        let request = try RequestFrame(frame)
        self.requests.change { $0[request.apiKey, default: 0] += 1 }
        self.state.withLock { $0.connections[ObjectIdentifier(channel)]?.clientID = request.clientID }
        let outcome = try self.ask(request, Source(connection: connection, broker: broker))
        return self.pass(outcome, request, connection.eventLoop)
    }

    /// Where a request came from, and who answers it.
    struct Source: Sendable {
        var connection: ConnectionContext
        var broker: Broker
    }

    /// Has the broker answer what is not refused.
    private func ask(_ request: RequestFrame, _ source: Source) throws(WireError) -> Outcome {
        let table = self.nodes.withLock { $0 }
        guard table.isCluster || self.plan({ $0.refuses(request.apiKey) }) else {
            return try source.broker.handle(request.bytes, on: source.connection)
        }
        let node = table.node(port: Int(source.connection.advertisedEndpoint.port))?.id
        let broker = source.broker
        let breaksSessions = table.isCluster || self.plan { $0.refuses(.fetch) }
        var used: Set<Int> = []
        let refusals = Refusals(
            error: { target in
                if let node, let error = table.refusal(target, at: node) { return error }
                return self.plan { $0.refusal(request.apiKey, target, used: &used) }
            },
            topicName: { broker.topicName(of: $0) },
            breaksSessions: breaksSessions)
        defer { self.plan { $0.forgetSpentRefusals() } }
        return try self.dispatch(request, source, refusals, table)
    }

    /// Has the broker answer a request, but for what is refused of it.
    func run<Request: RefusableRequest>(
        _ type: Request.Type, _ request: RequestFrame, _ source: Source, _ refusals: Refusals
    ) throws(WireError) -> Outcome {
        var message = try request.decode(type)
        let outcome: Outcome
        switch message.refuse(refusals) {
        case .nothing:
            outcome = try source.broker.handle(request.bytes, on: source.connection)
        case .all(let refused):
            if let produce = message as? ProduceRequest, produce.acks == 0 { return .nothing }
            return try request.answer(refused)
        case .part(let refused):
            let rest = try request.replacing(with: message)
            outcome = try source.broker.handle(rest.bytes, on: source.connection)
                .mapFrame { (frame) throws(WireError) in
                    var answer = try request.decode(frame, as: Request.Response.self)
                    Request.merge(refused, into: &answer)
                    return try request.answer(answer)
                }
        }
        guard case .later(let answered) = outcome, self.nodes.withLock({ $0.isCluster }) else { return outcome }
        let targets = message.waitsFor(refusals)
        if targets.isEmpty { return outcome }
        message.hurry()
        return try .later(self.park(answered, request.replacing(with: message), Set(targets), source))
    }

    /// Lets a request wait in the broker until it is answered, or somebody else is to answer it.
    private func park(
        _ answered: EventLoopFuture<Outcome>, _ request: RequestFrame, _ targets: Set<RefusalTarget>, _ source: Source
    ) -> EventLoopFuture<Outcome> {
        let promise = source.connection.eventLoop.makePromise(of: Outcome.self)
        let id = self.state.withLock { state in
            state.lastParked += 1
            return state.lastParked
        }
        let askAgain: @Sendable () -> Void = {
            guard self.state.withLock({ $0.parked.removeValue(forKey: id) }) != nil else { return }
            promise.completeWith(Result { try self.ask(request, source) })
        }
        let parked = Parked(targets: targets, eventLoop: source.connection.eventLoop, askAgain: askAgain)
        self.state.withLock { $0.parked[id] = parked }
        answered.whenComplete { result in
            guard self.state.withLock({ $0.parked.removeValue(forKey: id) }) != nil else { return }
            promise.completeWith(result)
        }
        // Somebody may have moved since it was asked.
        let table = self.nodes.withLock { $0 }
        if let node = table.node(port: Int(source.connection.advertisedEndpoint.port))?.id,
            targets.contains(where: { table.refusal($0, at: node) != nil })
        {
            source.connection.eventLoop.execute(askAgain)
        }
        return promise.futureResult
    }

    /// Sends an answer on its way, or does with it what is planned.
    private func pass(_ outcome: Outcome, _ request: RequestFrame, _ eventLoop: any EventLoop) -> Outcome {
        switch outcome {
        case .later(let future): return .later(future.map { self.pass($0, request, eventLoop) })
        case .close: return outcome
        case .frame, .nothing: break
        }
        let rule = self.state.withLock { state in
            state.isEnding ? nil : state.plan.meetAnswer(request.apiKey, clientID: request.clientID)
        }
        guard let rule else { return outcome }
        if case .lose = rule.effect { return .close(reason: "the test has this answer get lost") }
        let promise = eventLoop.makePromise(of: Void.self)
        self.held.change { $0.append(Held(rule: rule.id, promise: promise)) }
        if case .delay(let duration) = rule.effect {
            let released = promise.futureResult
            eventLoop.scheduleTask(in: TimeAmount(duration)) { self.release { $0.promise.futureResult === released } }
        } else if !self.plan({ $0.answerRules.contains { $0.id == rule.id } }) {
            // Released meanwhile.
            self.release { $0.rule == rule.id }
        }
        return .later(promise.futureResult.map { outcome })
    }
}

extension Outcome {
    /// Makes something else of an answer, now or when it is there.
    func mapFrame(_ body: @escaping @Sendable (ResponseFrame) throws(WireError) -> Outcome) throws(WireError) -> Outcome
    {
        switch self {
        case .frame(let frame): try body(frame)
        case .later(let future): .later(future.flatMapThrowing { try $0.mapFrame(body) })
        case .nothing, .close: self
        }
    }
}
