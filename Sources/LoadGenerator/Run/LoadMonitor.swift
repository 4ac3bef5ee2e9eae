// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

/// Fetches every second what the recorders of a phase have, and takes the time of the processes.
final class LoadMonitor: Sendable {
    private struct State {
        var statistics: RunStatistics
        var activity: BenchRun.Activity?
        var from: MachineUsage?
        var to: MachineUsage?
        var lastCPU: (at: Int64, seconds: Double)
        /// Given to recorders in exchange, so that nothing is allocated while they are locked.
        var spare = RecordedInterval()
    }

    private static let tick: Int64 = 1_000_000_000
    private static let shortestPoint: Int64 = 250_000_000
    /// How often it is looked whether the load has ended.
    private static let pollInterval = Duration.milliseconds(20)

    private let phase: LoadPhase
    private let crew: LoadCrew
    private let state: Mutex<State>

    init(_ phase: LoadPhase, crew: LoadCrew) {
        self.phase = phase
        self.crew = crew
        let statistics = RunStatistics(
            start: crew.control.start, countFrom: crew.control.countFrom, produces: phase.produces,
            consumes: phase.consumes, subscriptions: phase.workload.subscriptions, backlog: phase.backlog,
            loops: phase.loops)
        self.state = Mutex(
            State(statistics: statistics, lastCPU: (MonotonicClock.now, MachineUsage.processSeconds)))
    }

    /// Looks until it is cancelled.
    func watch() async {
        let control = self.crew.control
        // Points end at whole seconds of what counts.
        let warmUp = control.countFrom - control.start
        var next = control.start + (warmUp % Self.tick == 0 ? Self.tick : warmUp % Self.tick)
        self.began(self.phase.kind == .fill ? .filling : warmUp > 0 ? .warmingUp : .measuring)
        while !Task.isCancelled {
            let now = MonotonicClock.now
            if now >= control.countFrom, self.note(\.from) {
                self.began(self.phase.kind == .fill ? .filling : .measuring)
            }
            if now >= control.endTime, self.note(\.to) { self.began(.draining) }
            if now >= next {
                self.endPoint(at: now)
                next += max(1, (now - next) / Self.tick + 1) * Self.tick
            }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Takes the time of the processes, once. False when it was taken before.
    private func note(_ path: WritableKeyPath<State, MachineUsage?>) -> Bool {
        guard self.state.withLock({ $0[keyPath: path] == nil }) else { return false }
        let usage = MachineUsage.now(brokers: self.phase.brokers)
        self.state.withLock { $0[keyPath: path] = usage }
        return true
    }

    private func began(_ activity: BenchRun.Activity) {
        let isNew = self.state.withLock { state in
            defer { state.activity = activity }
            return state.activity != activity
        }
        if isNew { self.phase.observer(.began(activity)) }
    }

    private func endPoint(at now: Int64) {
        let (activity, point) = self.state.withLock { state -> (BenchRun.Activity, BenchReport.Point) in
            self.collect(&state)
            let cpu = MachineUsage.processSeconds
            let cores = (cpu - state.lastCPU.seconds) / max(Double(now - state.lastCPU.at) / 1e9, 1e-9)
            state.lastCPU = (now, cpu)
            return (state.activity ?? .measuring, state.statistics.endPoint(at: now, clientCores: cores))
        }
        self.phase.observer(.point(activity, point))
    }

    /// What came after the last point is a point of its own if it took long enough for its rates to mean something, and
    /// counts in the totals either way.
    private func endSeries(at now: Int64) {
        let isLong = self.state.withLock { state in
            state.statistics.series.isEmpty || now - state.lastCPU.at >= Self.shortestPoint
        }
        if isLong {
            self.endPoint(at: now)
        } else {
            self.state.withLock { self.collect(&$0) }
        }
    }

    private func collect(_ state: inout State) {
        for recorder in self.crew.produceRecorders {
            var taken = recorder.take(leaving: state.spare)
            state.statistics.addProduced(taken)
            taken.clear()
            state.spare = taken
        }
        for recorder in self.crew.consumeRecorders {
            var taken = recorder.take(leaving: state.spare)
            state.statistics.addConsumed(taken)
            taken.clear()
            state.spare = taken
        }
    }

    /// What it all came to, when everybody has ended.
    func outcome() -> LoadPhase.Outcome {
        _ = self.note(\.from)
        _ = self.note(\.to)
        self.endSeries(at: MonotonicClock.now)
        let control = self.crew.control
        let end = control.endTime == Int64.max ? nil : control.endTime
        let pings = self.crew.pings.withLock { $0 }
        return self.state.withLock { state in
            let usage = (from: state.from ?? MachineUsage(), to: state.to ?? MachineUsage())
            let seconds = Double(usage.to.at - control.start) / 1e9
            let writers = self.phase.produces ? self.phase.workload.producerCount : 0
            let waited = writers > 0 ? self.crew.tally.waitedSeconds / Double(writers) / max(seconds, 1e-9) : nil
            return LoadPhase.Outcome(
                statistics: state.statistics, end: end, sent: self.crew.tally.sent, usage: usage,
                waited: waited.map { min($0, 1) }, ping: pings, errors: self.crew.errors.all)
        }
    }
}
