// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import CommitLog
import Logging
import Synchronization

/// Watches how much room the data directory has, and says whether records may be taken.
///
/// A thread of its own asks the disk, which may take its time; nobody waits for it. Those who append ask an atomic
/// number: the bytes that may still be accepted before the next look, 0 while there is no room. `DiskSpaceGate` and
/// `DiskReserve.Plan` decide; this only asks, does and logs.
final class DiskSpaceWatch: Sendable {
    /// What the rest of the broker does about it. Called on the watch's thread or on one that changes configs.
    struct Handlers: Sendable {
        /// There is no room: have retention make some.
        var makeRoom: @Sendable () -> Void
        /// Records are taken again.
        var opened: @Sendable () -> Void
    }

    private enum Wake: Sendable {
        case look
        case stop
    }

    private let directory: String
    private let source: @Sendable () -> DiskSpace?
    /// `log.dir.min.free.bytes`.
    private let configuredMark: Atomic<Int64>
    private let reserve: DiskReserve?
    private let clock: BrokerClock
    private let logger: Logger
    private let gate = Mutex(DiskSpaceGate())
    private let handlers = Mutex<Handlers?>(nil)
    /// Held during a look.
    private let looking = Mutex<Void>(())
    /// Bytes that may still be accepted; not positive: none.
    private let left = Atomic<Int64>(.max)
    /// When `left` falls below it, it is time for a look.
    private let wakeBelow = Atomic<Int64>(.min)
    private let inFlight = Atomic<Int64>(0)
    private let closings = Atomic<Int>(0)
    /// The reserve as of the last look: asking it may take as long as a change of it.
    private let reserveByteCount = Atomic<Int64>(0)
    private let wakes = WorkQueue<Wake>()
    private let thread = Mutex<Thread?>(nil)

    /// - Parameters:
    ///   - source: asks the disk; nil when it does not say, and then there is no limit.
    ///   - configuredMark: `log.dir.min.free.bytes`.
    ///   - reserve: what is held back on the disk, if anything.
    init(
        directory: String,
        source: @escaping @Sendable () -> DiskSpace?,
        configuredMark: Int64,
        reserve: DiskReserve?,
        clock: BrokerClock,
        logger: Logger
    ) {
        self.directory = directory
        self.source = source
        self.configuredMark = Atomic(configuredMark)
        self.reserve = reserve
        self.clock = clock
        self.logger = logger
    }

    // MARK: Asked by those who append; never waits

    /// Whether records may be taken now.
    var hasRoom: Bool { self.left.load(ordering: .relaxed) > 0 }

    /// Bytes below which no records are taken; 0 before the first look.
    var mark: Int64 { self.gate.withLock { $0.mark } }

    /// The numbers behind that, as of the last look.
    struct Figures {
        /// Bytes of the file system; nil before the first look, or when it does not say.
        var total: Int64?
        /// Bytes left, without what the reserve still has to take.
        var free: Int64?
        var mark: Int64
        /// Bytes held back.
        var reserve: Int64
        /// How often records began to be refused.
        var closings: Int
    }

    var figures: Figures {
        let reserve = self.reserveByteCount.load(ordering: .relaxed)
        let closings = self.closings.load(ordering: .relaxed)
        return self.gate.withLock { gate in
            Figures(
                total: gate.last?.total, free: gate.last?.free, mark: gate.mark, reserve: reserve, closings: closings)
        }
    }

    /// Why they may not.
    var explanation: String { self.gate.withLock { $0.explanation(directory: self.directory) } }

    /// Counts bytes of producers that are going to be written; `settled` has to follow.
    func accepted(_ byteCount: Int64) {
        self.inFlight.wrappingAdd(byteCount, ordering: .relaxed)
        let left = self.left.wrappingSubtract(byteCount, ordering: .relaxed).newValue
        let threshold = self.wakeBelow.load(ordering: .relaxed)
        // Whoever steps over the threshold wakes the watch; those after it need not.
        if left < threshold, left &+ byteCount >= threshold { self.wake() }
    }

    /// Counts bytes that were accepted and have been written since, durably or not, or could not be written: what is
    /// left of the disk tells of them now.
    func settled(_ byteCount: Int64) {
        self.inFlight.wrappingSubtract(byteCount, ordering: .relaxed)
    }

    /// A write found no room: nothing more is taken until a look finds some.
    func writeFailed(_ error: some Error) {
        let now = self.clock.monotonicNanoseconds()
        let change = self.gate.withLock { gate in
            let change = gate.writeFailed("\(error)", now: now)
            self.left.store(0, ordering: .relaxed)
            return change
        }
        if let change {
            self.log(change)
            self.wake()
        }
    }

    private func wake() { _ = self.wakes.append(contentsOf: [.look]) }

    // MARK: The watch

    func handle(with handlers: Handlers) { self.handlers.withLock { $0 = handlers } }

    /// Takes another `log.dir.min.free.bytes`, which is in force when this returns. Waits for the disk.
    func use(configuredMark: Int64) {
        guard self.configuredMark.exchange(configuredMark, ordering: .relaxed) != configuredMark else { return }
        self.look()
    }

