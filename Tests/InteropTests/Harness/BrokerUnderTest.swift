// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Synchronization
import Testing

/// A broker process with a data directory of its own, which begins empty.
///
/// It is always started on the same port, so that clients find it again after a restart.
final class BrokerUnderTest: Sendable {
    private static let startLimit = Duration.seconds(30)
    private static let stopLimit = Duration.seconds(30)
    /// `nobody`, on most systems.
    private static let userWithoutRights = 65_534
    private static let pollInterval = Duration.milliseconds(5)
    /// Lines of the broker's log that go with a failure.
    private static let logLinesShown = 60

    /// The broker of the test that runs.
    @TaskLocal static var current: BrokerUnderTest?

    /// Holds the data directory and everything that a test writes.
    let folder: URL
    let port: UInt16
    private let listenHost: String
    private let arguments: [String]
    private let environment: [String: String]
    private let isWithoutRights: Bool
    private let child = Mutex<ChildProcess?>(nil)
    private let logs = Mutex<[URL]>([])

    init(_ options: BrokerOptions) throws {
        self.folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-interop-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        self.port = Sockets.freePort()
        self.listenHost = options.listenHost
        // A broker that gives work to an event loop that is gone crashes, instead of writing that NIO will have it crash
        // one day.
        self.environment = options.environment.merging(["SWIFTNIO_STRICT": "1"]) { own, _ in own }
        self.isWithoutRights = options.isWithoutRights
        if options.isWithoutRights {
            let owner: [FileAttributeKey: Any] = [
                .ownerAccountID: Self.userWithoutRights, .groupOwnerAccountID: Self.userWithoutRights,
            ]
            try FileManager.default.setAttributes(owner, ofItemAtPath: self.folder.path)
        }
        var arguments = options.settings.flatMap { ["--set", "\($0.name)=\($0.value)"] }
        if let file = options.file {
            let path = self.folder.appendingPathComponent("server.properties")
            try Data(file.utf8).write(to: path)
            arguments += ["--config", path.path]
        }
        self.arguments = arguments
    }

    /// Where clients begin.
    var bootstrap: String { "127.0.0.1:\(self.port)" }
    var dataDirectory: URL { self.folder.appendingPathComponent("data") }

    /// Starts the broker and waits until it accepts connections.
    func start() async throws {
        let child = try self.launch()
        let clock = ContinuousClock()
        let deadline = clock.now + Self.startLimit
        while !Sockets.accepts(host: "127.0.0.1", port: self.port) {
            guard child.process.isRunning, clock.now < deadline else {
                throw BrokerFailure("the broker does not accept connections on \(self.bootstrap)", log: self.log)
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Starts the broker and kills it soon, ready or not.
    func startAndKill(after duration: Duration) async throws {
        _ = try self.launch()
        try await Task.sleep(for: duration)
        try await self.kill()
    }

    /// Tells the broker to stop and kills it soon, done or not.
    func stopAndKill(after duration: Duration) async throws {
        guard let child = self.child.withLock({ $0.take() }) else { return }
        child.send(SIGTERM)
        try await Task.sleep(for: duration)
        child.send(SIGKILL)
        let exit = try await child.waitForExit(within: Self.stopLimit)
        guard exit == .success || exit == .killed else {
            throw BrokerFailure("between SIGTERM and kill -9 the broker ended with \(exit)", log: self.log)
        }
    }

    private func launch() throws -> ChildProcess {
        let martlet = try Programs.martlet()
        let arguments =
            ["serve", "--data-dir", self.dataDirectory.path, "--listen", "\(self.listenHost):\(self.port)"]
            + self.arguments
        let user = "\(Self.userWithoutRights)"
        let child = try ChildProcess(
            self.isWithoutRights ? URL(fileURLWithPath: "/usr/bin/setpriv") : martlet,
            self.isWithoutRights
                ? ["--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", martlet.path] + arguments
                : arguments,
            environment: self.environment,
            folder: self.folder
        )
        self.child.withLock { $0 = child }
        self.logs.withLock { $0 = [child.output, child.errors] }
        return child
    }

    /// Ends the broker as an operator does, and expects that it goes in order.
    func stop() async throws {
        guard let child = self.child.withLock({ $0.take() }) else { return }
        child.send(SIGTERM)
        let exit = try await child.waitForExit(within: Self.stopLimit)
        guard exit == .success else {
            throw BrokerFailure("after SIGTERM the broker ended with \(exit)", log: self.log)
        }
    }

    /// Ends the broker as a crash does.
    func kill() async throws {
        guard let child = self.child.withLock({ $0.take() }) else { return }
        guard child.process.isRunning else {
            throw BrokerFailure("the broker had ended before it was killed", log: self.log)
        }
        child.send(SIGKILL)
        _ = try await child.waitForExit(within: Self.stopLimit)
    }

    /// What the broker has logged since its last start.
    var log: String {
        self.logs.withLock { $0 }
            .map { String(decoding: (try? Data(contentsOf: $0)) ?? Data(), as: UTF8.self) }
            .joined()
    }

    /// The end of the log.
    var recentLog: String {
        self.log.split(separator: "\n", omittingEmptySubsequences: false)
            .suffix(Self.logLinesShown)
            .joined(separator: "\n")
    }

    /// Kills what still runs and removes the folder.
    func cleanUp() async {
        if let child = self.child.withLock({ $0.take() }) {
            child.send(SIGKILL)
            _ = try? await child.waitForExit(within: Self.stopLimit)
        }
        try? FileManager.default.removeItem(at: self.folder)
    }
}

/// What a test wants of its broker.
struct BrokerOptions: Sendable {
    var listenHost = "127.0.0.1"
    /// For `--set`.
    var settings: [(name: String, value: String)] = []
    var environment: [String: String] = [:]
    /// The text of a properties file.
    var file: String?
    /// Runs the broker as another user, who may do nothing. Only root can.
    var isWithoutRights = false
}

/// Runs `body` with a broker that has just been started on an empty directory, and stops it in order afterwards.
func withBroker(
    _ options: BrokerOptions = BrokerOptions(),
    _ body: @Sendable (BrokerUnderTest) async throws -> Void
) async throws {
    let broker = try BrokerUnderTest(options)
    try await BrokerUnderTest.$current.withValue(broker) {
        do {
            try await broker.start()
            try await body(broker)
            try await broker.stop()
        } catch {
            await broker.cleanUp()
            throw error
        }
        await broker.cleanUp()
    }
}

/// The broker did what it must not.
struct BrokerFailure: Error, CustomStringConvertible {
    let description: String

    init(_ text: String, log: String) { self.description = "\(text); its log:\n\(log)" }
}

extension Trait where Self == IssueHandlingTrait {
    /// Adds the end of the broker's log to whatever goes wrong.
    static var showsBrokerLog: Self {
        .compactMapIssues { issue in
            guard let log = BrokerUnderTest.current?.recentLog else { return issue }
            var issue = issue
            issue.comments.append("the broker's log ends with:\n\(log)")
            return issue
        }
    }
}

/// Real clients against a real broker process. One test at a time: each of them is several programs already.
@Suite("Interop", .serialized, .showsBrokerLog) enum Interop {}
