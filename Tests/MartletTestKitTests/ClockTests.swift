// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaMessages
import KafkaTypes
import KafkaWire
import MartletTestKit
import Testing

@Suite struct ClockTests {
    @Test("members are out of their group when the session is over that the test has pass", arguments: MartletTime.both)
    func sessions(time: MartletTime) async throws {
        // Long enough that nothing of it is used up by the test itself, where time passes.
        let session = ["group.consumer.max.session.timeout.ms", "group.consumer.session.timeout.ms"]
        let configs = Dictionary(uniqueKeysWithValues: session.map { ($0, "3600000") })
        let configuration = MartletConfiguration(configs: configs, topics: ["t"], time: time)
        try await withMartlet(configuration) { martlet in
            try await martlet.withConnection { connection in
                let joined = try await connection.heartbeat(group: "g", member: "m", epoch: 0)
                await martlet.clock.advance(by: .seconds(1800))
                let alive = try await connection.heartbeat(group: "g", member: "m", epoch: joined.memberEpoch)
                #expect(alive.errorCode == 0)
                await martlet.clock.advance(by: .seconds(3700))
                let expired = try await connection.heartbeat(group: "g", member: "m", epoch: joined.memberEpoch)
                #expect(expired.errorCode == ErrorCode.unknownMemberID.rawValue)
            }
        }
    }

    @Test("a member expires when the test says so, by its name, and the others stay")
    func expires() async throws {
        try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
            try await martlet.withConnection(clientID: "one") { one in
                try await martlet.withConnection(clientID: "two") { two in
                    let first = try await one.heartbeat(group: "g", member: "m1", epoch: 0)
                    let second = try await two.heartbeat(group: "g", member: "m2", epoch: 0)
                    try martlet.expireMembers(of: "g", named: "one")
                    let expired = try await one.heartbeat(group: "g", member: "m1", epoch: first.memberEpoch)
                    #expect(expired.errorCode == ErrorCode.unknownMemberID.rawValue)
                    let alive = try await two.heartbeat(group: "g", member: "m2", epoch: second.memberEpoch)
                    #expect(alive.errorCode == 0)
                }
            }
            let error = #expect(throws: MartletError.self) {
                try martlet.expireMembers(of: "g", named: "nobody")
            }
            #expect(error?.message.contains("'nobody'") == true)
        }
    }

    @Test("retention takes what has grown old")
    func retention() async throws {
        let topic = MartletTopic("t", configs: ["retention.ms": "60000", "segment.ms": "1000"])
        try await withMartlet(MartletConfiguration(topics: [topic], time: .standing)) { martlet in
            func produce(_ value: String) async throws {
                let batch = try batch(value, timestamp: martlet.clock.wallMs)
                try await martlet.withCluster { _ = try await $0.produce(batch, to: t0) }
            }
            try await produce("old")
            await martlet.clock.advance(by: .seconds(10))
            try await produce("new")
            await martlet.clock.advance(by: .seconds(400))
            try await martlet.withConnection { connection in
                let fetched = try await connection.fetch(from: 0)
                #expect(fetched.only?.logStartOffset == 2)
            }
        }
    }

    @Test("on a clock that stands a fetch waits until the test has its time pass")
    func fetchWaits() async throws {
        try await withMartlet(MartletConfiguration(topics: ["t"], time: .standing)) { martlet in
            async let waiting = martlet.withConnection { try await $0.fetch(maxWaitMs: 20) }
            try await martlet.waitForRequests(1, of: .fetch)
            // Somebody else's request has been answered since, and real time has passed.
            #expect(try await martlet.endOffset() == 0)
            await martlet.clock.advance(by: .milliseconds(20))
            #expect(try await waiting.only?.errorCode == 0)
        }
    }

    @Test("the clock starts and stops, and its wall clock is set by itself")
    func startsAndStops() async throws {
        try await withMartlet { martlet in
            martlet.clock.stop()
            martlet.clock.setWall(ms: 1_000)
            #expect(martlet.clock.wallMs == 1_000)
            await martlet.clock.advance(by: .milliseconds(5))
            #expect(martlet.clock.wallMs == 1_005)
            martlet.clock.start()
            #expect(martlet.clock.wallMs >= 1_005)
            #expect(martlet.clock.wallMs < 1_000_000)
        }
    }
}

extension MartletTime {
    static let both: [MartletTime] = [.passing, .standing]
}
