// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Broker
import BrokerServer
import PrometheusText

/// Everything that `/metrics` can show, in the order of docs/METRICS.md.
enum MetricsReference {
    static let sections: [(title: String, families: [MetricFamily])] = [
        ("As kafka_exporter has them", ExporterFamilies.all),
        ("Requests, topics, logs, disk, groups", BrokerFamilies.all),
        ("Connections", ConnectionFamilies.all),
        ("The process", ProcessMetrics.families),
    ]

    /// All families.
    static var all: [MetricFamily] { Self.sections.flatMap(\.families) }

    /// The tables of docs/METRICS.md.
    static var markdown: String {
        Self.sections.map { section in
            let rows = section.families.map { family in
                let labels = family.labels.map { "`\($0)`" }.joined(separator: ", ")
                return "| `\(family.name)` | \(family.kind.rawValue) | \(labels) | \(family.help) |\n"
            }
            return "## \(section.title)\n\n| Name | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n"
                + rows.joined()
        }.joined(separator: "\n")
    }
}
