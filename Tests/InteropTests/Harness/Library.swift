// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// A library that a Python program drives, step by step.
enum Library: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case confluent = "confluent_client"
    case kafkaPython = "kafka_python_client"
    /// Martlet's own.
    case kafkaClient = "interop-client"
    /// No library: bytes on a socket.
    case rawRequests = "raw_requests"

    /// confluent-kafka, through many kills of the broker.
    case kills = "kill_client"

    /// The libraries of others, in all that they can do.
    static let clients: [Library] = [.confluent, .kafkaPython]
    /// Those that write and read records, ours among them.
    static let recordClients = Self.clients + [.kafkaClient]

    var testDescription: String {
        switch self {
        case .confluent: "confluent-kafka"
        case .kafkaPython: "kafka-python"
        case .kafkaClient: "KafkaClient"
        case .rawRequests: "raw requests"
        case .kills: "confluent-kafka under kills"
        }
    }
}

extension BrokerUnderTest {
    private static let programLimit = Duration.seconds(120)

    /// Runs the steps in one program, one after the other, and gives their results.
    ///
    /// - Throws: when the program fails. An error of the protocol is a result, not a failure.
    @discardableResult
    func run(_ library: Library, _ steps: JSON..., bootstrap: String? = nil) async throws -> [JSON] {
        try await self.finish(self.begin(library, steps, bootstrap: bootstrap))
    }

    /// Starts a program and does not wait for it.
    func begin(_ library: Library, _ steps: [JSON], bootstrap: String? = nil) throws -> ChildProcess {
        let job: JSON = ["bootstrap": .string(bootstrap ?? self.bootstrap), "steps": .array(steps)]
        let isOurs = library == .kafkaClient
        return try ChildProcess(
            isOurs ? try Programs.interopClient() : try Programs.python(),
            isOurs ? [] : ["-B", Programs.client(library.rawValue)],
            input: try JSONEncoder().encode(job),
            folder: self.folder
        )
    }

    /// The results of a program that was started before.
    func finish(_ program: ChildProcess) async throws -> [JSON] {
        let exit = try await program.waitForExit(within: Self.programLimit)
        guard exit == .success else { throw ProgramFailure(program, exit) }
        return try JSONDecoder().decode(JSON.self, from: program.outputData)["results"].elements
    }

    /// Runs kcat and gives what it prints.
    @discardableResult
    func kcat(_ arguments: String..., input: Data = Data()) async throws -> Data {
        try await self.kcat(arguments, input: input)
    }

    @discardableResult
    func kcat(_ arguments: [String], input: Data = Data()) async throws -> Data {
        let program = try ChildProcess(
            try Programs.kcat(),
            ["-q", "-b", self.bootstrap] + arguments,
            input: input,
            folder: self.folder
        )
        let exit = try await program.waitForExit(within: Self.programLimit)
        guard exit == .success else { throw ProgramFailure(program, exit) }
        return program.outputData
    }

    /// A fresh file in the test's folder.
    func file(_ name: String, _ content: Data? = nil) throws -> URL {
        let file = self.folder.appendingPathComponent(name)
        try content?.write(to: file)
        return file
    }
}

/// A client program ended with a failure.
struct ProgramFailure: Error, CustomStringConvertible {
    let description: String

    init(_ program: ChildProcess, _ exit: ChildProcess.Exit) {
        self.description = "\(program.description) ended with \(exit):\n\(program.errorText)"
    }
}