    /// Begins to look regularly.
    func start() {
        self.thread.withLock { thread in
            guard thread == nil else { return }
            thread = Thread(name: "martlet-space") {
                var next = self.look()
                while true {
                    let wakes = self.wakes.takeAll(within: next)
                    if wakes.contains(.stop) { return }
                    next = self.look()
                }
            }
        }
    }

    /// Ends the thread and waits for it. Nothing happens when it was not started.
    func stop() {
        let thread = self.thread.withLock { $0.take() }
        guard let thread else { return }
        _ = self.wakes.append(contentsOf: [.stop])
        thread.join()
    }

    /// Asks the disk and acts on the answer. Waits for the disk. Returns the nanoseconds until the next look.
    ///
    /// - Parameter takesReserve: false leaves that to a later look: a start has no time for it.
    @discardableResult
    func look(takesReserve: Bool = true) -> Int64 {
        let (verdict, handlers) = self.looking.withLock { _ in
            (self.lookAlone(takesReserve), self.handlers.withLock { $0 })
        }
        guard let verdict else { return DiskSpaceGate.lookInterval }
        if let change = verdict.change { self.log(change) }
        if verdict.makesRoom { handlers?.makeRoom() }
        if verdict.change == .opened { handlers?.opened() }
        return verdict.nextLook
    }

    private func lookAlone(_ takesReserve: Bool) -> DiskSpaceGate.Verdict? {
        // Before the disk is asked: what is written in between then counts twice rather than not at all.
        let inFlight = self.inFlight.load(ordering: .relaxed)
        guard var space = self.source() else {
            self.left.store(.max, ordering: .relaxed)
            return nil
        }
        let configured = self.configuredMark.load(ordering: .relaxed)
        var missing: Int64 = 0
        if let reserve = self.reserve {
            let plan = DiskReserve.Plan(total: space.total)
            let enough = DiskSpaceGate.openingMark(DiskSpaceGate.mark(configured: configured, total: space.total))
            let wanted = plan.size(held: reserve.byteCount, free: space.usable, enough: enough)
            if wanted < reserve.byteCount || takesReserve && wanted > reserve.byteCount {
                self.resize(reserve, to: wanted)
                space = self.source() ?? space
            }
            self.reserveByteCount.store(reserve.byteCount, ordering: .relaxed)
            missing = max(plan.whole - reserve.byteCount, 0)
        }
        let look = DiskSpaceGate.Look(
            total: space.total, free: max(space.usable - missing, 0), inFlight: inFlight, configuredMark: configured,
            now: self.clock.monotonicNanoseconds())
        return self.gate.withLock { gate in
            let verdict = gate.looked(look)
            self.left.store(verdict.budget, ordering: .relaxed)
            self.wakeBelow.store(verdict.budget / 2, ordering: .relaxed)
            return verdict
        }
    }

    private func resize(_ reserve: DiskReserve, to wanted: Int64) {
        let before = reserve.byteCount
        do throws(LogError) {
            try reserve.resize(to: wanted)
        } catch {
            self.logger.warning(
                "the reserve on the disk cannot be changed", metadata: ["bytes": "\(wanted)", "error": "\(error)"])
        }
        if reserve.byteCount < before {
            self.logger.notice(
                "the disk is full: the reserve is given back",
                metadata: ["given": "\(before - reserve.byteCount)", "kept": "\(reserve.byteCount)"])
        }
    }

    private func log(_ change: DiskSpaceGate.Change) {
        switch change {
        case .closed:
            self.closings.wrappingAdd(1, ordering: .relaxed)
            self.logger.error("no room for records: Produce is refused", metadata: ["reason": "\(self.explanation)"])
        case .opened:
            let free = self.gate.withLock { $0.last?.free ?? 0 }
            self.logger.notice("there is room again: Produce is served", metadata: ["free": "\(free)"])
        }
    }

    // MARK: The reserve

    /// Does what has to be done even on a full disk: where it finds no room, some of the reserve is given back and it is
    /// done once more, until nothing is held any more. Waits for the disk.
    func withReserve<Result>(_ work: () throws(LogError) -> Result) throws(LogError) -> Result {
        while true {
            do {
                return try work()
            } catch {
                guard error.isFull, self.giveReserve() else { throw error }
            }
        }
    }

    /// Gives all of the reserve back for `work`, which cannot be done twice, if the disk is nearly full; afterwards what
    /// is left is taken again, as far as its last part goes.
    func withWholeReserve<Result>(_ work: () throws -> Result) rethrows -> Result {
        guard let reserve = self.reserve, let last = self.nearlyFull else { return try work() }
        self.resize(reserve, to: 0)
        defer { self.resize(reserve, to: last) }
        return try work()
    }

    /// The last part of the reserve, if writes of all kinds are about to fail by now; else nil. Waits for the disk.
    private var nearlyFull: Int64? {
        guard let space = self.source() else { return nil }
        let plan = DiskReserve.Plan(total: space.total)
        return space.usable < plan.nearlyFull * 2 ? plan.last : nil
    }

    /// Gives some of the reserve back; false when nothing of it was left.
    func giveReserve() -> Bool {
        guard let reserve = self.reserve, reserve.give() else { return false }
        self.logger.notice(
            "the disk is full: some of the reserve is given back", metadata: ["kept": "\(reserve.byteCount)"])
        return true
    }
}
