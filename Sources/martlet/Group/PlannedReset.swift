// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaTypes

/// Where a group is to go on reading.
enum OffsetTarget: Hashable, Sendable {
    case earliest
    case latest
    case offset(Int64)
    /// The first record at or after a time, in milliseconds since 1970.
    case time(Int64)
    /// So many offsets from the committed one.
    case shift(Int64)

    /// The offset that has to be looked up besides the ends of the partition.
    var specification: OffsetSpecification? {
        if case .time(let time) = self { .timestamp(time) } else { nil }
    }
}

/// What `martlet group reset-offsets` does to each partition.
struct PlannedReset {
    struct Row: Equatable {
        var partition: TopicPartition
        /// What is committed now.
        var old: Offset?
        /// Nil when the partition is left alone.
        var new: Offset?
        /// Why `new` is not quite what was asked for.
        var note: String?
    }

    /// Ascending by topic and partition.
    var rows: [Row] = []

    /// What there is to commit.
    var changes: [TopicPartition: Offset] {
        var changes: [TopicPartition: Offset] = [:]
        for row in self.rows where row.new != row.old { changes[row.partition] = row.new }
        return changes
    }

    /// Adds a partition that has the offsets from `earliest` up to, not including, `latest`. `found` is what was found
    /// for the specification of the target, nil for nothing.
    mutating func add(
        _ partition: TopicPartition, _ target: OffsetTarget, old: Offset?, earliest: Offset, latest: Offset,
        found: Offset?
    ) {
        var row = Row(partition: partition, old: old)
        let wanted: Int64
        switch target {
        case .earliest:
            wanted = earliest.rawValue
        case .latest:
            wanted = latest.rawValue
        case .offset(let offset):
            wanted = offset
        case .time:
            if found == nil { row.note = "no record since then: the end" }
            wanted = (found ?? latest).rawValue
        case .shift(let count):
            guard let old else {
                row.note = "left alone: there is no committed offset to shift"
                self.rows.append(row)
                return
            }
            let (sum, overflow) = old.rawValue.addingReportingOverflow(count)
            wanted = overflow ? (count < 0 ? Int64.min : Int64.max) : sum
        }
        if wanted < earliest.rawValue {
            row.note = "\(wanted) is before the first record that is still there"
        } else if wanted > latest.rawValue {
            row.note = "\(wanted) is after the end"
        }
        row.new = min(max(Offset(wanted), earliest), latest)
        self.rows.append(row)
    }

    /// Adds a partition that is left alone.
    mutating func leaveAlone(_ partition: TopicPartition, old: Offset?, because reason: String) {
        self.rows.append(Row(partition: partition, old: old, note: "left alone: \(reason)"))
    }

    // MARK: Output

    var table: TextTable {
        var table = TextTable([
            .init("TOPIC"), .init("PARTITION", .right), .init("OLD", .right), .init("NEW", .right),
            .init("CHANGE", .right), .init("NOTE"),
        ])
        for row in self.rows {
            var change = "-"
            if let old = row.old, let new = row.new { change = new < old ? "\(new - old)" : "+\(new - old)" }
            table.append([
                row.partition.topic, "\(row.partition.partition)", row.old.map { "\($0)" } ?? "-",
                row.new.map { "\($0)" } ?? "-", change, row.note ?? "",
            ])
        }
        return table
    }

    func write(to json: inout JSONWriter, group: String, isExecuted: Bool) {
        json.object { json in
            json.name("group")
            json.string(group)
            json.name("executed")
            json.bool(isExecuted)
            json.name("partitions")
            json.array { json in
                for row in self.rows {
                    json.object { json in
                        json.name("topic")
                        json.string(row.partition.topic)
                        json.name("partition")
                        json.integer(row.partition.partition.rawValue)
                        json.name("old")
                        json.integer(row.old?.rawValue)
                        json.name("new")
                        json.integer(row.new?.rawValue)
                        json.name("note")
                        json.string(row.note)
                    }
                }
            }
        }
    }
}
