// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaClient
import KafkaRecords
import KafkaTypes
import MartletTestKit
import NIOCore
import Testing

@Suite struct LifecycleTests {
    @Test("the broker is ready within the call, and topics and configs are those that were asked for")
    func ready() async throws {
        let configuration = MartletConfiguration(
            configs: ["num.partitions": "3"],
            topics: ["plain", MartletTopic("wide", partitions: 7, configs: ["cleanup.policy": "compact"])])
        try await withMartlet(configuration) { martlet in
            try await martlet.withCluster { cluster in
                let plain = try await cluster.topic("plain")
                #expect(plain.partitions.count == 3)
                let wide = try await cluster.topic("wide")
                #expect(wide.partitions.count == 7)
            }
        }
    }

    @Test("configs and topics that are not allowed are an error that names them")
    func refused() async throws {
        let unknown = await #expect(throws: MartletError.self) {
            try await withMartlet(MartletConfiguration(configs: ["num.partition": "3"])) { _ in }
        }
        #expect(unknown?.code == .invalidConfiguration)
        #expect(unknown?.message.contains("num.partition") == true)
        let topic = await #expect(throws: MartletError.self) {
            try await withMartlet(MartletConfiguration(topics: [MartletTopic("t", configs: ["retention": "1"])])) { _ in
            }
        }
        #expect(topic?.message.contains("'t'") == true)
    }

    @Test("what the body throws comes through, and the broker is gone")
    func bodyThrows() async throws {
        struct Mistake: Error {}
        var port = 0
        await #expect(throws: Mistake.self) {
            try await withMartlet { martlet in
                port = martlet.port
                throw Mistake()
            }
        }
        #expect(!(await isListening(port)))
    }

    @Test(
        "records survive a restart, a kill and a loss of power",
        arguments: [MartletStorage.memory, .temporaryDirectory])
    func survives(storage: MartletStorage) async throws {
        try await withMartlet(MartletConfiguration(topics: ["t"], storage: storage)) { martlet in
            let port = martlet.port
            try await martlet.produce("1")
            try await martlet.restart()
            #expect(try await martlet.produce("2") == 1)
            try await martlet.kill()
            #expect(!(await isListening(port)))
            try await martlet.start()
            #expect(try await martlet.produce("3") == 2)
            try await martlet.losePower()
            try await martlet.start()
            #expect(try await martlet.produce("4") == 3)
            #expect(martlet.port == port)
        }
    }

    @Test("starting twice and stopping twice are errors that say what to do")
    func wrongState() async throws {
        try await withMartlet { martlet in
            let running = await #expect(throws: MartletError.self) { try await martlet.start() }
            #expect(running?.code == .wrongState)
            try await martlet.stop()
            let stopped = await #expect(throws: MartletError.self) { try await martlet.kill() }
            #expect(stopped?.message.contains("start()") == true)
        }
    }
}
