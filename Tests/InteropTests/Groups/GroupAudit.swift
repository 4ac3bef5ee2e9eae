// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Goes through the diaries of all members of a group in the order of time and says what is wrong, and how long
/// partitions had nobody.
///
/// - Every record is processed, and none is stepped over: in each partition the first processing of an offset comes after
///   that of the offset before it.
/// - A partition has one owner at a time, and nobody processes what is not its own. A member that was stopped is excused
///   until it has learned what it missed, and so is one that learns later that it had been thrown out: of a machine that
///   was too busy for heartbeats. Where records are processed beside the membership, the one in hand when partitions are
///   lost is finished afterwards.
/// - What was committed stays: whoever is given a partition begins where the last confirmed commit was, or behind it.
struct GroupAudit {
    /// How long partitions stood still in one step of a test. Nanoseconds.
    struct Standstill {
        let step: String
        /// For each change of owner: from the last record of the old to the first new one of the new.
        var moves: [Int64] = []
        /// The longest between two records of a partition that kept its owner.
        var longestOfOthers: Int64 = 0
        /// Records that were processed again.
        var repeats = 0
    }

    private(set) var problems: [String] = []
    private(set) var problemCount = 0
    /// Members that lost partitions without having been stopped.
    private(set) var expulsions = 0
    /// Commits that were refused.
    private(set) var refusedCommits = 0
    private(set) var standstills: [Standstill]

    private static let problemsShown = 20

    private let starts: [Int64]
    private var partitions: [PartitionState]
    /// Stopped members that have not yet learned what happened meanwhile.
    private var stale: Set<String> = []
    /// Members whose records are processed in another task than the one that tells of the group.
    private let concurrent: Set<String>
    /// By member: what it has just lost and may have one record of in hand.
    private var inHand: [String: Set<Int>] = [:]

    private struct PartitionState {
        var owners: Set<String> = []
        /// By owner: what is wrong unless it turns out to have been thrown out before.
        var doubts: [String: String] = [:]
        /// Where an owner that has not processed anything yet has to begin at least.
        var beginnings: [String: Int] = [:]
        var committed = 0
        var highest = -1
        var latest: (member: String, time: Int64)?
    }

    /// - Parameters:
    ///   - diaries: by member.
    ///   - concurrent: members whose records are processed in another task than the one that tells of the group.
    ///   - ends: how many records each partition has.
    ///   - steps: what the test did, and when it began.
    init(
        _ diaries: [String: [MemberEvent]], concurrent: Set<String> = [], ends: [Int],
        steps: [(name: String, start: Int64)]
    ) {
        self.concurrent = concurrent
        self.partitions = Array(repeating: PartitionState(), count: ends.count)
        self.standstills = steps.map { Standstill(step: $0.name) }
        self.starts = steps.map(\.start)
        let events = diaries.flatMap { member, events in events.map { (member: member, event: $0) } }
        for (member, event) in events.sorted(by: { $0.event.time < $1.event.time }) { self.take(event, of: member) }
        for state in self.partitions { for doubt in state.doubts.values.sorted() { self.add(doubt) } }
        for (partition, end) in ends.enumerated() where self.partitions[partition].highest + 1 != end {
            self.add(
                "partition \(partition): processed up to \(self.partitions[partition].highest + 1) of \(end) records")
        }
    }

    private mutating func add(_ problem: String) {
        self.problemCount += 1
        if self.problems.count < Self.problemsShown { self.problems.append(problem) }
    }

    private mutating func take(_ event: MemberEvent, of member: String) {
        switch event.kind {
        case .assigned(let partitions):
            self.stale.remove(member)
            for partition in partitions { self.assign(partition, to: member, at: event.time) }
        case .revoked(let partitions):
            self.stale.remove(member)
            for partition in partitions { self.release(partition, by: member) }
        case .lost(let partitions):
            if !self.stale.contains(member) { self.expulsions += 1 }
            self.stale.remove(member)
            if self.concurrent.contains(member) { self.inHand[member] = partitions }
            for partition in partitions {
                self.partitions[partition].doubts[member] = nil
                self.release(partition, by: member)
            }
        case .record(let partition, let offset, let number):
            self.process(partition, offset, number, by: member, at: event.time)
        case .committed(let offsets):
            for (partition, offset) in offsets {
                self.partitions[partition].committed = max(self.partitions[partition].committed, offset)
            }
        case .failed:
            self.refusedCommits += 1
        case .leaving, .killed:
            for partition in self.partitions.indices { self.release(partition, by: member) }
        case .paused:
            for partition in self.partitions.indices { self.release(partition, by: member) }
            self.stale.insert(member)
        case .resumed, .left:
            break
        }
    }

    private mutating func release(_ partition: Int, by member: String) {
        self.partitions[partition].owners.remove(member)
        if let doubt = self.partitions[partition].doubts.removeValue(forKey: member) { self.add(doubt) }
    }

    private mutating func assign(_ partition: Int, to member: String, at time: Int64) {
        for other in self.partitions[partition].owners where other != member {
            self.partitions[partition].doubts[other] =
                "partition \(partition): given to \(member) while \(other) had it, at \(time)"
        }
        self.partitions[partition].owners.insert(member)
        self.partitions[partition].beginnings[member] = self.partitions[partition].committed
    }

    private mutating func process(_ partition: Int, _ offset: Int, _ number: Int, by member: String, at time: Int64) {
        let name = "partition \(partition) offset \(offset)"
        if number != offset * self.partitions.count + partition {
            self.add("\(name): \(member) read record \(number) there")
        }
        let wasInHand = self.inHand.removeValue(forKey: member)?.contains(partition) ?? false
        if !self.partitions[partition].owners.contains(member), !self.stale.contains(member), !wasInHand {
            self.add("\(name): processed by \(member), which did not have the partition, at \(time)")
        }
        if let beginning = self.partitions[partition].beginnings.removeValue(forKey: member), offset < beginning {
            self.add("\(name): \(member) began there, though \(beginning) had been committed, at \(time)")
        }
        let highest = self.partitions[partition].highest
        guard offset > highest else {
            if let step = self.step(at: time) { self.standstills[step].repeats += 1 }
            return
        }
        if offset > highest + 1 { self.add("\(name): \(member) came there when \(highest + 1) was next, at \(time)") }
        self.partitions[partition].highest = offset
        if let latest = self.partitions[partition].latest {
            self.note(time - latest.time, isMove: latest.member != member, at: time)
        }
        self.partitions[partition].latest = (member, time)
    }

    private func step(at time: Int64) -> Int? { self.starts.lastIndex { $0 <= time } }

    private mutating func note(_ duration: Int64, isMove: Bool, at time: Int64) {
        guard let step = self.step(at: time) else { return }
        if isMove {
            self.standstills[step].moves.append(duration)
        } else {
            self.standstills[step].longestOfOthers = max(self.standstills[step].longestOfOthers, duration)
        }
    }
}

extension GroupAudit.Standstill: CustomStringConvertible {
    /// Seconds: how many partitions moved, the median and the most of their standstills, and that of the others.
    var description: String {
        let sorted = self.moves.sorted()
        let others = "others at most \(Self.seconds(self.longestOfOthers)); \(self.repeats) records again"
        guard let last = sorted.last else { return "\(self.step): nothing moved, \(others)" }
        let median = Self.seconds(sorted[sorted.count / 2])
        return
            "\(self.step): \(sorted.count) moved, without an owner for \(median), at most \(Self.seconds(last)); \(others)"
    }

    private static func seconds(_ nanoseconds: Int64) -> String {
        let hundredths = (nanoseconds + 5_000_000) / 10_000_000
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) s"
    }
}
