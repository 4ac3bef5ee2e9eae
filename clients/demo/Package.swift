// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "demo",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(path: "../user-service"),
        .package(path: "../order-service"),
        .package(name: "martlet", path: "../..", traits: ["Client"]),
    ],
    targets: [
        .executableTarget(
            name: "demo",
            dependencies: [
                .product(name: "user-service", package: "user-service"),
                .product(name: "order-service", package: "order-service"),
                .product(name: "KafkaClient", package: "martlet"),
            ])
    ]
)
