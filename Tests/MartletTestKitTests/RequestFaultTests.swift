// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import MartletTestKit
import Testing

@Suite struct RequestFaultTests {
    private let configuration = MartletConfiguration(topics: [MartletTopic("t", partitions: 2)])

    @Test("a request is refused as often as the test says, and not carried out")
    func refuses() async throws {
        try await withMartlet(self.configuration) { martlet in
            try martlet.fail(.produce, with: .notEnoughReplicas, times: 2)
            try await martlet.withConnection { connection in
                for expected in [ErrorCode.notEnoughReplicas, .notEnoughReplicas, .none] {
                    let answer = try await connection.produce("x")[0]
                    #expect(answer?.errorCode == expected.rawValue)
                }
            }
            #expect(try await martlet.endOffset() == 1)
            #expect(martlet.requestCount(of: .produce) == 3)
        }
    }

    @Test("of a request only the partition is refused that the test names, and the rest is answered")
    func refusesPartition() async throws {
        try await withMartlet(self.configuration) { martlet in
            try martlet.fail(.produce, with: .notLeaderOrFollower, partition: t1)
            try martlet.fail(.fetch, with: .kafkaStorageError, partition: t1)
            try await martlet.withConnection { connection in
                let answers = try await connection.produce("x", to: [t0, t1])
                #expect(answers[0]?.errorCode == 0)
                #expect(answers[1]?.errorCode == ErrorCode.notLeaderOrFollower.rawValue)
                _ = try await connection.produce("x", to: [t1])

                let refused = try await connection.fetch(t1)
                #expect(refused.only?.errorCode == ErrorCode.kafkaStorageError.rawValue)
                let fetched = try await connection.fetch(t1)
                #expect(fetched.only?.errorCode == 0)
                #expect(fetched.only?.records?.byteCount ?? 0 > 0)
            }
        }
    }

