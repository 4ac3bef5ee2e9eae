// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import MartletTestKit
import Testing

@Suite struct MartletDiskTests {
    private let configuration = MartletConfiguration(topics: [MartletTopic("t", partitions: 2)])

    @Test(
        "a write that fails is refused, and the log goes on", arguments: [MartletStorage.memory, .temporaryDirectory])
    func failedWrite(storage: MartletStorage) async throws {
        var configuration = self.configuration
        configuration.storage = storage
        try await withMartlet(configuration) { martlet in
            martlet.disk.fail(.write, of: t0)
            try await martlet.withConnection { connection in
                let answers = try await connection.produce("x", to: [t0, t1])
                #expect(answers[0]?.errorCode == ErrorCode.kafkaStorageError.rawValue)
                #expect(answers[1]?.errorCode == 0)
            }
        }
    }

    @Test("after a sync that failed a partition takes nothing more until the broker is started again")
    func failedSync() async throws {
        try await withMartlet(self.configuration) { martlet in
            martlet.disk.fail(.sync, of: t0)
            try await martlet.withConnection { connection in
                for _ in 0..<2 {
                    let answer = try await connection.produce("x")[0]
                    #expect(answer?.errorCode == ErrorCode.kafkaStorageError.rawValue)
                }
            }
            try await martlet.kill()
            try await martlet.start()
            try await martlet.withConnection { connection in
                let answer = try await connection.produce("x")[0]
                #expect(answer?.errorCode == 0)
            }
        }
    }

    @Test("what was not synced is lost with the power, and what was acknowledged by all is not")
    func powerLoss() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.produce("kept")
            let hold = martlet.disk.hold(.sync, of: t0)
            try await martlet.withConnection { connection in
                // acks=1 does not wait for the disk.
                let answer = try await connection.produce("lost", acks: 1)[0]
                #expect(answer?.baseOffset == 1)
            }
            try await hold.waitForCalls()
            try await martlet.losePower()
            hold.release()
            try await martlet.start()
            #expect(try await martlet.endOffset() == 1)
        }
    }

    @Test("acks=all waits for a disk that is held up")
    func heldSync() async throws {
        try await withMartlet(self.configuration) { martlet in
            let hold = martlet.disk.hold(.sync, of: t0)
            async let acknowledged = martlet.withConnection { try await $0.produce("x")[0]?.baseOffset }
            try await hold.waitForCalls()
            #expect(hold.count == 1)
            // Not durable, so nobody sees it.
            #expect(try await martlet.endOffset() == 0)
            hold.release()
            #expect(try await acknowledged == 0)
            #expect(try await martlet.endOffset() == 1)
        }
    }

    @Test("a slow disk is as slow as the test says")
    func slowSync() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection { connection in
                _ = try await connection.produce("x")
                martlet.disk.slow(.sync, of: t0, by: .milliseconds(50))
                let elapsed = try await ContinuousClock().measure { _ = try await connection.produce("x") }
                #expect(elapsed >= .milliseconds(50))
            }
        }
    }

    @Test("a full disk refuses records until there is room again")
    func fullDisk() async throws {
        try await withMartlet(self.configuration) { martlet in
            martlet.disk.fail(.write, of: t0, with: .noSpace)
            try await martlet.withConnection { connection in
                let answer = try await connection.produce("x")[0]
                #expect(answer?.errorCode == ErrorCode.kafkaStorageError.rawValue)
            }
        }
    }
}
