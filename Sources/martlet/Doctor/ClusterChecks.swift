// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import NIOCore
import NIOPosix

/// What `martlet doctor` looks at over the protocol: whether clients that begin at the addresses of `-b` get to every
/// address that they are sent on to.
struct ClusterChecks: Sendable {
    /// A connection that takes longer to make is far away, or its name server is slow.
    static let slowConnect = Duration.milliseconds(250)
    /// Every request waits so long, however fast the broker is.
    static let slowRoundTrip = Duration.milliseconds(50)
    /// Answers of which the fastest counts as the round trip: the others were waiting for something.
    static let roundTrips = 5

    /// What was found, and what is known of the cluster after it.
    struct Findings: Sendable {
        var checks: [DoctorCheck] = []
        var clusterID: String?
        /// Of brokers that answered: what their configs say.
        var configs: [NodeID: [String: String]] = [:]
    }

    let addresses: [BrokerAddress]
    let security: KafkaSecurity
    /// For each step with one address.
    let timeout: Duration

    func run() async -> Findings {
        var findings = Findings()
        var members: [BrokerProbe.Member: [BrokerAddress]] = [:]
        var isReached = false
        for address in self.addresses {
            let (check, probe) = await self.bootstrap(address)
            findings.checks.append(check)
            guard let probe else { continue }
            if let known = findings.clusterID, let own = probe.clusterID, known != own {
                findings.checks.append(
                    DoctorCheck(
                        "cluster", "\(address)", .fail, "it is of cluster \(own), another address of -b of \(known)",
                        advice: "give addresses of one cluster"))
            }
            if !isReached { findings.checks += Self.state(probe) }
            isReached = true
            findings.clusterID = findings.clusterID ?? probe.clusterID
            for member in probe.brokers { members[member, default: []].append(address) }
        }
        let sorted = members.sorted {
            ($0.key.nodeID, $0.key.address.description) < ($1.key.nodeID, $1.key.address.description)
        }
        let clusterID = findings.clusterID
        let stations = await withTaskGroup(of: (Int, Station).self) { tasks in
            for (index, entry) in sorted.enumerated() {
                tasks.addTask {
                    (index, await self.advertised(entry.key, origins: entry.value, clusterID: clusterID))
                }
            }
            return await tasks.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        for station in stations {
            findings.checks += station.checks
            if let configs = station.configs { findings.configs[station.nodeID] = configs }
        }
        return findings
    }

    /// What was found at one address that clients are sent to.
    private struct Station: Sendable {
        var nodeID: NodeID
        var checks: [DoctorCheck]
        /// Nil when it was not reached.
        var configs: [String: String]?
    }

    // MARK: Where clients begin

    private func bootstrap(_ address: BrokerAddress) async -> (DoctorCheck, BrokerProbe?) {
        do {
            let probe = try await self.ask(address, .readiness)
            let seen = "answers in \(probe.connectTime.milliseconds2)ms, and hands out \(Self.list(probe.brokers))"
            return (DoctorCheck("bootstrap", "\(address)", .ok, seen), probe)
        } catch {
            let hint = (error as? KafkaClientError)?.report().hint ?? ""
            return (DoctorCheck("bootstrap", "\(address)", .fail, "\(error)", advice: hint), nil)
        }
    }

    private static func list(_ members: [BrokerProbe.Member]) -> String {
        members.isEmpty ? "no addresses" : members.map { "\($0.address)" }.joined(separator: ", ")
    }

    /// Who leads, by the first broker that answered.
    private static func state(_ probe: BrokerProbe) -> [DoctorCheck] {
        let id = probe.clusterID ?? "unnamed"
        guard probe.obstacles.isEmpty else {
            return [
                DoctorCheck(
                    "cluster", id, .fail, probe.obstacles.joined(separator: "; "),
                    advice: "see whether all brokers run, and what their logs say")
            ]
        }
        let controller = probe.controller.map { "\($0)" } ?? "none"
        return [
            DoctorCheck(
                "cluster", id, .ok,
                "controller \(controller), \(probe.brokers.count) broker\(probe.brokers.count == 1 ? "" : "s"), every"
                    + " partition has a leader")
        ]
    }

    private func ask(_ address: BrokerAddress, _ depth: BrokerProbe.Depth) async throws -> BrokerProbe {
        let (security, timeout) = (self.security, self.timeout)
        return try await TimeLimit.run(timeout) {
            KafkaClientError(.timedOut, "\(address): no answer within \(timeout.shortText)")
        } _: {
            try await BrokerProbe.ask(address, security: security, timeout: timeout, depth: depth)
        }
    }

    // MARK: Where clients are sent

    /// Name, connection, identity and distance of one address; the steps after one that fails say nothing.
    private func advertised(
        _ member: BrokerProbe.Member, origins: [BrokerAddress], clusterID: String?
    ) async -> Station {
        let address = member.address
        let subject = "\(address)"
        let name = await self.resolve(address)
        var station = Station(nodeID: member.nodeID, checks: [name] + Self.judgeHost(address, origins: origins))
        guard name.outcome != .fail else { return station }
        do {
            let (security, timeout, count) = (self.security, self.timeout, Self.roundTrips)
            let visit = try await TimeLimit.run(timeout) {
                KafkaClientError(.timedOut, "\(address): no answer within \(timeout.shortText)")
            } _: {
                try await Visit.make(member, security: security, timeout: timeout, roundTrips: count)
            }
            station.configs = visit.configs
            station.checks.append(self.identity(visit, of: member, clusterID: clusterID))
            station.checks.append(Self.distance(visit, subject))
        } catch {
            station.checks.append(
                DoctorCheck(
                    "advertised", subject, .fail, "broker \(member.nodeID) is not reached there: \(error)",
                    advice: "clients are sent to this address: set advertised.listeners to one that they can reach, or"
                        + " open the way to it"))
        }
        return station
    }

    private func resolve(_ address: BrokerAddress) async -> DoctorCheck {
        let clock = ContinuousClock()
        let start = clock.now
        do {
            // Nobody can stop a question to a name server: after the time-out it goes on without us.
            let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
            let answer = eventLoop.makePromise(of: String.self)
            let timeout = self.timeout
            let alarm = eventLoop.scheduleTask(in: .nanoseconds(Int64(timeout.seconds * 1e9))) {
                answer.fail(CommandFailure("the name servers do not answer within \(timeout.shortText)"))
            }
            defer { alarm.cancel() }
            NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
                try SocketAddress.makeAddressResolvingHost(address.host, port: address.port).ipAddress ?? "?"
            }.cascade(to: answer)
            let found = try await answer.futureResult.get()
            let took = start.duration(to: clock.now)
            return DoctorCheck(
                "name", "\(address)", .ok, found == address.host ? "an address" : "\(found) in \(took.milliseconds2)ms",
                values: [("microseconds", took.wholeMicroseconds)])
        } catch {
            let reason = (error as? CommandFailure)?.message ?? "the name cannot be resolved here"
            return DoctorCheck(
                "name", "\(address)", .fail, reason,
                advice: "set advertised.listeners to a name or an address that clients know")
        }
    }

