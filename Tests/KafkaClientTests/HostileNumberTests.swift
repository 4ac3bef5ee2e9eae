// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaRecords
import KafkaTypes
import Testing

@testable import KafkaClient

/// Numbers that brokers or callers choose, at the ends of what they can be: none may trap.
@Suite struct HostileNumberTests {
    @Test("the longest time spans are some number of milliseconds that can be added to a time")
    func milliseconds() {
        #expect(Duration.milliseconds(1500).milliseconds == 1500)
        let longest = Duration.seconds(Int64.max).milliseconds
        #expect(longest > 0 && longest < Int64.max / 2)
        #expect(Duration.seconds(Int64.min).milliseconds < 0)
    }

    @Test(
        "a high watermark that makes no sense is no lag",
        arguments: [(Int64.min, 0), (-1, 0), (2, 0), (3, 1), (Int64.max, Int64.max - 2)] as [(Int64, Int64)])
    func lag(highWatermark: Int64, lag: Int64) throws {
        var builder = RecordBatchBuilder()
        try builder.append(key: nil, value: nil, timestamp: 0)
        let delivery = Fetcher.Delivery(
            partition: TopicPartition(topic: "t", partition: 0), number: 1, batch: try builder.finish(), start: 0,
            next: 2, highWatermark: highWatermark)
        #expect(delivery.lag == lag)
    }
}
