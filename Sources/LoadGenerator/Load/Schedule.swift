// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// When each record of a producer is due, if all producers together keep to a rate: they take turns, so that the
/// records of all of them are evenly apart.
///
/// A record that cannot be sent when it is due is sent as soon as it can be, and its latency counts from when it was
/// due: whoever counts from the sending leaves out just those that a stall held up (coordinated omission).
struct Schedule: Sendable, Equatable {
    /// Nanoseconds of the clock.
    var start: Int64
    /// Records a second of all producers.
    var rate: Double
    /// This producer, from 0 on, of so many.
    var producer: Int
    var producers: Int

    /// When the record with this number, counted from 0, is due. Exact to a nanosecond for 100 days.
    func due(_ number: Int) -> Int64 {
        let position = Double(number) * Double(self.producers) + Double(self.producer)
        return self.start + Int64(position / self.rate * 1e9)
    }

    /// How many records are due at this time.
    func count(dueBy time: Int64) -> Int {
        guard time >= self.start else { return 0 }
        let position = Double(time - self.start) / 1e9 * self.rate
        var count = max(0, Int((position - Double(self.producer)) / Double(self.producers)))
        // What rounding has made of it may be one off.
        while self.due(count) <= time { count += 1 }
        while count > 0, self.due(count - 1) > time { count -= 1 }
        return count
    }
}
