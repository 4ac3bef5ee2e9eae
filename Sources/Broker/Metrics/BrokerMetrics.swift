// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
public import NIOCore
import PrometheusText
import Synchronization

/// What the broker counts and measures while it works. What can be asked when somebody wants to know is not in here.
///
/// On the path of records nothing is allocated or locked for it: additions to numbers that an event loop has mostly for
/// itself, and a few looks at the clock for each request.
public final class BrokerMetrics: Sendable {
    /// Sets of numbers at the most; with more event loops some share theirs. A set takes about 40 KiB.
    static let shardsMax = 16
    /// The same for the numbers of each topic, of which there may be thousands, at 128 bytes.
    static let topicShardsMax = 4

    /// Requests by API.
    public let requests: RequestMetrics
    let storage = StorageMetrics()
    let groups = GroupMetrics()
    /// Fetches that wait for records.
    let waitingFetches: Gauge
    private let topicShards: Int
    private let shards: Int
    private let clock: BrokerClock
    private let loops = Mutex<[ObjectIdentifier: Int]>([:])

    /// - Parameter eventLoops: how many serve clients.
    init(eventLoops: Int, clock: BrokerClock) {
        self.shards = min(max(eventLoops, 1), Self.shardsMax)
        self.topicShards = min(self.shards, Self.topicShardsMax)
        self.requests = RequestMetrics(shards: self.shards)
        self.waitingFetches = Gauge(shards: self.shards)
        self.clock = clock
    }

    /// Nanoseconds of the monotonic clock: for measuring.
    @inline(__always)
    public var now: Int64 { self.clock.monotonicNanoseconds() }

    /// The shard that an event loop counts in. Takes a lock: to be asked once for a connection.
    public func shard(of eventLoop: any EventLoop) -> Int {
        self.loops.withLock { loops in
            let id = ObjectIdentifier(eventLoop)
            if let shard = loops[id] { return shard }
            loops[id] = loops.count
            return loops.count - 1
        }
    }

    /// The numbers of a new topic.
    func makeTopic() -> TopicMetrics { TopicMetrics(shards: self.topicShards) }
}

/// What is counted of one topic, for as long as it is served.
final class TopicMetrics: Sendable {
    /// Which number stands where.
    enum Number: Int, CaseIterable {
        case recordsIn, bytesIn, batchesIn, recordsOut, bytesOut
    }

    private let numbers: CounterSet

    init(shards: Int) { self.numbers = CounterSet(count: Number.allCases.count, shards: shards) }

    /// A batch was written.
    func produced(records: Int, bytes: Int, shard: Int) {
        self.numbers.add(records, to: Number.recordsIn.rawValue, shard: shard)
        self.numbers.add(bytes, to: Number.bytesIn.rawValue, shard: shard)
        self.numbers.add(1, to: Number.batchesIn.rawValue, shard: shard)
    }

    /// Batches are sent to a consumer.
    func fetched(records: Int, bytes: Int, shard: Int) {
        self.numbers.add(records, to: Number.recordsOut.rawValue, shard: shard)
        self.numbers.add(bytes, to: Number.bytesOut.rawValue, shard: shard)
    }

    subscript(number: Number) -> Int { self.numbers[number.rawValue] }
}

/// What is counted of consumer groups.
final class GroupMetrics: Sendable {
    /// Rebalances that began, of groups of the classic protocol, and assignments made for groups of the other.
    let rebalances = Counter()
}
