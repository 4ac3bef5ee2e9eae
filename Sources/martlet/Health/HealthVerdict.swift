// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient

/// The answer of `martlet health`, in one line.
struct HealthVerdict: Sendable {
    enum Outcome: Sendable {
        /// It takes requests.
        case healthy(BrokerProbe)
        /// It answers, and clients could not work with it.
        case unfit(BrokerProbe)
        /// It does not answer as it should.
        case failed(reason: String)
    }

    /// What was asked, in the order in which it was tried.
    var addresses: [BrokerAddress]
    var outcome: Outcome
    var took: Duration

    init(addresses: [BrokerAddress], probe: BrokerProbe, took: Duration) {
        self.addresses = addresses
        self.outcome = probe.obstacles.isEmpty ? .healthy(probe) : .unfit(probe)
        self.took = took
    }

    init(addresses: [BrokerAddress], failure: any Error, took: Duration) {
        self.addresses = addresses
        self.outcome = .failed(reason: "\(failure)")
        self.took = took
    }

    var isHealthy: Bool {
        if case .healthy = self.outcome { true } else { false }
    }

    /// `healthy: 127.0.0.1:9092, cluster x, controller 1, 2ms`.
    func line(_ terminal: Terminal = .plain) -> String {
        let unhealthy = terminal.styled("unhealthy:", .bad)
        switch self.outcome {
        case .healthy(let probe):
            let controller = probe.controller.map { "\($0)" } ?? "none"
            return terminal.styled("healthy:", .good)
                + " \(probe.address), cluster \(probe.clusterID ?? "unnamed"), controller \(controller),"
                + " \(self.took.wholeMilliseconds)ms"
        case .unfit(let probe):
            return "\(unhealthy) \(probe.address): \(probe.obstacles.joined(separator: "; "))"
        case .failed(let reason):
            return "\(unhealthy) \(reason)"
        }
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("healthy")
            json.bool(self.isHealthy)
            json.name("address")
            switch self.outcome {
            case .healthy(let probe), .unfit(let probe):
                json.string("\(probe.address)")
                json.name("clusterId")
                json.string(probe.clusterID)
                json.name("controller")
                json.integer(probe.controller?.rawValue)
                json.name("brokers")
                json.integer(probe.brokers.count)
                json.name("problems")
                json.array { json in for obstacle in probe.obstacles { json.string(obstacle) } }
            case .failed(let reason):
                json.string(self.addresses.map { "\($0)" }.joined(separator: ","))
                json.name("clusterId")
                json.null()
                json.name("controller")
                json.null()
                json.name("brokers")
                json.null()
                json.name("problems")
                json.array { json in json.string(reason) }
            }
            json.name("milliseconds")
            json.integer(self.took.wholeMilliseconds)
        }
    }
}
