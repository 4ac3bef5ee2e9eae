// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

extension Workload {
    /// Topics and partitions that one run makes: clusters have limits, and this machine a memory.
    static let topicsMax = 10_000
    static let partitionsMax = 100_000
    /// Producers, and consumers: each has connections of its own.
    static let workersMax = 10_000
    /// Records a second: beyond what clocks can tell apart.
    static let rateMax = 1e9
    /// A week, in seconds.
    static let secondsMax = 604_800.0
    static let recordsMax = 1 << 50
    /// 16 TiB.
    static let backlogBytesMax = 1 << 44

    /// Throws `InvalidWorkload` for what no run could do, naming the setting and its range.
    public func validate() throws(InvalidWorkload) {
        func require(_ condition: Bool, _ rule: String) throws(InvalidWorkload) {
            guard condition else { throw InvalidWorkload(rule) }
        }
        try require((1...Self.topicsMax).contains(self.topicCount), "topics is 1 to \(Self.topicsMax)")
        try require(
            self.partitionsPerTopic >= 1 && self.partitionsPerTopic <= Self.partitionsMax / self.topicCount,
            "all topics together have 1 to \(Self.partitionsMax) partitions")
        try require(
            (0...Self.workersMax).contains(self.producerCount) && (self.producerCount > 0 || !self.needsProducers),
            "there are 1 to \(Self.workersMax) producers")
        try require((1...1000).contains(self.subscriptions), "there are 1 to 1000 subscriptions")
        try require(
            (0...Self.workersMax).contains(self.consumerCount) && (self.consumerCount > 0 || !self.consumes),
            "there are 1 to \(Self.workersMax) consumers")
        try require(
            (0...1).contains(self.randomBytesRatio), "the ratio of random bytes is 0 to 1")
        try require(
            (1...PayloadPool.countMax).contains(self.payloadPoolSize),
            "the pool of payloads has 1 to \(PayloadPool.countMax)")
        try require(self.payload.map { !$0.isEmpty } ?? true, "the file of the payload is empty")
        try require(
            self.rate.map { $0 > 0 && $0 <= Self.rateMax } ?? true, "the rate is more than 0, and at most 1e9 a second")
        try require(
            (0...Self.backlogBytesMax).contains(self.backlogBytes), "the backlog is 0 to 16 TiB")
        try require(
            self.mode != .consume || self.backlogBytes > 0, "who only consumes needs a backlog to read")
        try require(
            (0...Self.secondsMax).contains(self.warmUp), "the warm-up takes 0 to \(Int(Self.secondsMax)) seconds")
        switch self.limit {
        case .seconds(let seconds):
            try require(
                seconds > 0 && seconds <= Self.secondsMax,
                "a run takes more than 0 and at most \(Int(Self.secondsMax)) seconds")
        case .records(let records):
            try require((1...Self.recordsMax).contains(records), "a run has 1 to 2^50 records")
            try require(
                self.mode != .consume, "how much is consumed is said by the backlog, not by a number of records")
        case .backlog:
            try require(self.mode == .consume, "only a run that does nothing but consume ends with its backlog")
        }
        try require(
            !self.stampsRecords || self.size.range.lowerBound >= RecordStamp.byteCount,
            "records have at least \(RecordStamp.byteCount) bytes where latency is measured end to end, since they"
                + " carry the time at which they were due")
        try require((0...60_000).contains(self.lingerMs), "linger is 0 to 60000 milliseconds")
        try require((1024...1 << 30).contains(self.batchBytes), "the size of a batch is 1 KiB to 1 GiB")
        try require((1...1000).contains(self.inFlight), "there are 1 to 1000 requests in flight")
        try require((0...1 << 30).contains(self.fetchBytesMin), "the least bytes of a fetch are 0 to 1 GiB")
        try require((0...60_000).contains(self.fetchWaitMs), "the wait of a fetch is 0 to 60000 milliseconds")
    }

    /// It has a backlog to write, or is about writing.
    var needsProducers: Bool { self.produces || self.backlogBytes > 0 }

    var producerCount: Int { self.count(self.producers) }

    var consumerCount: Int {
        let (product, overflow) = self.count(self.consumers).multipliedReportingOverflow(by: self.subscriptions)
        return overflow ? Int.max : product
    }

    private func count(_ workers: Workers) -> Int {
        switch workers {
        case .total(let number): return number
        case .perTopic(let number):
            let (product, overflow) = number.multipliedReportingOverflow(by: self.topicCount)
            return overflow ? Int.max : product
        }
    }
}
