// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaWire

// Stand-ins for what the groups themselves will say.

extension ClassicGroup {
    enum State: String { case empty = "Empty", stable = "Stable" }
    var state: State { .empty }
    var protocolType: String { "consumer" }
    var emptySinceMs: Int64? { nil }
    func subscribes(to topic: String) -> Bool { true }
    func refusalOfFetch(memberID: String?, memberEpoch: Int32) -> ErrorCode? { nil }
    func tombstones() -> [CoordinatorRecord] { [] }
}

extension ConsumerGroup {
    enum State: String { case empty = "Empty", stable = "Stable" }
    var state: State { .empty }
    var emptySinceMs: Int64? { nil }
    func subscribes(to topic: String) -> Bool { true }
    func refusalOfFetch(memberID: String?, memberEpoch: Int32) -> ErrorCode? { nil }
    func tombstones() -> [CoordinatorRecord] { [] }
}
