// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

/// Which modules each target may import: the picture in docs/ARCHITECTURE.md, as a table.
///
/// SwiftPM refuses cycles between targets; this refuses what it lets through: system modules such as Foundation in
/// the lower layers, and modules that a target sees only because another one depends on them.
enum ImportRules {
    /// Part of the tool chain, without IO or global state: allowed everywhere.
    private static let always: Set<String> = ["Swift", "Synchronization", "_Concurrency"]

    /// The C library under its names on the platforms, for targets that make system calls.
    private static let libc: Set<String> = ["Glibc", "Musl", "Darwin", "Android"]

    private static let language: Set<String> = ["KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "NIOCore"]

    private static let decisions: Set<String> = ["CommitLog", "KafkaConfig", "ClusterMetadata", "GroupCoordinator"]

    /// Layers 0 to 3: no Foundation, no Dispatch, no sockets, no clock, no global randomness.
    static let pureTargets: Set<String> = [
        "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "CommitLog", "KafkaConfig", "ClusterMetadata",
        "GroupCoordinator", "PrometheusText", "JSONText",
    ]

    static let allowed: [String: Set<String>] = [
        "KafkaTypes": [],
        "KafkaWire": ["KafkaTypes", "NIOCore"],
        "KafkaMessages": ["KafkaTypes", "KafkaWire", "NIOCore"],
        "KafkaRecords": Self.libc.union(["KafkaTypes", "NIOCore", "CISAL", "CZlib", "CSnappy", "CLZ4", "CZstd"]),
        "CommitLog": Self.libc.union(["KafkaTypes", "KafkaRecords", "NIOCore", "Logging"]),
        "KafkaConfig": [],
        "ClusterMetadata": ["KafkaTypes"],
        "GroupCoordinator": ["KafkaTypes", "KafkaWire", "KafkaMessages", "NIOCore"],
        "MetadataSQLite": ["KafkaTypes", "ClusterMetadata", "GRDB", "Foundation"],
        "ServeConfiguration": ["KafkaConfig", "Configuration", "Yams", "Foundation"],
        "Broker": Self.language.union(Self.decisions).union(Self.libc).union(["PrometheusText", "Logging", "CPCRE2"]),
        "BrokerServer": Self.language.union(Self.decisions).union(Self.libc)
            .union(["Broker", "PrometheusText", "NIOPosix", "Logging", "Foundation"]),
        "PrometheusText": [],
        "JSONText": ["NIOCore"],
        "AdminHTTP": [
            "PrometheusText", "JSONText", "NIOCore", "Logging", "Hummingbird", "HTTPTypes", "ServiceLifecycle",
        ],
        "LoadGenerator": Self.language.union(Self.libc)
            .union([
                "KafkaClient", "PrometheusText", "NIOPosix", "NIOHTTP1", "Logging", "CoreMetrics", "Histogram", "Yams",
                "Foundation",
            ]),
        "KafkaClient": Self.language.union(Self.libc).union([
            "NIOPosix", "Logging",
            // Each behind the trait that fetches it.
            "NIOSSL", "Crypto", "Metrics", "CoreMetrics", "Tracing", "Instrumentation", "ServiceContextModule",
            "ServiceLifecycle",
        ]),
        "martlet": Self.language.union(Self.decisions).union(Self.libc).union([
            "KafkaClient", "MetadataSQLite", "ServeConfiguration", "Broker", "BrokerServer", "PrometheusText",
            "JSONText", "AdminHTTP", "LoadGenerator", "ArgumentParser",
            "NIOPosix", "UnixSignals", "Logging", "Foundation",
        ]),
        "SimulatedIO": Self.libc.union(["CommitLog"]),
        "MartletTestKit": Self.language.union(Self.decisions).union(Self.libc).union([
            "Broker", "BrokerServer", "SimulatedIO", "NIOPosix", "Logging", "Dispatch",
        ]),
        "wiregen": Self.libc.union(["Foundation"]),
    ]

    static func check(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, let target = file.target else { return [] }
        guard let allowed = Self.allowed[target] else {
            return [file.violation("target \(target) has no list of imports in Tests/TidyTests/ImportRules.swift")]
        }
        return Self.imports(of: file).compactMap { line, module in
            guard !allowed.contains(module), !Self.always.contains(module) else { return nil }
            return file.violation(line: line, "\(target) may not import \(module)")
        }
    }

    /// The modules that a file imports, read from its lines, so that generated files need not be taken apart.
    private static func imports(of file: SourceFile) -> [(line: Int, module: String)] {
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "protocol", "typealias", "func", "let", "var", "actor",
        ]
        let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        return file.lines.enumerated().compactMap { index, line in
            guard line.utf8.count < 200, line.contains("import ") else { return nil }
            var words = line.split(separator: " ")[...]
            while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
            guard words.popFirst() == "import" else { return nil }
            if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
            return words.first.map { (index + 1, String($0.prefix { $0 != "." && $0 != ";" })) }
        }
    }
}
