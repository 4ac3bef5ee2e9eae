// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import Foundation
import Testing

/// An idempotent producer that sends numbered records until it is told to stop, whatever happens to the broker.
struct RunningProducer {
    private static let recordBytes = 200
    private static let waitLimit = Duration.seconds(60)
    private static let pollInterval = Duration.milliseconds(2)

    let broker: BrokerUnderTest
    let topic: String
    let partitions: Int
    private let program: ChildProcess
    private let progressFile: URL
    private let stopFile: URL

    /// Makes the topic and begins.
    init(
        _ library: Library, on broker: BrokerUnderTest, topic: String = "running", partitions: Int = 3,
        recordsPerSecond: Int = 5000
    ) async throws {
        self.broker = broker
        self.topic = topic
        self.partitions = partitions
        self.progressFile = try broker.file("progress")
        self.stopFile = try broker.file("stop")
        try await broker.run(
            library, ["do": "create_topic", "topic": .string(topic), "partitions": .number(partitions)]
        )
        self.program = try broker.begin(
            library,
            [
                [
                    "do": "produce_sequence", "topic": .string(topic), "partitions": .number(partitions),
                    "size": .number(Self.recordBytes), "recordsPerSecond": .number(recordsPerSecond),
                    "progressFile": .string(self.progressFile.path), "stopFile": .string(self.stopFile.path),
                ]
            ]
        )
    }

    /// How many records the broker has acknowledged, about.
    private var acknowledged: Int {
        (try? String(contentsOf: self.progressFile, encoding: .utf8)).flatMap(Int.init) ?? 0
    }

    func waitForMore(_ count: Int) async throws { try await self.waitForAcknowledged(self.acknowledged + count) }

    func waitForAcknowledged(_ count: Int) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.waitLimit
        while self.acknowledged < count {
            try #require(
                self.program.process.isRunning && clock.now < deadline,
                "\(self.acknowledged) of \(count) records are acknowledged: \(self.program.errorText)"
            )
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Lets the producer send what it has begun, and gives what became of it. All of it must be acknowledged.
    func finish(_ comment: String = "") async throws -> JSON {
        try Data().write(to: self.stopFile)
        let sent = try await self.broker.finish(self.program)[0]
        #expect(sent["failures"] == [], "\(comment)")
        #expect(sent["sent"] == sent["acknowledged"], "\(comment)")
        return sent
    }

    /// Ends it, whatever it was doing.
    func kill() { self.program.send(SIGKILL) }

    /// Lets the producer send what it has begun, and reads everything back.
    func finishAndCheck(_ comment: String = "") async throws {
        let sent = try await self.finish(comment)
        for reader in Library.recordClients {
            let read = try await self.broker.run(
                reader,
                [
                    "do": "consume_sequence", "topic": .string(self.topic), "partitions": .number(self.partitions),
                    "size": .number(Self.recordBytes),
                ]
            )
            #expect(read[0] == ["count": sent["sent"], "problems": []], "read by \(reader), \(comment)")
        }
    }
}
