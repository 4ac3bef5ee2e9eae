// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// The audit of the tests with real clients has to find what is wrong: each of these diaries has one fault.
@Suite("The audit of a group's members") struct GroupAuditTests {
    private static func record(_ time: Int64, _ offset: Int) -> MemberEvent {
        MemberEvent(time, .record(partition: 0, offset: offset, number: offset))
    }

    private static func audit(_ diaries: [String: [MemberEvent]], end: Int) -> GroupAudit {
        GroupAudit(diaries, ends: [end], steps: [("begin", 0), ("end", 1_000)])
    }

    /// A reads two records, commits and leaves; B goes on.
    private static let good: [String: [MemberEvent]] = [
        "A": [
            MemberEvent(10, .assigned([0])), Self.record(20, 0), Self.record(30, 1),
            MemberEvent(40, .committed([0: 2])), MemberEvent(50, .leaving), MemberEvent(60, .left),
        ],
        "B": [MemberEvent(70, .assigned([0])), Self.record(1_080, 2), Self.record(1_090, 3)],
    ]

    @Test("nothing is wrong where nothing is wrong, and the time without an owner belongs to the step that ended it")
    func nothingWrong() {
        let audit = Self.audit(Self.good, end: 4)
        #expect(audit.problems == [])
        #expect(audit.expulsions == 0)
        #expect(audit.standstills.map(\.repeats) == [0, 0])
        #expect(audit.standstills.map(\.moves) == [[], [1_050]])
        #expect(audit.standstills.map(\.longestOfOthers) == [10, 10])
        let slow = GroupAudit.Standstill(step: "roll", moves: [5_000_000_000, 1_000_000, 80_000_000])
        #expect(
            "\(slow)"
                == "roll: 3 moved, without an owner for 0.08 s, at most 5.00 s; others at most 0.00 s; 0 records again")
    }

    enum Fault: CaseIterable {
        case unprocessed, stepOver, forgottenCommit, twoOwners, stolen, wrongRecord

        var problem: String {
            switch self {
            case .unprocessed: "processed up to 3 of 4"
            case .stepOver: "came there when 2 was next"
            case .forgottenCommit: "though 2 had been committed"
            case .twoOwners: "given to B while A had it"
            case .stolen: "which did not have the partition"
            case .wrongRecord: "read record 7 there"
            }
        }

        func commit(in diaries: inout [String: [MemberEvent]]) {
            switch self {
            case .unprocessed: diaries["B"]?.removeLast()
            case .stepOver: diaries["B"]?.remove(at: 1)
            case .forgottenCommit: diaries["B"]?.insert(GroupAuditTests.record(1_070, 1), at: 1)
            case .twoOwners: diaries["A"]?.removeLast(2)
            case .stolen: diaries["B"]?.insert(MemberEvent(1_085, .revoked([0])), at: 2)
            case .wrongRecord: diaries["B"]?[2] = MemberEvent(1_090, .record(partition: 0, offset: 3, number: 7))
            }
        }
    }

    @Test("every fault is found", arguments: Fault.allCases)
    func faults(_ fault: Fault) {
        var diaries = Self.good
        fault.commit(in: &diaries)
        let problems = Self.audit(diaries, end: 4).problems
        #expect(problems.count == 1 && problems[0].contains(fault.problem), "\(problems)")
    }

    @Test("whoever was thrown out may learn it after the next owner has the partition")
    func thrownOut() {
        var diaries = Self.good
        diaries["A"]?.removeLast(2)
        diaries["A"]?.append(MemberEvent(75, .lost([0])))
        let audit = Self.audit(diaries, end: 4)
        #expect(audit.problems == [])
        #expect(audit.expulsions == 1)
    }

    @Test("a member that was stopped may go on with what it had, and a repeated record is only counted")
    func stopped() {
        let audit = Self.audit(
            [
                "A": [
                    MemberEvent(10, .assigned([0])), Self.record(20, 0), MemberEvent(30, .paused),
                    MemberEvent(60, .resumed), Self.record(61, 1), MemberEvent(62, .failed("fenced")),
                    MemberEvent(63, .lost([0])),
                ],
                "B": [MemberEvent(40, .assigned([0])), Self.record(50, 0), Self.record(55, 1), Self.record(65, 2)],
            ], end: 3)
        #expect(audit.problems == [])
        #expect(audit.standstills.map(\.repeats) == [2, 0])
        #expect(audit.expulsions == 0)
        #expect(audit.refusedCommits == 1)
    }

    @Test("what was in hand when a partition was lost is finished where records have a task of their own: one of them")
    func inHand() {
        func audit(records: Int, concurrent: Set<String>) -> GroupAudit {
            let late = (0..<records).map { Self.record(62 + Int64($0), 1 + $0) }
            return GroupAudit(
                [
                    "A": [
                        MemberEvent(10, .assigned([0])), Self.record(20, 0), MemberEvent(30, .paused),
                        MemberEvent(60, .resumed), MemberEvent(61, .lost([0])),
                    ] + late,
                    "B": [MemberEvent(40, .assigned([0])), Self.record(50, 0), Self.record(55, 1), Self.record(58, 2)],
                ], concurrent: concurrent, ends: [3], steps: [("all", 0)])
        }
        #expect(audit(records: 1, concurrent: ["A"]).problems == [])
        #expect(audit(records: 2, concurrent: ["A"]).problems.count == 1)
        #expect(audit(records: 1, concurrent: ["B"]).problems.count == 1)
    }

    @Test("lines of a member are read")
    func lines() throws {
        func event(_ line: String) throws -> MemberEvent { try MemberEvent(line: Data(line.utf8)) }
        #expect(
            try event(#"{"e":"record","t":12,"p":3,"o":4,"n":51}"#)
                == MemberEvent(12, .record(partition: 3, offset: 4, number: 51)))
        #expect(
            try event(#"{"e":"committed","t":12,"os":[[3,4],[5,6]]}"#) == MemberEvent(12, .committed([3: 4, 5: 6])))
        #expect(try event(#"{"e":"revoked","t":12,"ps":[1,2]}"#) == MemberEvent(12, .revoked([1, 2])))
        #expect(try event(#"{"e":"failed","t":12,"error":"no"}"#) == MemberEvent(12, .failed("no")))
        #expect(throws: UnreadableLine.self) { try event("Traceback") }
        #expect(throws: UnreadableLine.self) { try event(#"{"e":"record","t":12,"p":3}"#) }
    }
}
