// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages
import KafkaTypes
import KafkaWire
import Testing

@testable import Broker

@Suite("Heartbeat")
struct HeartbeatHandlerTests {
    @Test("a heartbeat while groups are being loaded is no reason to give up, every other refusal is told")
    func loading() {
        #expect(HeartbeatHandler.refusal(.coordinatorLoadInProgress).errorCode == 0)
        for errorCode in [ErrorCode.coordinatorNotAvailable, .invalidGroupID, .unknownServerError] {
            #expect(ErrorCode(HeartbeatHandler.refusal(errorCode).errorCode) == errorCode)
        }
    }
}
