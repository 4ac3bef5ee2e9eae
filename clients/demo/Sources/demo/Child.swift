// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A program that runs beside this one, and can be started again.
final class Child: Sendable {
    /// How long a program has to end after `SIGTERM`.
    static let patience = Duration.seconds(25)

    /// One is started after the other: Foundation waits for a pair of sockets to be closed, which a program that is
    /// started at the same moment may inherit, so that the first would not end before the second.
    private static let starting = Mutex<Void>(())

    let name: String
    private let executable: URL
    private let arguments: [String]
    private let environment: [String: String]
    private let log: URL
    private let process = Mutex<Process?>(nil)

    /// Its output goes to the end of the file `log`.
    init(_ name: String, _ executable: URL, _ arguments: [String] = [], environment: [String: String] = [:], log: URL) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.log = log
    }

    var isRunning: Bool { self.process.withLock { $0?.isRunning ?? false } }

    func start() throws {
        if !FileManager.default.fileExists(atPath: self.log.path) {
            _ = FileManager.default.createFile(atPath: self.log.path, contents: nil)
        }
        let output = try FileHandle(forWritingTo: self.log)
        defer { try? output.close() }
        try output.seekToEnd()
        let process = Process()
        process.executableURL = self.executable
        process.arguments = self.arguments
        process.environment = ProcessInfo.processInfo.environment.merging(self.environment) { _, own in own }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try Self.starting.withLock { _ in try process.run() }
        self.process.withLock { $0 = process }
    }

    /// Ends it as a crash does.
    func kill() async {
        self.signal(SIGKILL)
        await self.waitForEnd(nil)
    }

    /// Asks it to end; ends it as a crash does when it takes too long. True when it ended by itself, with success.
    @discardableResult
    func stop() async -> Bool {
        guard self.isRunning else { return true }
        self.signal(SIGTERM)
        await self.waitForEnd(Self.patience)
        guard self.isRunning else { return self.process.withLock { $0?.terminationStatus == 0 } }
        await self.kill()
        return false
    }

    /// The identity and the signal under one lock: an id is not used again while the process has not been waited for.
    private func signal(_ number: Int32) {
        self.process.withLock { process in
            if let process, process.isRunning { _ = Foundation.kill(process.processIdentifier, number) }
        }
    }

    /// Also when the task is cancelled: what was started has to end.
    private func waitForEnd(_ limit: Duration?) async {
        let end = limit.map { ContinuousClock.now + $0 }
        while self.isRunning, end.map({ ContinuousClock.now < $0 }) ?? true {
            await Task { try? await Task.sleep(for: .milliseconds(20)) }.value
        }
    }
}
