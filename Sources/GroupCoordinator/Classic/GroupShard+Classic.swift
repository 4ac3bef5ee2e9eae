// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

public import KafkaMessages

extension GroupShard {
    mutating func replayClassic(_ key: GroupMetadataKey, _ value: GroupMetadataValue?) {}
}
