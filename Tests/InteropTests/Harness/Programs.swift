// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation

/// The programs that the tests run, and where they are.
enum Programs {
    /// The folder of this test target.
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let package = Self.folder.deletingLastPathComponent().deletingLastPathComponent()

    /// The broker: the one that the environment variable MARTLET names, or the one built beside these tests.
    static func martlet() throws -> URL {
        if let named = ProcessInfo.processInfo.environment["MARTLET"] {
            return try Self.executable(named, "the environment variable MARTLET names it")
        }
        return try Self.built("martlet")
    }

    /// KafkaClient as a program.
    static func interopClient() throws -> URL { try Self.built("interop-client") }

    private static func built(_ name: String) throws -> URL {
        // The test runner is given as .build/<configuration>/<package>PackageTests.xctest.
        let beside = Bundle.main.executableURL?.deletingLastPathComponent().appendingPathComponent(name)
        let built = ["debug", "release"].map { Self.package.appendingPathComponent(".build/\($0)/\(name)") }
        let found = ([beside].compactMap(\.self) + built).first { Self.isExecutable($0.path) }
        guard let found else { throw MissingProgram(name: name, advice: "`swift build` builds it") }
        return found
    }

    /// The interpreter of the virtual environment that holds the Python clients.
    static func python() throws -> URL {
        let path = ProcessInfo.processInfo.environment["MARTLET_PYTHON"]
        return try Self.executable(
            path ?? Self.package.appendingPathComponent(".venv/bin/python").path,
            "`make test` makes the virtual environment with the Python clients"
        )
    }

    static func kcat() throws -> URL { try Self.found("kcat") }

    /// A program of the system.
    static func found(_ name: String) throws -> URL {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        guard let path = folders.map({ "\($0)/\(name)" }).first(where: Self.isExecutable) else {
            throw MissingProgram(name: name, advice: "`make test` installs it")
        }
        return URL(fileURLWithPath: path)
    }

    /// A file of the package.
    static func inPackage(_ path: String) -> URL { Self.package.appendingPathComponent(path) }

    /// A program under clients/.
    static func client(_ name: String) -> String { Self.folder.appendingPathComponent("clients/\(name).py").path }

    /// A file of the fixtures that all tests share.
    static func fixture(_ path: String) -> URL {
        Self.folder.deletingLastPathComponent().appendingPathComponent("Fixtures/\(path)")
    }

    private static func executable(_ path: String, _ advice: String) throws -> URL {
        guard Self.isExecutable(path) else { throw MissingProgram(name: path, advice: advice) }
        return URL(fileURLWithPath: path)
    }

    private static func isExecutable(_ path: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: path)
    }
}

/// A program that the tests need is not there. A test fails then: skipping it would hide what is not tested.
struct MissingProgram: Error, CustomStringConvertible {
    let name: String
    let advice: String

    var description: String { "the interop tests need \(self.name), which is not there: \(self.advice)" }
}
