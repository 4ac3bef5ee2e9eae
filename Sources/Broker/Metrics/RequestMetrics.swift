// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import PrometheusText
import Synchronization

/// When what happened to a request, in nanoseconds of the monotonic clock.
public struct RequestTiming: Sendable {
    /// All of its bytes were there and it was its turn.
    public let began: Int64
    /// The event loop was done with it: it was answered, or somebody else had to do something.
    public let handled: Int64

    /// The times of one request.
    public init(began: Int64, handled: Int64) {
        self.began = began
        self.handled = handled
    }
}

/// Counts requests and how long they took, by API.
public final class RequestMetrics: Sendable {
    /// What is counted of one API.
    public final class API: Sendable {
        let key: APIKey
        let versions: ClosedRange<Int16>
        /// Requests by version from the lowest on, those of other versions, bytes of requests, bytes of answers.
        private let numbers: CounterSet
        /// How long the event loop worked on a request.
        let local: Histogram
        /// From there until the answer left, for requests that were not answered at once.
        let wait: Histogram
        /// All of it.
        let total: Histogram

        init(_ key: APIKey, versions: ClosedRange<Int16>, shards: Int) {
            self.key = key
            self.versions = versions
            self.numbers = CounterSet(count: versions.count + 3, shards: shards)
            func times() -> Histogram {
                Histogram(bounds: Histogram.latencyBounds, unit: Histogram.nanoseconds, shards: shards)
            }
            self.local = times()
            self.wait = times()
            self.total = times()
        }

        /// A request came in.
        func began(version: Int16, byteCount: Int, shard: Int) {
            let isServed = self.versions.contains(version)
            let index = isServed ? Int(version) - Int(self.versions.lowerBound) : self.versions.count
            self.numbers.add(1, to: index, shard: shard)
            self.numbers.add(byteCount, to: self.versions.count + 1, shard: shard)
        }

        /// A request was answered at once, and its answer is on the way.
        public func answered(_ timing: RequestTiming, byteCount: Int, shard: Int) {
            let time = Int(timing.handled &- timing.began)
            self.local.record(time, shard: shard)
            self.total.record(time, shard: shard)
            self.numbers.add(byteCount, to: self.versions.count + 2, shard: shard)
        }

        /// The answer to a request that had to wait is on the way.
        public func answered(_ timing: RequestTiming, at now: Int64, byteCount: Int, shard: Int) {
            self.local.record(Int(timing.handled &- timing.began), shard: shard)
            self.wait.record(Int(now &- timing.handled), shard: shard)
            self.total.record(Int(now &- timing.began), shard: shard)
            self.numbers.add(byteCount, to: self.versions.count + 2, shard: shard)
        }

        /// Requests of each version that is served and was asked for; nil for all others together.
        var requestCounts: [(version: Int16?, count: Int)] {
            var counts: [(Int16?, Int)] = self.versions.enumerated().map { ($1, self.numbers[$0]) }
            counts.append((nil, self.numbers[self.versions.count]))
            return counts.filter { $0.1 > 0 }
        }
        var requestBytes: Int { self.numbers[self.versions.count + 1] }
        var answerBytes: Int { self.numbers[self.versions.count + 2] }
    }

    private struct ErrorKey: Hashable {
        let api: APIKey
        let code: Int16
    }

    /// By API key; nil for what is not served.
    private let apis: [API?]
    /// Requests for APIs that are not served.
    let unknown = Counter()
    /// Errors are few; those that are not cost a lock.
    private let errors = Mutex<[ErrorKey: Int]>([:])

    init(shards: Int) {
        let served = DispatchTable.all.advertised
        var apis = [API?](repeating: nil, count: Int(served.last?.apiKey.rawValue ?? 0) + 1)
        for (key, versions) in served { apis[Int(key.rawValue)] = API(key, versions: versions, shards: shards) }
        self.apis = apis
    }

    /// All that are served, by key.
    var all: [API] { self.apis.compactMap { $0 } }

    /// Counts a request that came in, by the first fields of its header. Nil for an API that is not served.
    ///
    /// - Parameters:
    ///   - apiKey: as it is on the wire, whatever it is.
    ///   - byteCount: of the request with its header.
    public func began(apiKey: Int16, version: Int16, byteCount: Int, shard: Int) -> API? {
        guard apiKey >= 0, Int(apiKey) < self.apis.count, let api = self.apis[Int(apiKey)] else {
            self.unknown.add()
            return nil
        }
        api.began(version: version, byteCount: byteCount, shard: shard)
        return api
    }

    /// Counts the errors in an answer, each partition's or group's as one. Nothing happens when there are none.
    func count(_ answer: some CarriesErrors, of api: APIKey) {
        answer.forEachErrorCode { code in
            if code != 0 { self.errors.withLock { $0[ErrorKey(api: api, code: code), default: 0] += 1 } }
        }
    }

    /// Errors in answers by API and code, in their order.
    var errorCounts: [(api: APIKey, code: Int16, count: Int)] {
        self.errors.withLock { $0 }.map { ($0.key.api, $0.key.code, $0.value) }
            .sorted { ($0.0.rawValue, $0.1) < ($1.0.rawValue, $1.1) }
    }
}

/// An answer that says what went wrong, for itself or for each of the things that were asked for.
protocol CarriesErrors {
    /// Calls `body` with each error code, those of success too.
    func forEachErrorCode(_ body: (Int16) -> Void)
}
