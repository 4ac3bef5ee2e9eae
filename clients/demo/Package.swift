// swift-tools-version: 6.2
import PackageDescription

// Runs both services on one machine. Its tests are those of all packages here, so that everything is built once.
let package = Package(
    name: "demo",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(path: "../service-kit"),
        .package(path: "../user-service"),
        .package(path: "../order-service"),
        .package(name: "martlet", path: "../..", traits: ["Client"]),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        // The stream of requests; hummingbird's tests bring it anyway.
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    ],
    targets: [
        .executableTarget(
            name: "demo",
            dependencies: [
                .product(name: "user-service", package: "user-service"),
                .product(name: "order-service", package: "order-service"),
                .product(name: "UserService", package: "user-service"),
                .product(name: "OrderService", package: "order-service"),
                .product(name: "ServiceKit", package: "service-kit"),
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "KafkaClient", package: "martlet"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(
            name: "DemoTests",
            dependencies: [
                "demo",
                .product(name: "UserService", package: "user-service"),
                .product(name: "OrderService", package: "order-service"),
                .product(name: "ServiceKit", package: "service-kit"),
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "MartletTestKit", package: "martlet"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        // The folders Tests/… of the other packages, by symbolic links.
        .testTarget(
            name: "ServiceKitTests",
            dependencies: [
                .product(name: "ServiceKit", package: "service-kit"),
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "MartletTestKit", package: "martlet"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ]),
        .testTarget(
            name: "UserServiceTests",
            dependencies: [
                .product(name: "UserService", package: "user-service"),
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "MartletTestKit", package: "martlet"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ]),
        .testTarget(
            name: "OrderServiceTests",
            dependencies: [
                .product(name: "OrderService", package: "order-service"),
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "MartletTestKit", package: "martlet"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ]),
    ]
)

for target in package.targets {
    target.swiftSettings = [.enableUpcomingFeature("ExistentialAny")]
}
