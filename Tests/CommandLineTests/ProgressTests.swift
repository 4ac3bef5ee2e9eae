// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import martlet

@Suite struct ProgressTests {
    @Test("nothing is shown of the first second, and no more often than can be read")
    func quiet() {
        var progress = Progress("verify", unit: .bytes, total: 1000, now: .zero)
        #expect(progress.update(10, now: .milliseconds(999), width: 80) == nil)
        #expect(progress.update(20, now: .milliseconds(1000), width: 80) != nil)
        #expect(progress.update(30, now: .milliseconds(1050), width: 80) == nil)
        #expect(progress.update(40, now: .milliseconds(1100), width: 80) != nil)
        #expect(progress.done == 40)
    }

    @Test("the line has the part, the amount, the rate and the time that is left")
    func line() throws {
        var progress = Progress("verify", unit: .bytes, total: 2_000_000_000, now: .zero)
        let shown = progress.update(500_000_000, now: .seconds(2), width: 100)
        let line = try #require(shown)
        #expect(line == "verify [=======>                      ] 25%  500 MB of 2.0 GB  250 MB/s  6s left")
        let last = progress.update(2_000_000_000, now: .seconds(8), width: 100)
        let end = try #require(last)
        #expect(end.hasPrefix("verify [==============================] 100%  2.0 GB of 2.0 GB"))
        #expect(!end.contains("left"))
    }

    @Test("it fits into the terminal, whatever its width", arguments: 1...120)
    func widths(width: Int) throws {
        var progress = Progress("consume", unit: .records, total: 1_000_000, now: .zero)
        let shown = progress.update(123_456, now: .seconds(3), width: width)
        let line = try #require(shown)
        #expect(line.count < width)
        #expect(line.hasPrefix("consume".prefix(line.count)))
    }

    @Test("without a total there is no part and no time left, and more than all is all")
    func odd() throws {
        var open = Progress("produce", unit: .records, total: nil, now: .zero)
        #expect(open.update(1500, now: .seconds(1), width: 80) == "produce 1.5k records  1.5k records/s")
        var over = Progress("dump", unit: .bytes, total: 10, now: .zero)
        let shown = over.update(30, now: .seconds(1), width: 80)
        let line = try #require(shown)
        #expect(line.contains("] 100%"))
        let empty = Progress("dump", unit: .bytes, total: 0, now: .zero)
        #expect(empty.fraction == 1)
    }

    @Test("a rate that changes is followed, and does not jump")
    func smoothing() {
        var progress = Progress("dump", unit: .bytes, total: 1_000_000, now: .zero)
        _ = progress.update(1000, now: .seconds(1), width: 80)
        #expect(progress.remaining == .seconds(999))
        // Nothing comes for a while: the time that is left grows by and by.
        _ = progress.update(1000, now: .milliseconds(1300), width: 80)
        let stalled = progress.remaining ?? .zero
        #expect(stalled > .seconds(999) && stalled < .seconds(2000))
    }

    @Test(
        "amounts have three digits and a unit",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_900, "99.9 kB"), (99_960, "100 kB"), (999_499, "999 kB"),
            (999_500, "1.0 MB"), (12_345_678_901, "12.3 GB"), (Int64.max, "9.2 EB"), (-5, "0 B"),
        ] as [(Int64, String)])
    func quantities(bytes: Int64, text: String) { #expect(Quantity.bytes(bytes) == text) }
}

@Suite struct RatePacerTests {
    @Test("records go at their rate, a little at a time")
    func rate() {
        var pacer = RatePacer(perSecond: 100, now: .zero)
        var now = Duration.zero
        for _ in 0..<200 { now += pacer.wait(now: now) }
        // The last of 200 records is due after 1.99 seconds, and may go a slack earlier.
        #expect(now >= .milliseconds(1985) && now <= .milliseconds(1990))
    }

    @Test("who falls far behind does not catch up, who is a little late does")
    func late() {
        var pacer = RatePacer(perSecond: 10, now: .zero)
        #expect(pacer.wait(now: .zero) == .zero)
        #expect(pacer.wait(now: .milliseconds(500)) == .zero)
        // Due at 0.2 s: the pause is made up for.
        #expect(pacer.wait(now: .milliseconds(500)) == .zero)
        #expect(pacer.wait(now: .seconds(60)) == .zero)
        #expect(pacer.wait(now: .seconds(60)) == .milliseconds(100))
    }
}

@Suite struct ProduceSummaryTests {
    @Test("the summary says how much, and how fast when that means something")
    func lines() {
        var summary = ProduceSummary(topic: "orders", records: 1, batches: 1, bytes: 70)
        #expect(summary.line(took: .milliseconds(12)) == "1 record written to orders: 70 B in 1 batch, 12ms")
        summary.records = 100_000
        summary.batches = 12
        summary.bytes = 5_000_000
        summary.isConfirmed = false
        #expect(
            summary.line(took: .seconds(2))
                == "100000 records sent, unconfirmed, to orders: 5.0 MB in 12 batches, 2.0s (50.0k records/s)")
    }

    @Test("a failure says what was not written, and what was before")
    func failure() {
        let cause = CommandFailure("no room", hint: "make some", status: .refused)
        let report = ProduceFailure(cause: cause, lost: "2 records of lines 3 to 4", writtenBefore: 1).report()
        #expect(report.message == "no room (2 records of lines 3 to 4 not written; 1 record was written before)")
        #expect(report.hint == "make some")
        #expect(report.status == .refused)
        #expect(ProduceFailure(cause: cause, writtenBefore: 0).report().message == "no room")
    }
}
