// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import LoadGenerator
import Synchronization

/// What goes on, redrawn every second on the standard error of a person who watches.
final class LiveView: Sendable {
    private struct State {
        var activity: BenchRun.Activity?
        var linesShown = 0
        var isFinished = false
    }

    private let workload: Workload
    private let isShown: Bool
    private let state = Mutex(State())

    init(_ workload: Workload, isShown: Bool) {
        self.workload = workload
        self.isShown = isShown
    }

    func show(_ progress: BenchRun.Progress) {
        if case .warning(let text) = progress {
            self.finish()
            StandardError.print("warning: \(text)")
        }
        guard self.isShown else { return }
        self.state.withLock { state in
            switch progress {
            case .began(let activity):
                state.activity = activity
                Self.draw([Self.title(activity)], &state)
            case .point(let activity, let point):
                Self.draw(Self.lines(activity, point, self.workload), &state)
            case .warning: break
            }
        }
    }

    /// Takes away what is shown: the result comes next.
    func finish() {
        guard self.isShown else { return }
        self.state.withLock { Self.draw([], &$0) }
    }

    /// Puts lines in the place of those that are shown.
    private static func draw(_ lines: [String], _ state: inout State) {
        // Cursor up, to the first column, and clear to the end of the screen (ECMA-48: CUU, CR, ED).
        let back = state.linesShown > 0 ? "\u{1b}[\(state.linesShown)A\r\u{1b}[J" : ""
        StandardError.print(back + lines.map { $0 + "\n" }.joined(), terminator: "")
        state.linesShown = lines.count
    }

    static func title(_ activity: BenchRun.Activity) -> String {
        switch activity {
        case .preparing: "making topics …"
        case .filling: "writing the backlog …"
        case .warmingUp: "warming up …"
        case .measuring: "measuring …"
        case .draining: "waiting for what is on its way …"
        case .cleaningUp: "deleting topics …"
        }
    }

    static func lines(
        _ activity: BenchRun.Activity, _ point: BenchReport.Point, _ workload: Workload
    ) -> [String] {
        var time = BenchText.number(point.at, digits: 0) + " s"
        if activity == .measuring, case .seconds(let seconds) = workload.limit {
            time += " of \(BenchText.number(seconds, digits: 0))"
        }
        var lines = ["\(Self.title(activity)) \(activity == .filling ? "" : time)"]
        if let flow = point.produced { lines.append(Self.line("produce", flow)) }
        if let flow = point.consumed { lines.append(Self.line("consume", flow)) }
        var last = "  client \(BenchText.number(point.clientCores, digits: 2)) cores"
        if let backlog = point.backlog { last += ", \(backlog) records not read yet" }
        lines.append(last)
        return lines
    }

    private static func line(_ name: String, _ flow: BenchReport.Flow) -> String {
        var line = "  \(name)  \(BenchText.number(flow.recordsPerSecond, digits: 0)) records/s"
        line += "  \(BenchText.number(flow.bytesPerSecond / 1e6, digits: 1)) MB/s"
        if let p50 = flow.p50, let p99 = flow.p99, let max = flow.max {
            line += "  p50 \(BenchText.ms(p50))  p99 \(BenchText.ms(p99))  max \(BenchText.ms(max)) ms"
        }
        if flow.failed > 0 { line += "  \(flow.failed) failed" }
        return line
    }
}
