// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import NIOCore
import Synchronization

/// The clocks of the broker, given from outside so that tests can turn them.
public struct BrokerClock: Sendable {
    /// Has something run on an event loop after a while.
    public typealias Schedule =
        @Sendable (_ delay: TimeAmount, _ eventLoop: any EventLoop, _ body: @escaping @Sendable () -> Void)
        -> BrokerTimer

    /// Milliseconds since 1970. Only ever data: it is written into records and compared with their timestamps.
    public let wallMilliseconds: @Sendable () -> Int64
    /// Nanoseconds since some moment in the past; never goes back. All time-outs use it.
    public let monotonicNanoseconds: @Sendable () -> Int64
    private let scheduler: Schedule

    /// Takes functions that may be called from any thread.
    ///
    /// - Parameter scheduler: waits by the monotonic clock; the event loops themselves unless a test has a clock of its
    ///   own.
    public init(
        wallMilliseconds: @escaping @Sendable () -> Int64,
        monotonicNanoseconds: @escaping @Sendable () -> Int64,
        scheduler: @escaping Schedule = BrokerClock.waitOnEventLoop
    ) {
        self.wallMilliseconds = wallMilliseconds
        self.monotonicNanoseconds = monotonicNanoseconds
        self.scheduler = scheduler
    }

    /// Leaves the waiting to the event loop.
    public static let waitOnEventLoop: Schedule = { delay, eventLoop, body in
        let scheduled = eventLoop.scheduleTask(in: delay, body)
        return BrokerTimer { scheduled.cancel() }
    }

    /// Runs `body` on the event loop after `delay`, once.
    @discardableResult
    func schedule(
        in delay: TimeAmount, on eventLoop: any EventLoop, _ body: @escaping @Sendable () -> Void
    ) -> BrokerTimer {
        self.scheduler(delay, eventLoop, body)
    }

    /// Runs `body` on the event loop after `initialDelay`, and again `delay` after the end of each run.
    func scheduleRepeatedly(
        after initialDelay: TimeAmount, every delay: TimeAmount, on eventLoop: any EventLoop,
        _ body: @escaping @Sendable () -> Void
    ) -> BrokerTimer {
        let repetition = Repetition(clock: self, delay: delay, eventLoop: eventLoop, body: body)
        repetition.wait(initialDelay)
        return BrokerTimer { repetition.cancel() }
    }
}

/// Something that is going to be run.
public struct BrokerTimer: Sendable {
    private let onCancel: @Sendable () -> Void

    /// - Parameter onCancel: takes it back; called from any thread, perhaps after it ran.
    public init(onCancel: @escaping @Sendable () -> Void) { self.onCancel = onCancel }

    /// It is not run any more, unless it is being run already.
    func cancel() { self.onCancel() }
}

/// A timer that is set anew each time it went off.
private final class Repetition: Sendable {
    private let clock: BrokerClock
    private let delay: TimeAmount
    private let eventLoop: any EventLoop
    private let body: @Sendable () -> Void
    private let state = Mutex(State())

    private struct State {
        var isCancelled = false
        var timer: BrokerTimer?
    }

    init(clock: BrokerClock, delay: TimeAmount, eventLoop: any EventLoop, body: @escaping @Sendable () -> Void) {
        self.clock = clock
        self.delay = delay
        self.eventLoop = eventLoop
        self.body = body
    }

    func wait(_ delay: TimeAmount) {
        if self.state.withLock({ $0.isCancelled }) { return }
        let timer = self.clock.schedule(in: delay, on: self.eventLoop) {
            if self.state.withLock({ $0.isCancelled }) { return }
            self.body()
            self.wait(self.delay)
        }
        let isCancelled = self.state.withLock { state in
            state.timer = timer
            return state.isCancelled
        }
        if isCancelled { timer.cancel() }
    }

    func cancel() {
        let timer = self.state.withLock { state in
            state.isCancelled = true
            return state.timer.take()
        }
        timer?.cancel()
    }
}