    /// Addresses that can be right from here and wrong from everywhere else.
    static func judgeHost(_ address: BrokerAddress, origins: [BrokerAddress]) -> [DoctorCheck] {
        let anyHosts: Set<String> = ["0.0.0.0", "::", ""]
        if anyHosts.contains(address.host) || address.port <= 0 {
            return [
                DoctorCheck(
                    "advertised", "\(address)", .fail, "no client can connect to that",
                    advice: "set advertised.listeners; without it Martlet tells each client the address that it came by"
                )
            ]
        }
        guard self.isLoopback(address.host), let origin = origins.first(where: { !self.isLoopback($0.host) }) else {
            return []
        }
        return [
            DoctorCheck(
                "advertised", "\(address)", .warn,
                "clients that come to \(origin) are sent to this very machine: theirs",
                advice: "set advertised.listeners to a name that is right for all clients")
        ]
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host.hasPrefix("127.") || host == "::1"
    }

    private func identity(_ visit: Visit, of member: BrokerProbe.Member, clusterID: String?) -> DoctorCheck {
        let subject = "\(member.address)"
        if let expected = clusterID, let own = visit.clusterID, expected != own {
            return DoctorCheck(
                "advertised", subject, .fail, "a broker of another cluster answers there: \(own), and not \(expected)",
                advice: "the address is another broker's: correct advertised.listeners of broker \(member.nodeID)")
        }
        switch visit.identity {
        case .same:
            return DoctorCheck("advertised", subject, .ok, "broker \(member.nodeID) answers there")
        case .other(let message):
            return DoctorCheck(
                "advertised", subject, .fail, "not broker \(member.nodeID), but another one answers there: \(message)",
                advice: "correct advertised.listeners of broker \(member.nodeID)")
        case .unknown(let reason):
            return DoctorCheck(
                "advertised", subject, .ok,
                "a broker of this cluster answers there (which one it did not say: \(reason))")
        }
    }

