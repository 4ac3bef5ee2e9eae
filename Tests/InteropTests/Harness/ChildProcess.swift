// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import ProcessStart
import Synchronization

/// A program that a test has started. Its output goes to files, so that no pipe can fill up and stop it.
final class ChildProcess: Sendable {
    /// How a process ended.
    struct Exit: Equatable, Sendable {
        /// The exit code, or the signal that ended it.
        let status: Int32
        let isSignal: Bool

        static let success = Exit(status: 0, isSignal: false)
        static let killed = Exit(status: SIGKILL, isSignal: true)
    }

    let process: Process
    /// Where standard output goes.
    let output: URL
    /// Where standard error goes.
    let errors: URL
    private let exits: AsyncStream<Exit>
    private let known = Mutex<Exit?>(nil)

    /// - Parameters:
    ///   - environment: variables beside those of the tests.
    ///   - input: what the program finds on standard input.
    ///   - folder: where the files of its output are made; has to outlive the process.
    init(
        _ executable: URL,
        _ arguments: [String],
        environment: [String: String] = [:],
        input: Data = Data(),
        folder: URL
    ) throws {
        let name = "\(executable.lastPathComponent)-\(UUID().uuidString.prefix(8))"
        self.output = folder.appendingPathComponent("\(name).out")
        self.errors = folder.appendingPathComponent("\(name).err")
        let inputFile = folder.appendingPathComponent("\(name).in")
        try Data().write(to: self.output)
        try Data().write(to: self.errors)
        try input.write(to: inputFile)

        let (exits, continuation) = AsyncStream.makeStream(of: Exit.self, bufferingPolicy: .bufferingNewest(1))
        self.exits = exits
        self.process = Process()
        self.process.executableURL = executable
        self.process.arguments = arguments
        self.process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
        self.process.standardInput = try FileHandle(forReadingFrom: inputFile)
        self.process.standardOutput = try FileHandle(forWritingTo: self.output)
        self.process.standardError = try FileHandle(forWritingTo: self.errors)
        self.process.terminationHandler = { process in
            let isSignal = process.terminationReason == .uncaughtSignal
            continuation.yield(Exit(status: process.terminationStatus, isSignal: isSignal))
            continuation.finish()
        }
        try self.process.start()
    }

    func send(_ signal: Int32) {
        if self.process.isRunning { kill(self.process.processIdentifier, signal) }
    }

    /// How the process ends. Kills it when it has not ended by itself within `limit`.
    ///
    /// - Throws: `StillRunning` then.
    func waitForExit(within limit: Duration) async throws -> Exit {
        if let exit = self.known.withLock({ $0 }) { return exit }
        let exits = self.exits
        let exit = await withTaskGroup(of: Exit?.self) { tasks in
            tasks.addTask {
                for await exit in exits { return exit }
                return nil
            }
            tasks.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            let first = await tasks.next()
            // Ends the task that still waits: for the process, or for the time.
            tasks.cancelAll()
            return first ?? nil
        }
        guard let exit else {
            self.send(SIGKILL)
            throw StillRunning(program: self.description, limit: limit)
        }
        self.known.withLock { $0 = exit }
        return exit
    }

    var outputData: Data { (try? Data(contentsOf: self.output)) ?? Data() }
    var errorText: String { String(decoding: (try? Data(contentsOf: self.errors)) ?? Data(), as: UTF8.self) }

    var description: String {
        ([self.process.executableURL?.lastPathComponent ?? ""] + (self.process.arguments ?? [])).joined(separator: " ")
    }
}

/// A program took longer than it may.
struct StillRunning: Error, CustomStringConvertible {
    let program: String
    let limit: Duration

    var description: String { "killed, because it was still running after \(self.limit): \(self.program)" }
}
