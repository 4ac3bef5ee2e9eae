// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire
import Testing

@testable import KafkaClient

@Suite struct KafkaClientErrorTests {
    @Test("a broker's error names its subject once, its code, and the broker's words or ours")
    func message() {
        let plain = KafkaClientError(.messageTooLarge, subject: "orders-0", message: "much too large")
        #expect(plain.description == "orders-0: MESSAGE_TOO_LARGE: much too large")
        let named = KafkaClientError(.messageTooLarge, subject: "orders-0", message: "orders-0 takes 100 bytes")
        #expect(named.description == "MESSAGE_TOO_LARGE: orders-0 takes 100 bytes")
        let silent = KafkaClientError(.messageTooLarge, subject: "orders-0", message: "")
        #expect(silent.message == "orders-0: MESSAGE_TOO_LARGE: \(ErrorCode.messageTooLarge.summary)")
    }

    @Test("what may go away is retriable, and what was not reached is unreachable")
    func kinds() {
        #expect(KafkaClientError(.notLeaderOrFollower, subject: "t").isRetriable)
        #expect(!KafkaClientError(.messageTooLarge, subject: "t").isRetriable)
        #expect(KafkaClientError(.connectionClosed, "").isRetriable)
        #expect(!KafkaClientError(.clusterUnreachable, "").isRetriable)
        #expect(KafkaClientError(.clusterUnreachable, "").isUnreachable)
        #expect(!KafkaClientError(.messageTooLarge, subject: "t").isUnreachable)
    }
}