    private static func distance(_ visit: Visit, _ subject: String) -> DoctorCheck {
        let values = [
            ("connectMicroseconds", visit.connectTime.wholeMicroseconds),
            ("roundTripMicroseconds", visit.roundTrip.wholeMicroseconds),
        ]
        let seen = "connected in \(visit.connectTime.milliseconds2)ms, round trip \(visit.roundTrip.milliseconds2)ms"
        if visit.roundTrip > Self.slowRoundTrip || visit.connectTime > Self.slowConnect {
            return DoctorCheck(
                "round-trip", subject, .warn, seen,
                advice: "every request waits so long: see whether the way, the name servers or the broker are slow",
                values: values)
        }
        return DoctorCheck("round-trip", subject, .ok, seen, values: values)
    }
}

/// One connection to an address that was handed out.
struct Visit: Sendable {
    enum Identity: Sendable {
        case same
        /// What the broker says instead.
        case other(String)
        case unknown(String)
    }

    var clusterID: String?
    var identity = Identity.unknown("nothing was asked")
    var connectTime = Duration.zero
    /// The fastest of several.
    var roundTrip = Duration.zero
    var configs: [String: String] = [:]

    /// Of the configs that are of use here; a broker that does not know one leaves it out.
    private static let configNames = ["log.dirs", "log.dir", "log.dir.min.free.bytes"]
    /// ConfigResource.Type.BROKER.
    private static let brokerResource: Int8 = 4

    static func make(
        _ member: BrokerProbe.Member, security: KafkaSecurity, timeout: Duration, roundTrips: Int
    ) async throws -> Visit {
        var configuration = KafkaConnectionConfiguration()
        configuration.connectTimeout = timeout
        configuration.requestTimeout = timeout
        let clock = ContinuousClock()
        let start = clock.now
        let connection = try await KafkaConnection.connect(
            to: member.address, configuration: configuration, security: security,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        var visit = Visit()
        visit.connectTime = start.duration(to: clock.now)
        do {
            try await visit.measure(connection, roundTrips, clock)
            try await visit.identify(connection, member.nodeID)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return visit
    }

    private mutating func measure(
        _ connection: KafkaConnection, _ count: Int, _ clock: ContinuousClock
    ) async throws {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = false
        request.topics = []
        var best: Duration?
        for _ in 0..<count {
            let start = clock.now
            let response = try await connection.send(request, versions: 4...Int16.max)
            let took = start.duration(to: clock.now)
            best = min(best ?? took, took)
            self.clusterID = response.clusterID
        }
        self.roundTrip = best ?? .zero
    }

    /// No answer says which broker it comes from; but a broker tells its configs to those only who ask for it by its
    /// number.
    private mutating func identify(_ connection: KafkaConnection, _ nodeID: NodeID) async throws {
        var resource = DescribeConfigsRequest.DescribeConfigsResource()
        resource.resourceType = Self.brokerResource
        resource.resourceName = "\(nodeID)"
        resource.configurationKeys = Self.configNames
        var request = DescribeConfigsRequest()
        request.resources = [resource]
        do {
            guard let result = try await connection.send(request).results.first else {
                self.identity = .unknown("its answer to DescribeConfigs is empty")
                return
            }
            let errorCode = ErrorCode(rawValue: result.errorCode)
            switch errorCode {
            case .none:
                self.identity = .same
                for config in result.configs { self.configs[config.name] = config.value }
            case .invalidRequest:
                self.identity = .other(result.errorMessage ?? errorCode.name)
            default:
                self.identity = .unknown(errorCode.name)
            }
        } catch let error as KafkaClientError where error.code == .unsupportedVersion {
            self.identity = .unknown("it does not serve DescribeConfigs")
        }
    }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 { Int64((self.seconds * 1e6).rounded()) }

    /// Milliseconds with two digits behind the point.
    fileprivate var milliseconds2: String {
        let hundredths = Int64((self.seconds * 100_000).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
