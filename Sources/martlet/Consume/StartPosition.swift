// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import ArgumentParser
import KafkaClient
import KafkaTypes

/// Where reading begins: the argument of `--from`.
enum StartPosition: Hashable, Sendable, ExpressibleByArgument {
    case beginning
    case end
    case offset(Int64)
    /// So many records before the end of each partition.
    case last(Int64)
    /// Milliseconds since 1970.
    case time(Int64)
    /// So many milliseconds ago.
    case ago(Int64)

    init?(argument: String) {
        switch argument {
        case "beginning", "start", "earliest": self = .beginning
        case "end", "latest": self = .end
        default:
            if let moment = Moment(argument) {
                self = moment.isRelative ? .ago(moment.milliseconds) : .time(moment.milliseconds)
            } else if argument.first == "-" {
                guard let count = Int64(argument.dropFirst()), count > 0 else { return nil }
                self = .last(count)
            } else {
                guard let offset = Int64(argument), offset >= 0 else { return nil }
                self = .offset(offset)
            }
        }
    }

    var defaultValueDescription: String { "beginning" }

    /// The offset that has to be asked for besides the earliest and the latest. `now` is in milliseconds since 1970.
    func specification(now: Int64) -> OffsetSpecification? {
        switch self {
        case .time(let time): .timestamp(time)
        case .ago(let milliseconds): .timestamp(max(now.subtractingReportingOverflow(milliseconds).partialValue, 0))
        default: nil
        }
    }

    /// The first offset to read of a partition that has the offsets from `earliest` up to, not including, `latest`.
    /// `found` is what was found for `specification`. The result may lie outside when that is what was asked for.
    func offset(earliest: Offset, latest: Offset, found: Offset?) -> Offset {
        switch self {
        case .beginning: earliest
        case .end: latest
        case .offset(let offset): Offset(offset)
        case .last(let count): max(earliest, Offset(max(latest.rawValue - count, 0)))
        case .time, .ago: found ?? latest
        }
    }
}

/// Where reading ends: the argument of `--until`. What is there is not read any more.
enum StopPosition: Hashable, Sendable, ExpressibleByArgument {
    /// What is there when the command begins, and no more.
    case end
    /// Waited for, if it is not there yet.
    case offset(Int64)
    /// Milliseconds since 1970.
    case time(Int64)
    /// So many milliseconds ago.
    case ago(Int64)

    init?(argument: String) {
        switch argument {
        case "end", "latest": self = .end
        default:
            if let moment = Moment(argument) {
                self = moment.isRelative ? .ago(moment.milliseconds) : .time(moment.milliseconds)
            } else {
                guard let offset = Int64(argument), offset >= 0, argument.first != "-" else { return nil }
                self = .offset(offset)
            }
        }
    }

    /// As `StartPosition.specification`.
    func specification(now: Int64) -> OffsetSpecification? {
        switch self {
        case .time(let time): StartPosition.time(time).specification(now: now)
        case .ago(let milliseconds): StartPosition.ago(milliseconds).specification(now: now)
        case .end, .offset: nil
        }
    }

    /// The first offset that is not read any more. `found` is what was found for `specification`.
    func offset(latest: Offset, found: Offset?) -> Offset {
        switch self {
        case .end: latest
        case .offset(let offset): Offset(offset)
        // Nothing is as late as that: what is there now is all before it.
        case .time, .ago: found ?? latest
        }
    }
}

/// A time as the arguments of `--from` and `--until` have it: `@TIME`, or a length of time ago, `-1h` or `@-1h`.
private struct Moment {
    var milliseconds: Int64
    /// The milliseconds are counted back from now, not on from 1970.
    var isRelative: Bool

    init?(_ argument: String) {
        let isMarked = argument.first == "@"
        let text = isMarked ? argument.dropFirst() : argument[...]
        if text.first == "-", let ago = TypedDuration.milliseconds(text.dropFirst()) {
            (self.milliseconds, self.isRelative) = (ago, true)
        } else {
            guard isMarked, let time = Timestamp.milliseconds(text), time >= 0 else { return nil }
            (self.milliseconds, self.isRelative) = (time, false)
        }
    }
}
