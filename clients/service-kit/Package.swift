// swift-tools-version: 6.2
import PackageDescription

// What both services need of a service that lives on events: outbox, inbox, dead letters, health.
let package = Package(
    name: "service-kit",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "ServiceKit", targets: ["ServiceKit"]),
        .library(name: "ServiceKitTesting", targets: ["ServiceKitTesting"]),
    ],
    dependencies: [
        // The Kafka client; of this repository's broker nothing is fetched.
        .package(name: "martlet", path: "../..", traits: ["Client"]),
        // HTTP.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        // SQLite, where a service keeps its own data.
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        // Runs server, consumers and relay, and stops them in order.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        // Spans over HTTP and events; the back end is the application's choice.
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
        // The bytes of records.
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    ],
    targets: [
        .target(
            name: "ServiceKit",
            dependencies: [
                .product(name: "KafkaClient", package: "martlet"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]),
        .target(
            name: "ServiceKitTesting",
            dependencies: ["ServiceKit", .product(name: "KafkaClient", package: "martlet")]),
        .testTarget(
            name: "ServiceKitTests",
            dependencies: [
                "ServiceKit", "ServiceKitTesting",
                // A real broker in the process of the test.
                .product(name: "MartletTestKit", package: "martlet"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ]),
    ]
)

for target in package.targets {
    target.swiftSettings = [.enableUpcomingFeature("ExistentialAny")]
}
