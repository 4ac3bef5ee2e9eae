// swift-tools-version: 6.2
import PackageDescription

// The target graph is the architecture diagram: arrows point down only, and SwiftPM refuses a cycle.
// docs/ARCHITECTURE.md tells what lives in each room; Tests/TidyTests checks the imports against it.

/// The same settings for every target: Swift 6 mode, and imports that say what they leak.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func systemLibrary(_ name: String, apt: String) -> Target {
    .systemLibrary(name: name, path: "Sources/SystemLibraries/\(name)", providers: [.apt([apt])])
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// A product of a package that is fetched only with a trait: SwiftPM leaves out what no enabled trait asks for.
func optional(_ product: String, _ package: String, trait: String) -> Target.Dependency {
    .product(name: product, package: package, condition: .when(traits: [trait]))
}

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .library(name: "KafkaClient", targets: ["KafkaClient"]),
        .library(name: "MartletTestKit", targets: ["MartletTestKit"]),
    ],
    traits: [
        .trait(name: "Broker", description: "The `martlet` binary: GRDB, configuration files, command line."),
        .trait(name: "TLS", description: "KafkaClient speaks TLS, by swift-nio-ssl."),
        .trait(name: "SCRAM", description: "KafkaClient logs in by SCRAM-SHA-256 and SCRAM-SHA-512, by swift-crypto."),
        .trait(name: "Metrics", description: "KafkaClient reports to swift-metrics."),
        .trait(name: "Tracing", description: "KafkaClient carries trace contexts in record headers."),
        .trait(name: "ServiceLifecycle", description: "KafkaClient's producer and consumer are services."),
        .trait(
            name: "Client", description: "Everything that KafkaClient can do, and nothing of the broker.",
            enabledTraits: ["TLS", "SCRAM", "Metrics", "Tracing", "ServiceLifecycle"]),
        // Who works on Martlet builds all of it. Who uses the client says what they want: `traits: ["Client"]`.
        .default(enabledTraits: ["Broker", "Client"]),
    ],
    dependencies: [
        // Event loops, byte buffers, sockets and sendfile: the whole network side.
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        // The logging API; back ends are chosen by the executable.
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        // The command line of `martlet` and of the tools.
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        // Layers of configuration: command line over environment over file over defaults.
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
        // YAML files with the numbers of their lines. Imported by ServeConfiguration alone.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Unix signals as an async sequence.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        // SQLite, where the embedded metadata store lives. Imported by MetadataSQLite alone.
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        // TLS for the client's connections. Trait TLS.
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        // HMAC and SHA-2 for SCRAM. Trait SCRAM.
        .package(url: "https://github.com/apple/swift-crypto.git", "3.12.3"..<"5.0.0"),
        // The metrics API; back ends are chosen by the application. Trait Metrics.
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        // The tracing API; back ends are chosen by the application. Trait Tracing.
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
        // HTTP for the broker's admin port. Imported by AdminHTTP alone.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        // HdrHistogram: latencies with a known precision over any range. Imported by LoadGenerator alone.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
    ],
    targets: [
        // Layer 0 to 2: the shared language of broker and client. No IO.
        .target(name: "KafkaTypes"),
        .target(name: "KafkaWire", dependencies: ["KafkaTypes", nioCore]),
        .target(
            name: "KafkaMessages",
            dependencies: ["KafkaTypes", "KafkaWire", nioCore],
            exclude: ["Schemas"]
        ),
        .target(
            name: "KafkaRecords",
            dependencies: ["KafkaTypes", "CISAL", "CZlib", "CSnappy", "CLZ4", "CZstd", nioCore]
        ),

        // Layer 3: decisions. CommitLog does its IO through a FileSystem protocol.
        .target(name: "CommitLog", dependencies: ["KafkaTypes", "KafkaRecords", nioCore, logging]),
        .target(name: "KafkaConfig"),
        .target(name: "ClusterMetadata", dependencies: ["KafkaTypes"]),
        .target(name: "GroupCoordinator", dependencies: ["KafkaTypes", "KafkaWire", "KafkaMessages", nioCore]),

        // Layer 4: adapters.
        .target(
            name: "MetadataSQLite",
            dependencies: ["KafkaTypes", "ClusterMetadata", optional("GRDB", "GRDB.swift", trait: "Broker")]
        ),
        .target(
            name: "ServeConfiguration",
            dependencies: [
                "KafkaConfig", optional("Configuration", "swift-configuration", trait: "Broker"),
                optional("Yams", "Yams", trait: "Broker"),
            ]
        ),

        // Layer 5 and 6: the broker, first without sockets, then with them.
        .target(
            name: "Broker",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "CommitLog", "KafkaConfig",
                "ClusterMetadata", "GroupCoordinator", "PrometheusText", "CPCRE2", nioCore, logging,
            ]
        ),
        .target(
            name: "BrokerServer",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaRecords", "CommitLog", "KafkaConfig", "ClusterMetadata", "Broker",
                "PrometheusText", nioCore, nioPosix, logging,
            ]
        ),

        // The client: the shared language and NIO, nothing of the broker.
        .target(
            name: "KafkaClient",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", nioCore, nioPosix, logging,
                optional("NIOSSL", "swift-nio-ssl", trait: "TLS"),
                optional("Crypto", "swift-crypto", trait: "SCRAM"),
                optional("Metrics", "swift-metrics", trait: "Metrics"),
                optional("Tracing", "swift-distributed-tracing", trait: "Tracing"),
                optional("ServiceLifecycle", "swift-service-lifecycle", trait: "ServiceLifecycle"),
            ]
        ),

        // What a process tells of itself in numbers: counters, gauges, histograms, and Prometheus' text format.
        .target(name: "PrometheusText"),
        // How text stands in JSON: quotation marks and escapes.
        .target(name: "JSONText", dependencies: [nioCore]),
        // The port for people and machines that operate a broker: metrics, health.
        .target(
            name: "AdminHTTP",
            dependencies: [
                "PrometheusText", "JSONText", nioCore, logging,
                optional("Hummingbird", "hummingbird", trait: "Broker"),
                optional("ServiceLifecycle", "swift-service-lifecycle", trait: "Broker"),
            ]
        ),
        // `martlet bench`: workloads, latency histograms, reports.
        .target(
            name: "LoadGenerator",
            dependencies: [
                "KafkaTypes", "KafkaMessages", "KafkaRecords", "KafkaClient", "PrometheusText", nioCore, nioPosix,
                nioHTTP1, logging,
                optional("Metrics", "swift-metrics", trait: "Metrics"),
                optional("Histogram", "hdrhistogram-swift", trait: "Broker"),
                optional("Yams", "Yams", trait: "Broker"),
            ]
        ),

        // 34 MB of languages and regions that the executable does not need stay out of it; see its README.
        .target(name: "NoICUData", cSettings: [.define("MARTLET_NO_ICU_DATA", .when(configuration: .release))]),

        // Layer 7: the one executable.
        .executableTarget(
            name: "martlet",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "KafkaClient", "KafkaConfig", "CommitLog",
                "ClusterMetadata", "GroupCoordinator", "MetadataSQLite", "ServeConfiguration", "Broker", "BrokerServer",
                "PrometheusText", "JSONText", "AdminHTTP", "LoadGenerator", "NoICUData", logging,
                nioCore, nioPosix, optional("UnixSignals", "swift-service-lifecycle", trait: "Broker"),
                optional("ArgumentParser", "swift-argument-parser", trait: "Broker"),
            ]
        ),

        // What tests stand on: virtual clock, seeded randomness, a file system that fails on command.
        .target(name: "SimulatedIO", dependencies: ["CommitLog"]),
        // A broker in the process of a test, for everybody's tests.
        .target(
            name: "MartletTestKit",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "CommitLog", "KafkaConfig",
                "ClusterMetadata", "Broker", "BrokerServer", "SimulatedIO", nioCore, nioPosix, logging,
            ]
        ),

        // Drives the client as benchmarks/peers drive librdkafka; see benchmarks/README.md.
        .executableTarget(
            name: "client-bench", dependencies: ["KafkaClient", nioCore, nioPosix],
            path: "benchmarks/client-bench"),

        // Compiles Sources/KafkaMessages/Schemas/*.kmsg to Swift; its output is committed.
        .executableTarget(name: "wiregen"),

        .testTarget(name: "TidyTests"),
        .testTarget(name: "SimulatedIOTests", dependencies: ["SimulatedIO", "CommitLog"]),
        .testTarget(
            name: "MartletTestKitTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "KafkaClient", "MartletTestKit", nioCore,
                nioPosix, logging,
            ]
        ),
        // The client against a broker in the same process.
        .testTarget(
            name: "ClientBrokerTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "KafkaClient", "MartletTestKit", nioCore,
                nioPosix, logging,
                optional("ServiceLifecycle", "swift-service-lifecycle", trait: "ServiceLifecycle"),
                optional("UnixSignals", "swift-service-lifecycle", trait: "ServiceLifecycle"),
            ]
        ),
        .testTarget(name: "JSONTextTests", dependencies: ["JSONText", nioCore]),
        .testTarget(name: "PrometheusTextTests", dependencies: ["PrometheusText"]),
        .testTarget(name: "AdminHTTPTests", dependencies: ["AdminHTTP", "PrometheusText", nioCore, nioPosix, logging]),
        .testTarget(
            name: "LoadGeneratorTests",
            dependencies: [
                "LoadGenerator", "KafkaRecords", "KafkaClient", "MartletTestKit", "ProcessStart", "PrometheusText",
                nioCore, nioPosix,
                optional("Histogram", "hdrhistogram-swift", trait: "Broker"),
            ]
        ),
        .testTarget(name: "KafkaWireTests", dependencies: ["KafkaTypes", "KafkaWire", nioCore]),
        .testTarget(
            name: "KafkaMessagesTests",
            dependencies: ["KafkaTypes", "KafkaWire", "KafkaMessages", "wiregen", nioCore]
        ),
        .testTarget(name: "KafkaRecordsTests", dependencies: ["KafkaTypes", "KafkaRecords", nioCore]),
        .testTarget(
            name: "CommitLogTests",
            dependencies: ["KafkaTypes", "KafkaRecords", "CommitLog", "SimulatedIO", nioCore, logging]
        ),
        .testTarget(name: "KafkaConfigTests", dependencies: ["KafkaConfig"]),
        .testTarget(name: "ClusterMetadataTests", dependencies: ["KafkaTypes", "ClusterMetadata"]),
        .testTarget(
            name: "GroupCoordinatorTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "GroupCoordinator", "SimulatedIO", nioCore,
            ]
        ),
        .testTarget(
            name: "MetadataSQLiteTests",
            dependencies: [
                "KafkaTypes", "ClusterMetadata", "MetadataSQLite", optional("GRDB", "GRDB.swift", trait: "Broker"),
            ]
        ),
        .testTarget(name: "ServeConfigurationTests", dependencies: ["KafkaConfig", "ServeConfiguration"]),
        .testTarget(
            name: "BrokerTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "CommitLog", "KafkaConfig",
                "ClusterMetadata", "GroupCoordinator", "Broker", "SimulatedIO", nioCore, nioPosix, logging,
            ]
        ),
        .testTarget(
            name: "KafkaClientTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "KafkaClient", nioCore, nioPosix, logging,
                .product(name: "NIOEmbedded", package: "swift-nio"),
                optional("NIOSSL", "swift-nio-ssl", trait: "TLS"),
                optional("Metrics", "swift-metrics", trait: "Metrics"),
                optional("Tracing", "swift-distributed-tracing", trait: "Tracing"),
                optional("ServiceLifecycle", "swift-service-lifecycle", trait: "ServiceLifecycle"),
            ]
        ),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "martlet", "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "KafkaClient", "CommitLog",
                "GroupCoordinator", "SimulatedIO", "PrometheusText", "AdminHTTP", nioCore, nioPosix, logging,
                optional("ArgumentParser", "swift-argument-parser", trait: "Broker"),
            ]
        ),
        // Starts the `martlet` that was built beside it and runs clients of others against it.
        .testTarget(
            name: "InteropTests", dependencies: ["martlet", "interop-client", "ProcessStart"],
            exclude: ["clients", "requirements.txt"]),
        // How tests start programs; one lock for all targets, since they run in one process.
        .target(name: "ProcessStart", path: "Tests/ProcessStart"),
        // One of those clients is ours.
        .executableTarget(
            name: "interop-client",
            dependencies: ["KafkaClient", optional("UnixSignals", "swift-service-lifecycle", trait: "Broker")],
            path: "Tests/InteropClient"
        ),
        .testTarget(
            name: "BrokerServerTests",
            dependencies: [
                "KafkaTypes", "KafkaWire", "KafkaMessages", "KafkaRecords", "CommitLog", "KafkaConfig",
                "ClusterMetadata", "Broker", "BrokerServer", nioCore, nioPosix, logging,
            ]
        ),

        // C libraries from Debian: each enters through exactly one target.
        systemLibrary("CISAL", apt: "libisal-dev"),
        systemLibrary("CZlib", apt: "zlib1g-dev"),
        systemLibrary("CSnappy", apt: "libsnappy-dev"),
        systemLibrary("CLZ4", apt: "liblz4-dev"),
        systemLibrary("CZstd", apt: "libzstd-dev"),
        systemLibrary("CPCRE2", apt: "libpcre2-dev"),
    ]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = settings
    // Each room explains itself to its readers; the compiler need not know.
    if target.type != .test { target.exclude.append("README.md") }
}
