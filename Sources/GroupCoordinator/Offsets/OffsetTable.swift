// SPDX-License-Identifier: Apache-2.0
// Part of Martlet, an event broker in Swift.

import KafkaMessages

/// The committed offsets of the groups of a shard.
struct OffsetTable: Sendable {
    mutating func replay(_ key: OffsetCommitKey, _ value: OffsetCommitValue?) {}
}
