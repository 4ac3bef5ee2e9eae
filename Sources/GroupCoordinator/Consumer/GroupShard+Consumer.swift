// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages

extension GroupShard {
    mutating func replayConsumer(_ record: CoordinatorRecord) {}
}
