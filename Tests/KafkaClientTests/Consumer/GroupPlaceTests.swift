// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaTypes
import Testing

@testable import KafkaClient

@Suite struct GroupPlaceTests {
    @Test("the name of a topic is asked for once at a time, and again a while after it was not known")
    func names() {
        let group = ConsumerGroupConfiguration("g", topics: .names(["orders"]))
        var place = GroupPlace(group, ownID: "m", retry: RetryPolicy())
        let id = TopicID(high: 1, low: 2)
        /// How many names are asked for, and when to come back.
        func take(_ nowMs: Int64) -> [Int64] {
            let (ids, nextMs) = place.takeUnnamed(nowMs: nowMs)
            return [Int64(ids.count), nextMs ?? -1]
        }
        place.add([GroupPartition(topicID: id, index: 0)], nowMs: 0)
        #expect(take(0) == [1, -1])
        #expect(take(10_000) == [0, -1], "the answer is not there yet")
        place.learn([:], nowMs: 10_000)
        #expect(take(10_000) == [0, 10_200])
        #expect(take(10_200) == [1, -1])
        place.learn([id: "orders"], nowMs: 10_210)
        #expect(take(20_000) == [0, -1])
        let named = place.takeNamed()
        #expect(named == [TopicPartition(topic: "orders", partition: 0)])
    }
}
