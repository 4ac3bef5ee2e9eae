// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// What a command of `martlet` printed, and how it ended.
struct ToolResult {
    let status: Int32
    let output: String
    let errors: String
    let took: Duration

    var lines: [String] { self.output.split(separator: "\n").map(String.init) }

    /// The output as one JSON value.
    func json() throws -> JSON { try JSONDecoder().decode(JSON.self, from: Data(self.output.utf8)) }

    /// The output as a JSON value per line.
    func jsonLines() throws -> [JSON] {
        try self.lines.map { try JSONDecoder().decode(JSON.self, from: Data($0.utf8)) }
    }
}

/// Runs commands of `martlet` in a folder of their own, which is removed in the end.
final class Toolbox: Sendable {
    private static let limit = Duration.seconds(60)

    let folder: URL

    init() throws {
        self.folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-tools-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: self.folder) }

    /// Runs a command and expects this exit code.
    @discardableResult
    func martlet(
        _ arguments: String..., bootstrap: String? = nil, input: String = "", expecting status: Int32 = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ToolResult {
        try await self.martletList(
            arguments, bootstrap: bootstrap, input: input, expecting: status, sourceLocation: sourceLocation)
    }

    /// The same for arguments in an array.
    func martletList(
        _ arguments: [String], bootstrap: String? = nil, input: String = "", expecting status: Int32,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ToolResult {
        try await self.run(
            try Programs.martlet(), arguments, bootstrap: bootstrap, input: Data(input.utf8), expecting: status,
            sourceLocation: sourceLocation)
    }

    /// The same with the standard error on a terminal; the output is what the terminal was sent.
    func onTerminal(
        _ arguments: String..., bootstrap: String, expecting status: Int32 = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> ToolResult {
        try await self.run(
            try Programs.python(), [Programs.client("on_terminal"), try Programs.martlet().path] + arguments,
            bootstrap: bootstrap, input: Data(), expecting: status, sourceLocation: sourceLocation)
    }

    private func run(
        _ program: URL, _ arguments: [String], bootstrap: String?, input: Data, expecting status: Int32,
        sourceLocation: SourceLocation
    ) async throws -> ToolResult {
        var environment: [String: String] = [:]
        if let bootstrap { environment["MARTLET_BOOTSTRAP"] = bootstrap }
        let clock = ContinuousClock()
        let start = clock.now
        let child = try ChildProcess(
            program, arguments, environment: environment, input: input, folder: self.folder)
        let exit = try await child.waitForExit(within: Self.limit)
        let result = ToolResult(
            status: exit.status, output: String(decoding: child.outputData, as: UTF8.self), errors: child.errorText,
            took: start.duration(to: clock.now))
        #expect(
            exit == ChildProcess.Exit(status: status, isSignal: false),
            "\(child.description)\n\(result.output)\(result.errors)", sourceLocation: sourceLocation)
        return result
    }

    /// A file with these bytes.
    func file(_ name: String, _ text: String) throws -> String {
        let file = self.folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    /// Runs `body` with the address of something that is no broker: `silent`, `closing` or `http`.
    func withPeer(_ kind: String, _ body: (String) async throws -> Void) async throws {
        let port = Sockets.freePort()
        let peer = try ChildProcess(
            try Programs.python(), [Programs.client("peers"), kind, "\(port)"], folder: self.folder)
        defer { peer.send(SIGKILL) }
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(20)
        while !Sockets.accepts(host: "127.0.0.1", port: port) {
            try #require(clock.now < deadline, "peers.py does not listen: \(peer.errorText)")
            try await Task.sleep(for: .milliseconds(10))
        }
        try await body("127.0.0.1:\(port)")
    }
}
