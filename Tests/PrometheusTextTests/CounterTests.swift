// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import PrometheusText
import Testing

@Suite("Numbers that many threads move")
struct CounterTests {
    @Test("nothing is lost between threads, whatever shards they use", arguments: [1, 2, 3, 8])
    func concurrency(shards: Int) async {
        let counter = Counter(shards: shards)
        let set = CounterSet(count: 3, shards: shards)
        let gauge = Gauge(shards: shards)
        let histogram = Histogram(bounds: [10, 100], unit: Histogram.one, shards: shards)
        await withTaskGroup(of: Void.self) { tasks in
            for task in 0..<8 {
                tasks.addTask {
                    for step in 0..<10_000 {
                        counter.add(shard: task)
                        set.add(2, to: step % 3, shard: task * 7)
                        gauge.add(step % 2 == 0 ? 1 : -1, shard: task)
                        histogram.record(step % 200, shard: task)
                    }
                }
            }
        }
        #expect(counter.value == 80_000)
        #expect((0..<3).map { set[$0] }.reduce(0, +) == 160_000)
        #expect(set[0] == 2 * 8 * 3_334)
        #expect(gauge.value == 0)
        #expect(histogram.snapshot.count == 80_000)
        #expect(histogram.snapshot.counts == [8 * 11 * 50, 8 * 90 * 50, 8 * 99 * 50])
        #expect(histogram.snapshot.sum == 8 * 50 * (0..<200).reduce(0, +))
    }

    @Test("one number of a set does not touch the others")
    func apart() {
        let set = CounterSet(count: 20, shards: 2)
        for index in 0..<20 { set.add(index, to: index, shard: index) }
        #expect((0..<20).map { set[$0] } == Array(0..<20))
    }

    @Test("what is on a bound counts below it")
    func bounds() {
        let histogram = Histogram(bounds: [1, 2], unit: Histogram.one)
        for value in [0, 1, 2, 3, .max] { histogram.record(value) }
        #expect(histogram.snapshot.counts == [2, 1, 2])
        #expect(Histogram.latencyBounds == Histogram.latencyBounds.sorted())
        #expect(Histogram.byteBounds == Histogram.byteBounds.sorted())
    }
}
