// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaTypes
public import KafkaWire

/// Answers that wait until the test lets them go.
public final class MartletHold: Sendable {
    private let rule: Int
    private let interceptor: FaultInterceptor

    init(_ rule: Int, _ interceptor: FaultInterceptor) {
        self.rule = rule
        self.interceptor = interceptor
    }

    /// How many answers wait.
    public var count: Int { self.interceptor.held.value.count { $0.rule == self.rule } }

    /// Returns when so many answers wait: their requests have been carried out.
    ///
    /// - Throws: `CancellationError`.
    public func waitForAnswers(_ count: Int = 1) async throws {
        let rule = self.rule
        try await self.interceptor.held.wait { held in held.count { $0.rule == rule } >= count }
    }

    /// Sends them, and holds up no others.
    public func release() {
        self.interceptor.plan { $0.remove(self.rule) }
        self.interceptor.release { $0.rule == self.rule }
    }
}

// MARK: - Connections

extension Martlet {
    /// Closes connections, as networks and proxies do. Requests under way are carried out, and their answers get lost.
    ///
    /// - Parameters:
    ///   - clientID: Whose connections, by the `client.id` of their last request; nil for everybody's.
    ///   - node: Those of one node only.
    /// - Returns: How many were closed.
    @discardableResult
    public func dropConnections(of clientID: String? = nil, to node: Int32? = nil) async -> Int {
        await self.interceptor.dropConnections(of: clientID, to: node)
    }

    /// From now on new connections are closed as soon as they are made; those that are open go on. For nobody listening on
    /// the port at all see ``stop()`` and ``kill()``.
    ///
    /// - Parameter node: Those of one node only.
    public func refuseConnections(to node: Int32? = nil) { self.interceptor.refuseConnections(true, to: node) }

    /// Takes back ``refuseConnections(to:)``, for one node or for all.
    public func acceptConnections(to node: Int32? = nil) { self.interceptor.refuseConnections(false, to: node) }
}

// MARK: - Requests and answers

extension Martlet {
    /// Answers requests with an error instead of carrying them out.
    ///
    /// With a partition or a group only what a request has about that is refused, and the broker answers the rest of it. While
    /// such a fault of `.fetch` is planned there are no fetch sessions.
    ///
    /// - Parameters:
    ///   - api: `.produce`, `.fetch`, `.listOffsets`, `.offsetForLeaderEpoch`, `.deleteRecords`, `.metadata`,
    ///     `.findCoordinator`, `.initProducerID`, `.createTopics`, `.deleteTopics`, and those of groups and offsets.
    ///   - error: What clients are told.
    ///   - times: How many requests are refused, at least in part; `Int.max` for all until ``clearFaults()``.
    ///   - partition: What is refused of requests about partitions; nil: all of it.
    ///   - group: What is refused of requests about groups; nil: all of it.
    /// - Throws: `MartletError` with `notSupported` for another API.
    public func fail(
        _ api: APIKey, with error: ErrorCode, times: Int = 1, partition: TopicPartition? = nil, group: String? = nil
    ) throws {
        guard FaultInterceptor.refusableAPIs.contains(api) else {
            throw MartletError(.notSupported, "requests of \(api) cannot be refused")
        }
        self.interceptor.plan {
            $0.refuse(api, with: error, times: times, partition: partition, group: group)
        }
    }

    /// Holds answers back after their requests were carried out, until they are released. Later answers of the same
    /// connection wait behind them, as answers leave in the order of the requests.
    ///
    /// - Parameters:
    ///   - api: The answers of which API.
    ///   - clientID: To requests of one client only.
    ///   - times: How many answers; all of them unless said otherwise.
    public func hold(_ api: APIKey, of clientID: String? = nil, times: Int = .max) -> MartletHold {
        MartletHold(
            self.interceptor.plan { $0.answer(api, clientID: clientID, .hold, times: times) }, self.interceptor)
    }

    /// Sends answers so much later, by the real clock. Later answers of the same connection wait behind them.
    ///
    /// - Parameters:
    ///   - api: The answers of which API.
    ///   - clientID: To requests of one client only.
    ///   - duration: How much later.
    ///   - times: How many answers; all until ``clearFaults()`` unless said otherwise.
    public func delay(_ api: APIKey, of clientID: String? = nil, by duration: Duration, times: Int = .max) {
        self.interceptor.plan { _ = $0.answer(api, clientID: clientID, .delay(duration), times: times) }
    }

    /// Closes connections after requests were carried out, instead of answering them: the client cannot know whether they
    /// were, and an idempotent producer writes nothing twice all the same.
    ///
    /// - Parameters:
    ///   - api: The answers of which API.
    ///   - clientID: To requests of one client only.
    ///   - times: How many answers get lost.
    public func loseAnswers(to api: APIKey, of clientID: String? = nil, times: Int = 1) {
        self.interceptor.plan { _ = $0.answer(api, clientID: clientID, .lose, times: times) }
    }

    /// Takes back everything that was planned for connections, requests, answers and the disk, and releases what is held up.
    /// Leaders and coordinators stay where they are.
    public func clearFaults() {
        self.interceptor.plan { $0.removeAll() }
        self.interceptor.release { _ in true }
        self.interceptor.refuseConnections(false, to: nil)
        self.disk.clearFaults()
    }

    /// How many requests of an API have come since the broker was made, over all its runs.
    public func requestCount(of api: APIKey) -> Int { self.interceptor.requests.value[api, default: 0] }

    /// Returns when so many requests of an API have come since the broker was made. They need not have been answered.
    ///
    /// - Throws: `CancellationError`.
    public func waitForRequests(_ count: Int, of api: APIKey) async throws {
        try await self.interceptor.requests.wait { $0[api, default: 0] >= count }
    }
}
