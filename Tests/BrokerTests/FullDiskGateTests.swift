// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Testing

@testable import Broker

@Suite("When there is room for records")
struct FullDiskGateTests {
    private static let second: Int64 = 1_000_000_000

    private static func look(
        free: Int64, inFlight: Int64 = 0, mark: Int64 = 100 << 20, at now: Int64 = 0
    ) -> DiskSpaceGate.Look {
        DiskSpaceGate.Look(total: 10 << 30, free: free, inFlight: inFlight, configuredMark: mark, now: now)
    }

    @Test("below the mark it closes, at the mark and an eighth it opens, and in between it stays as it is")
    func hysteresis() {
        var gate = DiskSpaceGate()
        #expect(gate.looked(Self.look(free: 100 << 20)).change == nil)
        let closed = gate.looked(Self.look(free: (100 << 20) - 1))
        #expect(closed.change == .closed && closed.budget == 0)
        #expect(gate.looked(Self.look(free: 1 << 20)).change == nil)
        let opening: Int64 = (100 << 20) + (100 << 20) / 8
        let between = gate.looked(Self.look(free: opening - 1))
        #expect(between.change == nil && between.budget == 0)
        let opened = gate.looked(Self.look(free: opening))
        #expect(opened.change == .opened && opened.budget == opening - (100 << 20))
        #expect(gate.looked(Self.look(free: 100 << 20)).change == nil)
    }

    @Test("what was accepted and is not written yet counts as written")
    func inFlight() {
        var gate = DiskSpaceGate()
        #expect(gate.looked(Self.look(free: 110 << 20, inFlight: 4 << 20)).budget == 6 << 20)
        #expect(gate.looked(Self.look(free: 110 << 20, inFlight: 11 << 20)).change == .closed)
    }

    @Test("the mark left to the broker suits the size of the disk")
    func automaticMark() {
        #expect(DiskSpaceGate.automaticMark(total: 1 << 40) == 1 << 30)
        #expect(DiskSpaceGate.automaticMark(total: 10 << 30) == 512 << 20)
        #expect(DiskSpaceGate.automaticMark(total: 512 << 20) == 64 << 20)
        #expect(DiskSpaceGate.automaticMark(total: 64 << 20) == 16 << 20)
        #expect(DiskSpaceGate.automaticMark(total: 0) == 0)
        #expect(DiskSpaceGate.mark(configured: 0, total: 1 << 40) == 0)
        #expect(DiskSpaceGate.openingMark(0) == 1 << 20)
        #expect(DiskSpaceGate.openingMark(.max) == .max)
    }

    @Test("a changed mark counts from the next look on")
    func changedMark() {
        var gate = DiskSpaceGate()
        #expect(gate.looked(Self.look(free: 50 << 20, mark: 0)).change == nil)
        #expect(gate.looked(Self.look(free: 50 << 20, mark: 60 << 20)).change == .closed)
        #expect(gate.looked(Self.look(free: 50 << 20, mark: 10 << 20)).change == .opened)
    }

    @Test("a write that finds no room closes it once, for longer each time, whatever the disk says")
    func failures() {
        var gate = DiskSpaceGate()
        var now: Int64 = 0
        _ = gate.looked(Self.look(free: 5 << 30, at: now))
        for expected in [1, 2, 4, 8, 16, 32, 32] as [Int64] {
            #expect(gate.writeFailed("no space", now: now) == .closed)
            #expect(gate.writeFailed("no space", now: now) == nil)
            now += expected * Self.second - 1
            #expect(gate.looked(Self.look(free: 5 << 30, at: now)).change == nil)
            now += 1
            #expect(gate.looked(Self.look(free: 5 << 30, at: now)).change == .opened)
        }
        // A minute without a failure, and the next one is the first again.
        now += 60 * Self.second
        #expect(gate.looked(Self.look(free: 5 << 30, at: now)).change == nil)
        #expect(gate.writeFailed("no space", now: now) == .closed)
        #expect(gate.looked(Self.look(free: 5 << 30, at: now + Self.second)).change == .opened)
    }

    @Test("a full disk with a mark of 0 is left to the writes")
    func noMark() {
        var gate = DiskSpaceGate()
        let verdict = gate.looked(Self.look(free: 0, mark: 0))
        #expect(verdict.change == nil && verdict.budget > 0)
    }

    @Test("the faster space goes, the sooner is the next look")
    func pace() {
        var gate = DiskSpaceGate()
        #expect(gate.looked(Self.look(free: 5 << 30)).nextLook == Self.second)
        #expect(gate.looked(Self.look(free: 4 << 30, at: Self.second)).nextLook == Self.second)
        // 3 GiB in a second, and less than 1 GiB left above the mark.
        let hurried = gate.looked(Self.look(free: 1 << 30, at: 2 * Self.second)).nextLook
        #expect(hurried < Self.second / 5 && hurried >= DiskSpaceGate.lookIntervalMin)
        #expect(
            gate.looked(Self.look(free: (100 << 20) + 1, at: 2 * Self.second + 1)).nextLook
                == DiskSpaceGate.lookIntervalMin)
    }

    @Test("while it is closed, retention is asked for at once and every five seconds")
    func retention() {
        var gate = DiskSpaceGate()
        #expect(!gate.looked(Self.look(free: 5 << 30)).makesRoom)
        let asked = (0...11).filter { gate.looked(Self.look(free: 0, at: Int64($0) * Self.second)).makesRoom }
        #expect(asked == [0, 5, 10])
    }

    @Test("the explanation names directory, free bytes, mark and what to do")
    func explanation() {
        var gate = DiskSpaceGate()
        _ = gate.looked(Self.look(free: 12_345))
        let text = gate.explanation(directory: "/var/lib/martlet")
        for part in ["/var/lib/martlet", "12345 bytes", "\(100 << 20) (configured)", "delete topics", "by themselves"] {
            #expect(text.contains(part), "\(text)")
        }
        _ = gate.writeFailed("quota exceeded", now: 0)
        #expect(gate.explanation(directory: "/data").contains("quota exceeded"))
    }
}
