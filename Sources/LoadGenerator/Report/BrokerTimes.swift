// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText

extension BenchReport {
    /// What the brokers measured of requests while the load counted, beside what the client measured of the same. What
    /// other clients asked of these brokers is in it.
    public struct BrokerTimes: Codable, Sendable, Equatable {
        /// The admin addresses whose figures these are.
        public var admin: [String]
        /// Produce and Fetch, as far as there were any.
        public var requests: [Requests]
        /// Where the time of a record went that was produced; nil where it cannot be told.
        public var recordMs: RecordTimes?
        /// Why figures are missing, or mean less than it seems; one line each.
        public var problems: [String]
    }

    /// Requests of one API. Times are in milliseconds.
    public struct Requests: Codable, Sendable, Equatable {
        /// `Produce` or `Fetch`.
        public var api: String
        /// How many the client had answers to; nil where it does not know, as with acks=0.
        public var clientCount: Int?
        /// From when the client had a request to its answer.
        public var clientMs: Latency?
        /// From a request's last byte in to its answer handed to the socket, in the broker.
        public var totalMs: Times
        /// Work of the broker's event loop, a part of the total.
        public var localMs: Times?
        /// What came after that until the answer left, the rest of the total: for the disk, for records, for the
        /// answers before it. Of requests that waited alone.
        public var waitMs: Times?
        /// Of each batch of a Produce and of each read of a Fetch, in the queue of a thread for the disk.
        public var queueMs: Times?
        /// Of the same, on the disk.
        public var diskMs: Times?
        /// The client's mean less the broker's: the network, the client, and sockets on both sides. Below 0 only
        /// by what was on its way when it was looked.
        public var restMs: Double?

        /// How many requests the brokers answered.
        public var count: Int { self.totalMs.count }

        /// The part that one of the times has in the mean of all requests, waited or not.
        public func perRequest(_ times: Times?) -> Double? {
            times.map { self.count == 0 ? 0 : $0.mean * Double($0.count) / Double(self.count) }
        }
    }

    /// A histogram of the broker.
    public struct Times: Codable, Sendable, Equatable {
        /// Measurements.
        public var count: Int
        /// Exact.
        public var mean: Double
        /// Interpolated between the bounds of a bucket.
        public var p50: Double
        /// Interpolated; the last bound, 30 s, where it is above that.
        public var p99: Double
    }

    /// Means that make up the time of a record from when it was due to its acknowledgement, in milliseconds.
    public struct RecordTimes: Codable, Sendable, Equatable {
        /// All of it.
        public var all: Double
        /// Until its request began: linger, waiting for memory, and for requests before it.
        public var beforeRequest: Double
        /// ``Requests/restMs`` of Produce.
        public var rest: Double
        /// ``Requests/totalMs`` of Produce.
        public var broker: Double
    }
}

extension BenchReport.Times {
    init?(_ buckets: BucketCounts?) {
        guard let buckets, buckets.count > 0 else { return nil }
        self.init(
            count: buckets.count, mean: buckets.mean * 1e3, p50: buckets.quantile(0.5) * 1e3,
            p99: buckets.quantile(0.99) * 1e3)
    }
}

extension BenchReport.BrokerTimes {
    /// When counts of client and brokers differ by more than this part, they are not of the same requests. A few always
    /// differ that were on their way when it was looked.
    private static let sameWithin = 0.05
    /// And by more than so many.
    private static let strayMax = 20

    /// - Parameters:
    ///   - requests: what the client measured meanwhile.
    ///   - produce: the row of the producers, if there were any.
    ///   - waitsForAnswers: producers do, with all acks but 0.
    init(
        _ outcome: BrokerWatch.Outcome, requests: RequestTimes, produce: BenchReport.Phase?, waitsForAnswers: Bool
    ) {
        self.init(
            admin: outcome.addresses.map(\.description), requests: [], recordMs: nil, problems: outcome.problems)
        guard let figures = outcome.figures else { return }
        for api in BrokerSnapshot.apis {
            let own = api == "Produce" && !waitsForAnswers ? nil : requests.histogram(api)
            guard let times = figures.times[api], let total = BenchReport.Times(times.total) else {
                if let own {
                    self.problems.append(
                        "these brokers had no \(api) request, the client \(own.count): are they those of the cluster?")
                }
                continue
            }
            self.requests.append(
                BenchReport.Requests(
                    api: api, clientCount: own?.count, clientMs: own.flatMap { BenchReport.Latency($0) },
                    totalMs: total,
                    localMs: BenchReport.Times(times.local), waitMs: BenchReport.Times(times.wait),
                    queueMs: BenchReport.Times(times.queue), diskMs: BenchReport.Times(times.disk), restMs: nil))
            self.judge(self.requests.count - 1)
        }
        if let record = produce?.latencyMs?.mean, let row = self.requests.first(where: { $0.api == "Produce" }),
            let client = row.clientMs?.mean, let rest = row.restMs, record >= client
        {
            self.recordMs = BenchReport.RecordTimes(
                all: record, beforeRequest: record - client, rest: rest, broker: row.totalMs.mean)
        }
    }

    /// Takes the broker's time from the client's, if they are of the same requests.
    private mutating func judge(_ index: Int) {
        let row = self.requests[index]
        guard let client = row.clientMs, let sent = row.clientCount else { return }
        let stray = abs(row.count - sent)
        guard stray <= Self.strayMax || Double(stray) <= Double(sent) * Self.sameWithin else {
            self.problems.append(
                "the client had \(sent) \(row.api) requests, these brokers \(row.count): "
                    + (sent > row.count ? "others had some" : "others than the client asked, too")
                    + ", and what the network took cannot be told")
            return
        }
        self.requests[index].restMs = client.mean - row.totalMs.mean
    }
}