    @Test("a fetch session does not go on while fetches are refused, and none is begun")
    func sessions() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection { connection in
                let begun = try await connection.fetch(epoch: 0)
                #expect(begun.sessionID != 0)
                try martlet.fail(.fetch, with: .kafkaStorageError, times: .max, partition: t1)
                let refused = try await connection.fetch(session: begun.sessionID, epoch: 1)
                #expect(refused.errorCode == ErrorCode.fetchSessionIDNotFound.rawValue)
                #expect(try await connection.fetch(epoch: 0).sessionID == 0)
                martlet.clearFaults()
                #expect(try await connection.fetch(epoch: 0).sessionID != 0)
            }
        }
    }

    @Test("groups are refused by name, in every request about them")
    func refusesGroup() async throws {
        try await withMartlet(self.configuration) { martlet in
            try martlet.fail(.consumerGroupHeartbeat, with: .coordinatorLoadInProgress, group: "g")
            try martlet.fail(.offsetFetch, with: .notCoordinator, group: "g")
            try await martlet.withConnection { connection in
                let other = try await connection.heartbeat(group: "other", member: "m", epoch: 0)
                #expect(other.errorCode == 0)
                let refused = try await connection.heartbeat(group: "g", member: "m", epoch: 0)
                #expect(refused.errorCode == ErrorCode.coordinatorLoadInProgress.rawValue)
                #expect(try await connection.heartbeat(group: "g", member: "m", epoch: 0).errorCode == 0)

                try martlet.fail(.findCoordinator, with: .coordinatorNotAvailable, group: "g")
                let found = try await connection.coordinators(of: ["g", "other"])
                let errors = Dictionary(found.map { ($0.key, $0.errorCode) }) { first, _ in first }
                #expect(errors == ["g": ErrorCode.coordinatorNotAvailable.rawValue, "other": 0])

                var offsets = OffsetFetchRequest()
                offsets.groups = ["g", "other"].map { id in
                    var group = OffsetFetchRequest.OffsetFetchRequestGroup()
                    (group.groupID, group.topics) = (id, nil)
                    return group
                }
                let groups = try await connection.send(offsets, versions: 8...8).groups
                let codes = Dictionary(groups.map { ($0.groupID, $0.errorCode) }) { first, _ in first }
                #expect(codes == ["g": ErrorCode.notCoordinator.rawValue, "other": 0])
            }
        }
    }

    @Test("an API that cannot be refused is an error that names it")
    func unsupported() async throws {
        try await withMartlet { martlet in
            let error = #expect(throws: MartletError.self) {
                try martlet.fail(.apiVersions, with: .unknownServerError)
            }
            #expect(error?.code == .notSupported)
            #expect(error?.message.contains("ApiVersions") == true)
        }
    }

    @Test("a lost answer costs the connection, and the request was carried out")
    func losesAnswer() async throws {
        try await withMartlet(self.configuration) { martlet in
            martlet.loseAnswers(to: .produce)
            let error = await #expect(throws: KafkaClientError.self) {
                try await martlet.withConnection { _ = try await $0.produce("x") }
            }
            #expect(error?.code == .connectionClosed)
            #expect(try await martlet.endOffset() == 1)
            try await martlet.withConnection { connection in
                let answer = try await connection.produce("y")[0]
                #expect(answer?.baseOffset == 1)
            }
        }
    }

    @Test("a held answer leaves when the test lets it go, and its request was carried out before")
    func holds() async throws {
        try await withMartlet(self.configuration) { martlet in
            let hold = martlet.hold(.produce, of: "slow")
            async let slow = martlet.withConnection(clientID: "slow") { try await $0.produce("x")[0]?.baseOffset }
            try await hold.waitForAnswers()
            #expect(try await martlet.endOffset() == 1)
            let other = try await martlet.withConnection { try await $0.produce("y")[0]?.baseOffset }
            #expect(other == 1)
            #expect(hold.count == 1)
            hold.release()
            #expect(try await slow == 0)
            #expect(hold.count == 0)
        }
    }

    @Test("a broker stops and is killed although answers are held")
    func stopsWhileHolding() async throws {
        try await withMartlet(self.configuration) { martlet in
            let hold = martlet.hold(.produce)
            async let answered = martlet.withConnection { try await $0.produce("x")[0]?.baseOffset }
            try await hold.waitForAnswers()
            try await martlet.restart()
            #expect(try await answered == 0)

            async let broken = Self.isBroken { _ = try await martlet.withConnection { try await $0.produce("x") } }
            try await hold.waitForAnswers()
            try await martlet.kill()
            #expect(await broken)
            try await martlet.start()
            #expect(try await martlet.endOffset() == 2)
        }
    }

    private static func isBroken(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return false
        } catch {
            return (error as? KafkaClientError)?.code == .connectionClosed
        }
    }

    @Test("a delayed answer comes so much later")
    func delays() async throws {
        try await withMartlet(self.configuration) { martlet in
            martlet.delay(.produce, by: .milliseconds(60), times: 1)
            try await martlet.withConnection { connection in
                let delayed = try await ContinuousClock().measure { _ = try await connection.produce("x") }
                #expect(delayed >= .milliseconds(60))
                #expect(try await connection.produce("y")[0]?.baseOffset == 1)
            }
        }
    }

    @Test("connections are dropped, of one client or of all")
    func dropsConnections() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection(clientID: "a") { first in
                try await martlet.withConnection(clientID: "b") { second in
                    let dropped = await martlet.dropConnections(of: "a")
                    #expect(dropped == 1)
                    await #expect(throws: KafkaClientError.self) { _ = try await first.produce("x") }
                    let answer = try await second.produce("x")[0]
                    #expect(answer?.errorCode == 0)
                    await martlet.dropConnections()
                    await #expect(throws: KafkaClientError.self) { _ = try await second.produce("x") }
                }
            }
        }
    }

    @Test("new connections are closed while the broker refuses them, and open ones go on")
    func refusesConnections() async throws {
        try await withMartlet(self.configuration) { martlet in
            try await martlet.withConnection { connection in
                martlet.refuseConnections()
                await #expect(throws: KafkaClientError.self) { try await martlet.withConnection { _ in } }
                let answer = try await connection.produce("x")[0]
                #expect(answer?.errorCode == 0)
            }
            martlet.acceptConnections()
            try await martlet.withConnection { _ in }
        }
    }
}
