// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import NIOCore
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a broker's time passes.
public enum MartletTime: Sendable, Hashable {
    /// As it does for everybody, and faster where the test says so.
    case passing
    /// Only where the test says so: nothing times out, no session ends, and a fetch waits for records for ever.
    case standing
}

/// The time of a broker in a test, which the test can have pass.
///
/// What the broker does by time on its event loops follows it: sessions, rebalances and heartbeats of groups, fetches that
/// wait, retention, expiry of committed offsets, `flush.ms`, checkpoints, and the timestamps that it writes. What does
/// not, and takes real time whatever this clock says: `connections.max.idle.ms`, how long connections may take to finish
/// when the broker stops, and threads that look for work now and then: compaction (`log.cleaner.backoff.ms`), the search for
/// damaged batches, and the watch over the room on the disk. Clients have clocks of their own.
public final class MartletClock: Sendable {
    private struct State {
        var isStanding: Bool
        /// Nanoseconds by which the broker's clocks are ahead of the machine's; while standing, where they stand.
        var wall: Int64
        var monotonic: Int64
        var timers: [Int: Timer] = [:]
        var lastTimer = 0
    }

    private struct Timer {
        /// In nanoseconds of the broker's monotonic clock.
        var deadline: Int64
        /// The run of the broker that it belongs to.
        var run: Int
        var eventLoop: any EventLoop
        var body: @Sendable () -> Void
        /// Where real time passes, too.
        var scheduled: Scheduled<Void>?
    }

    private let state: Mutex<State>
    private let afterAdvance = Mutex<(@Sendable () async -> Void)?>(nil)

    init(_ time: MartletTime) {
        var state = State(isStanding: false, wall: 0, monotonic: 0)
        if time == .standing {
            state = State(
                isStanding: true, wall: Self.read(CLOCK_REALTIME), monotonic: Self.read(CLOCK_MONOTONIC))
        }
        self.state = Mutex(state)
    }

    // MARK: For tests

    /// The broker's wall clock: milliseconds since 1970.
    public var wallMs: Int64 { self.state.withLock { Self.wall($0) } / 1_000_000 }

    /// Has time pass on the broker's clocks, all of it at once, and returns when the broker has done what was due: members
    /// that were to be heard of meanwhile are out of their groups, and retention has taken what is too old.
    ///
    /// All sessions that would have ended meanwhile do end, those of members that are alive, too: their heartbeats come by
    /// the real clock. Give them longer sessions, or use ``Martlet/expireMembers(of:named:)``.
    ///
    /// - Parameter duration: Not negative; that is a mistake in the test, and traps.
    public func advance(by duration: Duration) async {
        precondition(duration >= .zero, "time does not pass backwards; setWall(ms:) moves the wall clock alone")
        let nanoseconds = Int64(duration / .nanoseconds(1))
        let due = self.state.withLock { state -> [Timer] in
            state.wall += nanoseconds
            state.monotonic += nanoseconds
            let now = Self.monotonic(state)
            let due = state.timers.filter { $0.value.deadline <= now }
            for (id, timer) in due {
                timer.scheduled?.cancel()
                state.timers[id] = nil
            }
            self.waitAnew(&state)
            return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }.map(\.value)
        }
        // An event loop that is gone has nothing to do.
        for timer in due { try? await timer.eventLoop.submit(timer.body).get() }
        let afterAdvance = self.afterAdvance.withLock { $0 }
        await afterAdvance?()
    }

    /// Sets the wall clock forward or back, as an operator or NTP does, without time passing. Retention does not follow a
    /// step ahead for some hours.
    public func setWall(ms: Int64) {
        self.state.withLock { state in state.wall += ms * 1_000_000 - Self.wall(state) }
    }

    /// Has the broker's time stand still from now on, but for ``advance(by:)``.
    public func stop() {
        self.state.withLock { state in
            if state.isStanding { return }
            (state.wall, state.monotonic) = (Self.wall(state), Self.monotonic(state))
            state.isStanding = true
            self.waitAnew(&state)
        }
    }

    /// Has the broker's time pass again as everybody's does, from where it stands.
    public func start() {
        self.state.withLock { state in
            if !state.isStanding { return }
            state.wall -= Self.read(CLOCK_REALTIME)
            state.monotonic -= Self.read(CLOCK_MONOTONIC)
            state.isStanding = false
            self.waitAnew(&state)
        }
    }

    // MARK: For the broker

    /// The clocks of one run of the broker.
    func brokerClock(run: Int) -> BrokerClock {
        BrokerClock(
            wallMilliseconds: { self.wallMs },
            monotonicNanoseconds: { self.state.withLock { Self.monotonic($0) } },
            scheduler: { delay, eventLoop, body in self.schedule(in: delay, on: eventLoop, run: run, body) })
    }

    /// Forgets the timers of a run that is over.
    func endRun(_ run: Int) {
        self.state.withLock { state in
            for (id, timer) in state.timers where timer.run == run {
                timer.scheduled?.cancel()
                state.timers[id] = nil
            }
        }
    }

    /// Names what has to be waited for after time has passed.
    func afterAdvance(_ body: (@Sendable () async -> Void)?) { self.afterAdvance.withLock { $0 = body } }

    private func schedule(
        in delay: TimeAmount, on eventLoop: any EventLoop, run: Int, _ body: @escaping @Sendable () -> Void
    ) -> BrokerTimer {
        self.state.withLock { state in
            state.lastTimer += 1
            let id = state.lastTimer
            let (deadline, overflow) = Self.monotonic(state).addingReportingOverflow(max(0, delay.nanoseconds))
            var timer = Timer(deadline: overflow ? .max : deadline, run: run, eventLoop: eventLoop, body: body)
            if !state.isStanding { timer.scheduled = self.wait(delay, for: id, on: eventLoop) }
            state.timers[id] = timer
            return BrokerTimer { self.cancel(id) }
        }
    }

    private func cancel(_ id: Int) {
        self.state.withLock { $0.timers.removeValue(forKey: id) }?.scheduled?.cancel()
    }

    private func wait(_ delay: TimeAmount, for id: Int, on eventLoop: any EventLoop) -> Scheduled<Void> {
        eventLoop.scheduleTask(in: delay) {
            self.state.withLock { $0.timers.removeValue(forKey: id) }?.body()
        }
    }

    /// The clock moved or goes otherwise than before: what waits in real time has to wait for another while.
    private func waitAnew(_ state: inout State) {
        let now = Self.monotonic(state)
        for (id, timer) in state.timers {
            timer.scheduled?.cancel()
            let delay = TimeAmount.nanoseconds(max(0, timer.deadline - now))
            state.timers[id]?.scheduled =
                state.isStanding ? nil : self.wait(delay, for: id, on: timer.eventLoop)
        }
    }

    private static func wall(_ state: State) -> Int64 {
        state.isStanding ? state.wall : Self.read(CLOCK_REALTIME) + state.wall
    }

    private static func monotonic(_ state: State) -> Int64 {
        state.isStanding ? state.monotonic : Self.read(CLOCK_MONOTONIC) + state.monotonic
    }

    /// Nanoseconds of one of the system's clocks.
    private static func read(_ clock: clockid_t) -> Int64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}
