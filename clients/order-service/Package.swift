// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "order-service",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "order-service", targets: ["order-service"]),
        .library(name: "OrderService", targets: ["OrderService"]),
    ],
    dependencies: [
        .package(path: "../service-kit"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        // Only for tests, which start its broker in-process.
        .package(name: "martlet", path: "../..", traits: ["Client"]),
    ],
    targets: [
        .target(
            name: "OrderService",
            dependencies: [
                .product(name: "ServiceKit", package: "service-kit"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .executableTarget(
            name: "order-service", dependencies: ["OrderService", .product(name: "ServiceKit", package: "service-kit")]),
        .testTarget(
            name: "OrderServiceTests",
            dependencies: [
                "OrderService",
                .product(name: "ServiceKitTesting", package: "service-kit"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "MartletTestKit", package: "martlet"),
            ]),
    ]
)

for target in package.targets {
    target.swiftSettings = [.enableUpcomingFeature("ExistentialAny")]
}
