// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Draws a `Progress` on the standard error, in one line that is drawn over. Draws nothing when that is no terminal, and
/// nothing of what takes less than a second. May be told from several tasks at once.
final class ProgressBar: Sendable {
    private struct State {
        var progress: Progress
        var isShown = false
    }

    private let state: Mutex<State>
    /// Else nothing is ever drawn.
    private let isDrawn: Bool
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// - Parameters:
    ///   - sharesTerminal: the standard output goes on with records meanwhile; then a bar is only drawn when it goes
    ///     elsewhere.
    ///   - isWanted: false for work that nobody can say the end of, or wants to watch.
    init(
        _ label: String, unit: Progress.Unit, total: Int64?, sharesTerminal: Bool = false, isWanted: Bool = true
    ) {
        self.start = self.clock.now
        self.isDrawn = isWanted && Self.isTerminal && !(sharesTerminal && isatty(STDOUT_FILENO) == 1)
        self.state = Mutex(State(progress: Progress(label, unit: unit, total: total, now: .zero)))
    }

    /// Somebody watches the standard error, on something that can move its cursor.
    private static var isTerminal: Bool {
        guard isatty(STDERR_FILENO) == 1 else { return false }
        guard let name = getenv("TERM").map({ String(cString: $0) }) else { return false }
        return !name.isEmpty && name != "dumb"
    }

    /// Notes that so much more is done.
    func advance(by count: Int64) {
        guard self.isDrawn else { return }
        self.state.withLock { self.draw(&$0, $0.progress.done + count) }
    }

    /// Notes that so much is done in all.
    func update(_ done: Int64) {
        guard self.isDrawn else { return }
        self.state.withLock { self.draw(&$0, done) }
    }

    /// Takes the line away, for good or so that other lines can be printed; the next update draws it again.
    func clear() {
        guard self.isDrawn else { return }
        self.state.withLock { state in
            guard state.isShown else { return }
            state.isShown = false
            StandardError.print("\r\u{1B}[K", terminator: "")
        }
    }

    private func draw(_ state: inout State, _ done: Int64) {
        let now = self.start.duration(to: self.clock.now)
        guard let line = state.progress.update(done, now: now, width: Terminal(descriptor: STDERR_FILENO).width) else {
            return
        }
        state.isShown = true
        StandardError.print("\r\(line)\u{1B}[K", terminator: "")
    }
}
