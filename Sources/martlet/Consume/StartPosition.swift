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

    init?(argument: String) {
        switch argument {
        case "beginning", "start", "earliest": self = .beginning
        case "end", "latest": self = .end
        default:
            if argument.first == "@" {
                guard let time = Timestamp.milliseconds(argument.dropFirst()), time >= 0 else { return nil }
                self = .time(time)
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

    /// The offset that has to be asked for besides the earliest and the latest.
    var specification: OffsetSpecification? {
        if case .time(let time) = self { .timestamp(time) } else { nil }
    }

    /// The first offset to read of a partition that has the offsets from `earliest` up to, not including, `latest`.
    /// `found` is what was found for `specification`. The result may lie outside when that is what was asked for.
    func offset(earliest: Offset, latest: Offset, found: Offset?) -> Offset {
        switch self {
        case .beginning: earliest
        case .end: latest
        case .offset(let offset): Offset(offset)
        case .last(let count): max(earliest, Offset(max(latest.rawValue - count, 0)))
        case .time: found ?? latest
        }
    }
}
