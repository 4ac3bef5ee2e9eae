// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import MartletTestKit
import Testing

@Suite struct SideBySideTests {
    @Test("brokers run side by side and know nothing of one another")
    func sideBySide() async throws {
        try await withThrowingTaskGroup(of: Int.self) { tasks in
            for number in 0..<8 {
                tasks.addTask {
                    try await withMartlet(MartletConfiguration(topics: ["t"])) { martlet in
                        for _ in 0..<number { try await martlet.produce("x") }
                        if number.isMultiple(of: 2) {
                            try await martlet.kill()
                            try await martlet.start()
                        }
                        #expect(try await martlet.endOffset() == Int64(number))
                        return martlet.port
                    }
                }
            }
            var ports: Set<Int> = []
            for try await port in tasks { ports.insert(port) }
            #expect(ports.count > 1)
        }
    }

    @Test("nobody else is given the port of a broker that is down")
    func keepsItsPort() async throws {
        try await withMartlet { first in
            try await first.stop()
            for _ in 0..<20 {
                try await withMartlet { other in #expect(other.port != first.port) }
            }
            try await first.start()
            #expect(await isListening(first.port))
        }
    }
}
