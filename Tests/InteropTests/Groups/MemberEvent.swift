// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// One thing that happened to a member of a group: a line of group_member.py, or what a test did to it.
struct MemberEvent: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case assigned(Set<Int>)
        case revoked(Set<Int>)
        /// Taken away without being asked: the member had been thrown out.
        case lost(Set<Int>)
        case record(partition: Int, offset: Int, number: Int)
        /// Offsets that the broker has confirmed, by partition.
        case committed([Int: Int])
        case failed(String)
        case leaving
        case left
        /// By the test, from outside.
        case killed, paused, resumed
    }

    /// Nanoseconds of CLOCK_MONOTONIC.
    let time: Int64
    let kind: Kind

    init(_ time: Int64, _ kind: Kind) {
        self.time = time
        self.kind = kind
    }
}

extension MemberEvent {
    /// Reads a line.
    init(line: Data) throws {
        // Nearly all lines are records, and a general decoder would take longer for them than the clients do.
        if line.starts(with: Self.recordPrefix) {
            let numbers = Self.numbers(in: line)
            guard numbers.count == 4 else { throw UnreadableLine(line) }
            self.init(Int64(numbers[0]), .record(partition: numbers[1], offset: numbers[2], number: numbers[3]))
            return
        }
        guard let fields = try? JSONDecoder().decode(JSON.self, from: line), let time = fields["t"].int,
            let kind = Self.kind(fields)
        else { throw UnreadableLine(line) }
        self.init(Int64(time), kind)
    }

    private static let recordPrefix = Data(#"{"e":"record""#.utf8)

    private static func numbers(in line: Data) -> [Int] {
        line.split { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            .compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    }

    private static func kind(_ fields: JSON) -> Kind? {
        let partitions = Set(fields["ps"].elements.compactMap(\.int))
        switch fields["e"].text {
        case "assigned": return .assigned(partitions)
        case "revoked": return .revoked(partitions)
        case "lost": return .lost(partitions)
        case "committed":
            let pairs = fields["os"].elements.map { ($0[0].int ?? -1, $0[1].int ?? -1) }
            return .committed(Dictionary(pairs) { _, later in later })
        case "failed": return .failed(fields["error"].text ?? "")
        case "leaving": return .leaving
        case "left": return .left
        default: return nil
        }
    }
}

/// A member has printed what it must not.
struct UnreadableLine: Error, CustomStringConvertible {
    let description: String

    init(_ line: Data) { self.description = "a member printed: \(String(decoding: line, as: UTF8.self))" }
}

/// The clock of the members' diaries.
enum MonotonicClock {
    /// Nanoseconds of CLOCK_MONOTONIC, which is Python's `time.monotonic_ns`.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
